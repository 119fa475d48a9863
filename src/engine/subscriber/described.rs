//! A subscriber of a described target: what its connection is opened with, and
//! what is done about each frame.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::cast::make;
use crate::engine::catch_up::CatchUpTask;
use crate::engine::socket::{self, Socket};
use crate::engine::stream::HttpStream;
use crate::ledger::{CatchUpKind, ConnectionEnd};
use crate::model::ChannelId;
use crate::plan::ReceiveDesign;
use crate::target::{
    Call, Connection, ConnectionPer, Deed, Described, Do, Every, Frame, Scope, Template, Transport, Variable, set,
};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

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
    described: Arc<Described>,
    /// What was captured; kept over a resume. One for each connection.
    connections: Vec<Connection>,
    /// The channels that are not confirmed yet.
    unconfirmed: HashSet<ChannelId>,
    /// Confirmations that named no channel.
    confirmations: usize,
    /// Frames to be sent, and when, in µs; with the lane that they belong to.
    outgoing: Vec<(u64, usize, String)>,
    /// Whether the next connection may resume this one.
    resumable: bool,
    /// The connection goes on where the last one ended: what was missed comes by
    /// itself.
    pub(super) resumes: bool,
    /// How long to wait before the next connection, in µs.
    pub(super) wait_us: u64,
    /// The last frame asked for nothing more.
    idle: bool,
    /// A gap was noticed while a catch-up was under way.
    gap_again: bool,
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
        }
    }

    /// When the next frame is to be sent.
    pub(super) fn due_us(&self) -> u64 {
        self.outgoing.iter().map(|(due_us, ..)| *due_us).min().unwrap_or(u64::MAX)
    }
}

/// What a connection is opened with.
struct Opening<'a> {
    subscriber: &'a Subscriber,
    described: &'a Described,
    /// The ids of the channels of the connection, joined.
    channels: String,
    channel: Option<ChannelId>,
}

impl Opening<'_> {
    /// Renders with what the connection knows.
    fn render<T>(&self, connection: &Connection, render: impl FnOnce(&Scope<'_>, &str) -> T) -> T {
        let people = self.subscriber.shard.api.people.as_ref().expect("a described target has people");
        let person = people.person(self.subscriber.user);
        let scope = Scope {
            connection: Some(connection),
            channels: Some(&self.channels),
            ..people.cast.scope(self.subscriber.user, &person, self.channel)
        };
        render(&scope, &people.cast.prefix)
    }

    fn request(&self, connection: &Connection, resume: bool) -> Result<Call, String> {
        let receive = &self.described.receive;
        let request = match &receive.resume {
            Some(resuming) if resume => &resuming.open_request,
            _ => &receive.open_request,
        };
        self.render(connection, |scope, prefix| request.render(scope, prefix)).map_err(|error| error.to_string())
    }

    /// One connection.
    async fn open(&self, connection: &mut Connection, resume: bool) -> Result<Socket, String> {
        let shard = &self.subscriber.shard;
        let receive = &self.described.receive;
        let mut call = self.request(connection, resume)?;
        let user = self.subscriber.user;
        let (to, url) = self.address(&mut call)?;
        let path = &shard.shared.path;
        let to = path.towards(to);
        if receive.transport != Transport::Ws {
            let patience = Duration::from_micros(receive.poll_timeout_us);
            return HttpStream::open(shard, user, to, call, receive.transport, patience).await.map(Socket::Stream);
        }
        let stream = socket::connect(shard, user, to).await;
        let stream = stream.map_err(|error| socket::note_exhaustion(shard, error))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let local = stream.local_addr().map_err(|error| error.to_string())?;
        path.label(local, user, crate::engine::path::Purpose::Socket);
        let mut request = url.into_client_request().map_err(|error| format!("the socket URL: {error}"))?;
        if let Some(protocol) = &receive.protocol {
            let value = HeaderValue::from_str(protocol).map_err(|error| error.to_string())?;
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        for (name, value) in call.headers {
            request.headers_mut().insert(name, value);
        }
        let opened = client_async_with_config(request, stream, Some(socket::config())).await;
        let (socket, _) = opened.map_err(|error| format!("handshake: {error}"))?;
        Ok(Socket::Ws(socket.into()))
    }

    /// Where a call leads, and its URL; a whole URL leads to an address that load
    /// may go to, and is made a path.
    fn address(&self, call: &mut Call) -> Result<(SocketAddr, String), String> {
        let (shard, user) = (&self.subscriber.shard, self.subscriber.user);
        if call.path.starts_with('/') {
            let url = format!("ws://{}{}", shard.shared.address.authority(), call.path);
            return Ok((shard.shared.path.target_of(user), url));
        }
        let url = call.path.clone();
        let to = socket::address_of(shard, user, &url)?;
        let parsed = url::Url::parse(&url).map_err(|error| error.to_string())?;
        call.path = parsed[url::Position::BeforePath..].to_owned();
        Ok((to, url))
    }
}

impl Subscriber {
    /// Opens a connection within the plan's time-out: boot steps, handshake. An
    /// error is in words.
    pub(super) async fn open_described(&mut self) -> Result<Socket, String> {
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        let Some(mut wired) = self.wired.take() else { return Err("no described target".to_owned()) };
        wired.wait_us = 0;
        let opening = async {
            match self.open_with(&mut wired).await {
                // A token that ran out is renewed, once.
                Err(reason) if reason.contains("401") => {
                    self.shard.api.renew(self.user, true, timeout).await?;
                    self.open_with(&mut wired).await
                }
                opened => opened,
            }
        };
        let opened = tokio::time::timeout(timeout, opening).await;
        if !matches!(opened, Ok(Ok(_))) {
            wired.resumable = false;
        }
        self.wired = Some(wired);
        opened.unwrap_or_else(|_| Err("no connection in time".to_owned()))
    }

    async fn open_with(&self, wired: &mut Wired) -> Result<Socket, String> {
        let described = wired.described.clone();
        let channels: Vec<ChannelId> = self.log.borrow().channels().collect();
        let resume = self.may_resume(wired);
        wired.resumes = resume;
        let lanes = if described.receive.per == ConnectionPer::Channel { channels.len() } else { 1 };
        if !resume {
            wired.connections.clear();
            wired.connections.resize_with(lanes, Connection::default);
            self.boot(wired).await?;
        }
        wired.unconfirmed = channels.iter().copied().collect();
        (wired.confirmations, wired.idle) = (0, false);
        wired.outgoing.clear();
        let ids = |channels: &[ChannelId]| {
            let ids: Vec<&str> = channels.iter().map(|channel| self.shard.shared.directory.id(*channel)).collect();
            ids.join(&described.receive.join)
        };
        if described.receive.per == ConnectionPer::User {
            let all = Opening { subscriber: self, described: &described, channels: ids(&channels), channel: None };
            return all.open(&mut wired.connections[0], resume).await;
        }
        let mut sockets = Vec::with_capacity(channels.len());
        for (channel, connection) in channels.iter().zip(&mut wired.connections) {
            let one = Opening {
                subscriber: self,
                described: &described,
                channels: ids(&[*channel]),
                channel: Some(*channel),
            };
            sockets.push(one.open(connection, resume).await?);
        }
        Ok(Socket::lanes(sockets))
    }

    /// The ids of all channels of the user, joined as the profile wants it.
    fn joined_ids(&self, described: &Described) -> String {
        let channels: Vec<ChannelId> = self.log.borrow().channels().collect();
        let ids: Vec<&str> = channels.iter().map(|channel| self.shard.shared.directory.id(*channel)).collect();
        ids.join(&described.receive.join)
    }

    /// Whether the next connection goes on where the last one ended.
    fn may_resume(&self, wired: &Wired) -> bool {
        let Some(resume) = &wired.described.receive.resume else { return false };
        let known = |connection: &Connection| {
            resume.needs.iter().all(|variable| match variable {
                Variable::Conn(slot) => connection.values.get(*slot as usize).is_some_and(Option::is_some),
                _ => true,
            })
        };
        self.shard.plan().receive.design == ReceiveDesign::Rtm
            && self.connected_before
            && wired.resumable
            && !wired.connections.is_empty()
            && wired.connections.iter().all(known)
    }

    /// What a real client fetches at every connect.
    async fn boot(&self, wired: &mut Wired) -> Result<(), String> {
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        self.shard.api.renew(self.user, false, timeout).await?;
        let Some(people) = &self.shard.api.people else { return Ok(()) };
        let channels = self.joined_ids(&wired.described);
        for step in &wired.described.boot {
            let mut renewed = false;
            let captured = loop {
                let person = people.person(self.user);
                let scope = Scope {
                    connection: wired.connections.first(),
                    channels: Some(&channels),
                    ..people.cast.scope(self.user, &person, None)
                };
                let asked =
                    make(step, &scope, &people.cast.prefix, |call| self.shard.api.call(self.user, call, timeout));
                match asked.await {
                    Err(reason) if reason.contains("HTTP 401") && !renewed => {
                        renewed = true;
                        self.shard.api.renew(self.user, true, timeout).await?;
                    }
                    other => break other?,
                }
            };
            for (variable, value) in captured.values {
                if let Variable::Conn(slot) = variable {
                    wired.connections.iter_mut().for_each(|connection| set(&mut connection.values, slot, &value));
                }
            }
        }
        Ok(())
    }

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
                // What was missed comes by itself.
                self.owed = None;
                self.arm_described(held);
            }
            Deed::Reply(number, text) => {
                if let Some(outbox) = &self.outbox {
                    outbox.answer(number, &text);
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

    /// The times of heartbeats: the target's own where it has some.
    fn set_heartbeat(&self, held: &mut Held) {
        let Some(wired) = &self.wired else { return };
        let Some(interval_us) = self.heartbeat_interval_us() else {
            held.next_ping_us = super::held::NEVER_US;
            return;
        };
        let now_us = self.shard.now_us();
        let first_us = now_us + self.random.clone().between(interval_us / 2, interval_us);
        if wired.described.receive.heartbeat.is_some() && held.pings == 0 {
            held.next_ping_us = first_us;
        }
    }

    /// How often a heartbeat is sent, in µs; `None` where none is.
    pub(super) fn heartbeat_interval_us(&self) -> Option<u64> {
        let workload_us = self.shard.plan().heartbeat.interval_us;
        let workload = (workload_us > 0).then_some(workload_us);
        let Some(wired) = &self.wired else { return workload };
        let receive = &wired.described.receive;
        match &receive.heartbeat {
            None if receive.transport == Transport::Ws => workload,
            None => None,
            Some(heartbeat) => match heartbeat.every {
                Every::Workload => workload,
                Every::Fixed(interval_us) => Some(interval_us),
                Every::Captured(variable) => {
                    let connection = wired.connections.first()?;
                    let Variable::Conn(slot) = variable else { return None };
                    let ms: f64 = connection.values.get(slot as usize)?.as_deref()?.parse().ok()?;
                    Some((ms * 1_000.0) as u64)
                }
            },
        }
    }

    /// The next heartbeat; `None` where it cannot be rendered.
    pub(super) fn described_ping(&self) -> Option<Message> {
        let wired = self.wired.as_ref()?;
        let frame = wired.described.receive.heartbeat.as_ref().and_then(|heartbeat| heartbeat.frame.as_ref());
        let Some(frame) = frame else { return Some(Message::Ping(Vec::new().into())) };
        let opening = Opening { subscriber: self, described: &wired.described, channels: String::new(), channel: None };
        match opening.render(wired.connections.first()?, |scope, _| frame.render(scope)) {
            Ok(frame) => Some(Message::text(frame)),
            Err(error) => {
                self.shard.trouble.replace(Some(error.to_string()));
                None
            }
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
