//! A subscriber of a described target: what is done about each frame.

use super::held::Held;
use super::opening::Opening;
use super::{Parted, Subscriber};
use crate::engine::catch_up::CatchUpTask;
use crate::engine::socket::{self, Socket};
use crate::ledger::{CatchUpKind, ConnectionEnd};
use crate::model::ChannelId;
use crate::plan::ReceiveDesign;
use crate::target::{Connection, ConnectionPer, Deed, Described, Do, Frame, Template};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// A subscription that nothing confirms counts as standing after this, or after
/// the target's lag.
const UNCONFIRMED_US: u64 = 1_000_000;
/// A client that was told to give up tries again after this.
const GIVEN_UP_US: u64 = 5_000_000;
/// A long poll that was answered at once with nothing is not asked again at
/// once.
const IDLE_POLL: Duration = Duration::from_millis(50);

/// What a subscriber knows of its connection to a described target.
pub(super) struct Wired {
    pub(super) described: Arc<Described>,
    /// What was captured; kept over a resume. One for each connection.
    pub(super) connections: Vec<Connection>,
    /// The channels that are not confirmed yet.
    pub(super) unconfirmed: HashSet<ChannelId>,
    /// Confirmations that named no channel.
    pub(super) confirmations: usize,
    /// Frames to be sent, and when, in µs; with the lane that they belong to.
    pub(super) outgoing: Vec<(u64, usize, String)>,
    /// Whether the next connection may resume this one.
    pub(super) resumable: bool,
    /// The connection goes on where the last one ended: what was missed comes by
    /// itself.
    pub(super) resumes: bool,
    /// How long to wait before the next connection, in µs.
    pub(super) wait_us: u64,
    /// The last frame asked for nothing more.
    pub(super) idle: bool,
    /// A gap was noticed while a catch-up was under way.
    pub(super) gap_again: bool,
    /// A read of what was dropped did not come to its end: what resumes the
    /// connection does not bring that.
    pub(super) unread: bool,
}

impl Wired {
    pub(super) fn new(described: Arc<Described>) -> Self {
        Self {
            described,
            connections: Vec::new(),
            unconfirmed: HashSet::new(),
            confirmations: 0,
            outgoing: Vec::new(),
            resumable: false,
            resumes: false,
            wait_us: 0,
            idle: false,
            gap_again: false,
            unread: false,
        }
    }

    /// When the next frame is to be sent.
    pub(super) fn due_us(&self) -> u64 {
        self.outgoing.iter().map(|(due_us, ..)| *due_us).min().unwrap_or(u64::MAX)
    }
}

impl Subscriber {
    /// The frames that the client sends first. The subscription stands at once
    /// where nothing confirms it.
    pub(super) async fn greet_described(&mut self, socket: &mut Socket, held: &mut Held) -> Option<Parted> {
        let described = self.wired.as_ref()?.described.clone();
        let resume = self.wired.as_ref().is_some_and(|wired| wired.resumes);
        let open: &[Template] = match &described.receive.resume {
            Some(resuming) if resume => &resuming.open,
            _ => &described.receive.open,
        };
        let lanes = self.wired.as_ref().map_or(0, |wired| wired.connections.len());
        for lane in 0..lanes {
            for frame in open {
                self.queue_frame(frame, lane, None);
            }
        }
        if !described.receive.rules.have(Do::Connected) && !resume {
            self.queue_subscriptions();
        }
        self.set_heartbeat(held);
        if let Some(parted) = self.write_outgoing(socket).await {
            return Some(parted);
        }
        let confirms =
            described.receive.waits_for_confirmation() || described.receive.rules.have(Do::Resumed) && resume;
        if !confirms {
            self.arm_described(held);
        }
        None
    }

    fn queue_subscriptions(&mut self) {
        let Some(described) = self.wired.as_ref().map(|wired| wired.described.clone()) else { return };
        let Some(frame) = &described.receive.subscribe else { return };
        let channels: Vec<ChannelId> = self.log.borrow().channels().collect();
        let by_lane = described.receive.per == ConnectionPer::Channel;
        for (lane, channel) in channels.into_iter().enumerate() {
            self.queue_frame(frame, if by_lane { lane } else { 0 }, Some(channel));
        }
    }

    fn queue_frame(&mut self, frame: &Template, lane: usize, channel: Option<ChannelId>) {
        let Some(wired) = &self.wired else { return };
        let described = wired.described.clone();
        let of_lane = (described.receive.per == ConnectionPer::Channel).then(|| self.channel_of_lane(lane)).flatten();
        let opening = Opening {
            subscriber: self,
            described: &described,
            channels: self.joined_ids(&described),
            channel: channel.or(of_lane),
        };
        let rendered = opening.render(&wired.connections[lane], |scope, _| frame.render(scope));
        match rendered {
            Ok(frame) => {
                let now_us = self.shard.now_us();
                self.wired.iter_mut().for_each(|wired| wired.outgoing.push((now_us, lane, frame.clone())));
            }
            Err(error) => _ = self.shard.trouble.replace(Some(error.to_string())),
        }
    }

    fn channel_of_lane(&self, lane: usize) -> Option<ChannelId> {
        self.log.borrow().channels().nth(lane)
    }

    /// Writes the frames that are due; how the connection is left, if it is.
    pub(super) async fn write_outgoing(&mut self, socket: &mut Socket) -> Option<Parted> {
        let now_us = self.shard.now_us();
        let wired = self.wired.as_mut()?;
        if wired.outgoing.is_empty() {
            return None;
        }
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut wired.outgoing).into_iter().partition(|(due_us, ..)| *due_us <= now_us);
        wired.outgoing = later;
        for (_, lane, frame) in due {
            let Some(lane) = socket.each().get_mut(lane) else { continue };
            if !socket::write(lane, Message::text(frame)).await {
                return Some(self.parted(ConnectionEnd::Lost, 0));
            }
        }
        None
    }

    /// Takes a frame: what the rules say about it, in their order.
    pub(super) fn take_described(
        &mut self,
        text: &str,
        lane: usize,
        held: &mut Held,
        now_us: u64,
    ) -> Result<(), ConnectionEnd> {
        let Some(mut wired) = self.wired.take() else { return Ok(()) };
        let described = wired.described.clone();
        let deeds = {
            let people = self.shard.api.people.as_ref().expect("a described target has people");
            let person = people.person(self.user);
            let channel =
                (described.receive.per == ConnectionPer::Channel).then(|| self.channel_of_lane(lane)).flatten();
            let scope = people.cast.scope(self.user, &person, channel);
            match wired.connections.get_mut(lane) {
                Some(connection) => described.receive.rules.read(text, &scope, connection, &self.shard.shared.texts),
                None => Vec::new(),
            }
        };
        wired.idle = deeds.is_empty();
        self.wired = Some(wired);
        if deeds.is_empty()
            && text.starts_with("status: ")
            && !text.starts_with("status: 2")
            && !text.starts_with("status: 304")
        {
            let status = text.lines().next().unwrap_or_default();
            self.shard.trouble.replace(Some(format!("the long poll was answered with {status}")));
            return Err(ConnectionEnd::Lost);
        }
        deeds.into_iter().try_for_each(|deed| self.follow_deed(deed, lane, held, now_us))
    }

    fn follow_deed(&mut self, deed: Deed, lane: usize, held: &mut Held, now_us: u64) -> Result<(), ConnectionEnd> {
        match deed {
            Deed::Deliver(mut frame) => {
                // A connection for one channel says with it which it is.
                if let (Frame::Push(push), Some(true)) = (&mut frame, self.is_per_channel())
                    && push.channel.is_none()
                    && let Some(channel) = self.channel_of_lane(lane)
                {
                    push.channel = Some(self.shard.shared.directory.id(channel).to_owned().into());
                }
                self.take_event(frame, now_us);
            }
            Deed::Connected => self.queue_subscriptions(),
            Deed::Subscribed(id) => {
                if self.is_last_confirmation(id.as_deref()) {
                    self.arm_afresh(held);
                }
            }
            Deed::Ready => self.arm_afresh(held),
            Deed::Resumed => {
                // What was missed comes by itself; where the subscription stands already,
                // it was not resumed.
                if !held.armed && self.wired.as_ref().is_some_and(|wired| !wired.unread) {
                    self.owed = None;
                }
                self.arm_described(held);
            }
            Deed::Reply(named, text) => {
                if let Some(outbox) = &self.outbox {
                    outbox.say(&named, &text);
                }
            }
            Deed::Pong => {}
            Deed::Gap(id) => self.take_gap(id.as_deref(), held, now_us),
            Deed::Reconnect { resume, delay_us } => {
                self.wired.iter_mut().for_each(|wired| (wired.resumable, wired.wait_us) = (resume, delay_us));
                return Err(ConnectionEnd::Lost);
            }
            Deed::Fatal(said) => {
                self.shard.trouble.replace(Some(format!("the target said: {said}")));
                self.wired.iter_mut().for_each(|wired| (wired.resumable, wired.wait_us) = (false, GIVEN_UP_US));
                return Err(ConnectionEnd::Lost);
            }
            Deed::Send { frame, after_us, share } => {
                if share >= 1.0 || self.random.unit() < share {
                    self.wired
                        .iter_mut()
                        .for_each(|wired| wired.outgoing.push((now_us + after_us, lane, frame.clone())));
                    held.schedule_changed = true;
                }
            }
            Deed::Garbage => self.shard.count(|counters| counters.garbage_frames += 1),
            Deed::Broken(reason) => _ = self.shard.trouble.replace(Some(reason)),
        }
        Ok(())
    }

    fn is_per_channel(&self) -> Option<bool> {
        Some(self.wired.as_ref()?.described.receive.per == ConnectionPer::Channel)
    }

    fn is_last_confirmation(&mut self, id: Option<&str>) -> bool {
        let channel = id.and_then(|id| self.shard.shared.directory.channel(id));
        let Some(wired) = &mut self.wired else { return false };
        match channel {
            Some(channel) => _ = wired.unconfirmed.remove(&channel),
            None => wired.confirmations += 1,
        }
        wired.confirmations >= wired.unconfirmed.len()
    }

    /// A target that says when it has resumed, and says something else, has not.
    fn arm_afresh(&mut self, held: &mut Held) {
        if !held.armed {
            self.wired.iter_mut().for_each(|wired| wired.resumes &= !wired.described.receive.rules.have(Do::Resumed));
        }
        self.arm_described(held);
    }

    fn arm_described(&mut self, held: &mut Held) {
        if held.armed {
            return;
        }
        self.wired.iter_mut().for_each(|wired| wired.resumable = true);
        self.set_heartbeat(held);
        let (now_us, promised) = (self.shard.now_us(), &self.shard.plan().capabilities);
        // What nothing confirms, stands a while later.
        let settles_us = if promised.confirmed_subscription { 0 } else { promised.lag_us.max(UNCONFIRMED_US) };
        self.arm(held, now_us, now_us + settles_us);
    }

    /// Live messages were dropped: what came before is not owed live any more,
    /// and is read from history.
    fn take_gap(&mut self, id: Option<&str>, held: &mut Held, now_us: u64) {
        let channel = id.and_then(|id| self.shard.shared.directory.channel(id));
        if held.armed {
            let mut log = self.log.borrow_mut();
            log.disconnected(held.previous_frame_us.max(held.opened_us), ConnectionEnd::StoppedReading);
            log.reads_again(now_us);
        }
        if let Some(fetches) = &mut self.fetches {
            match channel {
                Some(channel) => fetches.want(channel),
                None => fetches.want_all(),
            }
            return;
        }
        // A design that trusts its pushes does not read; where nothing is kept, nobody can.
        let reads = matches!(self.shard.plan().receive.design, ReceiveDesign::Ws | ReceiveDesign::Rtm);
        if !reads || !self.shard.plan().capabilities.history {
            return;
        }
        if held.catch_up.is_some() {
            self.wired.iter_mut().for_each(|wired| wired.gap_again = true);
            return;
        }
        let channels = match channel {
            Some(channel) => vec![channel],
            None => self.log.borrow().channels().collect(),
        };
        held.healing_since_us = now_us;
        held.catch_up = Some(CatchUpTask::spawn(&self.shard, self.user, &self.log, channels, CatchUpKind::Policy));
        held.schedule_changed = true;
    }

    /// A catch-up has ended: a gap that came meanwhile begins another one.
    pub(super) fn heal_gap_again(&mut self, held: &mut Held) {
        if self.wired.as_mut().is_some_and(|wired| std::mem::take(&mut wired.gap_again)) {
            self.take_gap(None, held, self.shard.now_us());
        }
    }

    /// Asks a long poll again, after a frame was taken.
    pub(super) fn ask_again(&mut self, socket: &mut Socket) {
        let (lane, socket) = socket.last_lane();
        let Socket::Stream(stream) = socket else { return };
        let Some(wired) = self.wired.as_ref().filter(|_| stream.is_polled()) else { return };
        let described = wired.described.clone();
        let per_channel = described.receive.per == ConnectionPer::Channel;
        let channels: Vec<ChannelId> = match self.channel_of_lane(lane).filter(|_| per_channel) {
            Some(channel) => vec![channel],
            None => self.log.borrow().channels().collect(),
        };
        let ids: Vec<&str> = channels.iter().map(|channel| self.shard.shared.directory.id(*channel)).collect();
        let opening = Opening {
            subscriber: self,
            described: &described,
            channels: ids.join(&described.receive.join),
            channel: per_channel.then(|| channels[0]),
        };
        let call = opening.request(&wired.connections[lane], false);
        let after = if wired.idle { IDLE_POLL } else { Duration::ZERO };
        match call {
            Ok(mut call) => {
                if opening.address(&mut call).is_ok() {
                    stream.ask(call, after);
                }
            }
            Err(reason) => _ = self.shard.trouble.replace(Some(reason)),
        }
    }

    /// What a close code means.
    pub(super) fn note_close(&mut self, code: Option<u16>) {
        let Some(wired) = &mut self.wired else { return };
        match code.and_then(|code| wired.described.receive.closed_with(code)) {
            Some((Do::Fatal, _)) => (wired.resumable, wired.wait_us) = (false, GIVEN_UP_US),
            Some((_, resume)) => wired.resumable &= resume,
            None => {}
        }
    }
}
