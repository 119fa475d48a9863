//! A virtual user as a subscriber: holds a socket, reads every frame, notices
//! when it is dead, reconnects, and has history read while new pushes already
//! arrive.

mod connecting;
mod described;
mod errands;
mod events;
mod frames;
mod healing;
mod heartbeat;
mod held;
mod holding;
mod membership;
mod opening;
mod reading;
mod wishes;
mod without_socket;

use super::app::App;
use super::fetches::Fetches;
use super::outbox::Outbox;
use super::shard::Shard;
use super::socket::Socket;
use super::web_socket::Received;
use super::worker::Phase;
use crate::ledger::{CatchUpKind, ConnectionEnd, SubscriberLog};
use crate::model::{LatencyKind, Position, Random, UserId};
use crate::plan::{Wish, wishes};
use described::Wired;
use futures_util::StreamExt;
use held::Held;
use membership::Absences;
use reading::{Life, Other, Reading};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::ControlFlow::{Break, Continue};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use wishes::leave_half_open;

/// How long what was missed takes to be sent again over a new connection.
const SENT_AGAIN_US: u64 = 1_000_000;
/// How long a clean close waits for the target's own.
const CLOSE_WAIT: Duration = Duration::from_secs(1);

/// One subscriber of a shard.
// In C's order: what every frame needs stands together, and first.
#[repr(C)]
pub struct Subscriber {
    shard: Rc<Shard>,
    log: Rc<RefCell<SubscriberLog>>,
    /// The greatest position of a push.
    last_event: Option<Position>,
    /// What it knows of its connection to a described target.
    wired: Option<Box<Wired>>,
    /// Its reads of history, where all messages come from there.
    fetches: Option<Box<Fetches>>,
    /// What it knows as an app, if it is one.
    app: Option<Box<App>>,
    user: UserId,
    phase: watch::Receiver<Phase>,
    wishes: VecDeque<Wish>,
    random: Random,
    /// The catch-up that the next connection owes, and when it began to be
    /// owed.
    owed: Option<(CatchUpKind, u64)>,
    absences: Rc<Absences>,
    /// What its user sends over the socket, if the design does.
    outbox: Option<Rc<Outbox>>,
    connected_before: bool,
    /// What was missed may be sent again until then, and is not asked for.
    settles_us: u64,
    /// The connection was opened before the last one ended.
    overlaps: bool,
    drained: bool,
    /// When the current connection was begun to be opened.
    begun_us: u64,
}

/// Why a connection is not held any longer.
struct Parted {
    end: ConnectionEnd,
    /// How long to stay away, in µs.
    away_us: u64,
    /// What the next connection owes.
    owed: CatchUpKind,
    /// How long the old socket stays half-open, in µs; 0 where it is let go.
    half_open_us: u64,
}

impl Subscriber {
    /// A subscriber that has not connected yet.
    pub fn new(shard: Rc<Shard>, user: UserId, log: Rc<RefCell<SubscriberLog>>, phase: watch::Receiver<Phase>) -> Self {
        let random = Random::new(shard.plan().seed, "subscriber").split(u64::from(user.0));
        let wishes = wishes(shard.plan(), user).into();
        let outbox = shard.outbox(user);
        let app = shard.plan().receive.design.is_app().then(Box::default);
        let fetches = shard.plan().receive.design.fetches().then(|| Box::new(Fetches::new(&shard, user, &log)));
        let wired = shard.shared.target.described.clone().map(|described| Box::new(Wired::new(described)));
        Self {
            shard,
            user,
            log,
            phase,
            wishes,
            random,
            owed: None,
            absences: Rc::default(),
            fetches,
            app,
            outbox,
            connected_before: false,
            settles_us: 0,
            overlaps: false,
            last_event: None,
            drained: false,
            begun_us: 0,
            wired,
        }
    }

    /// What it does beside what the plan wants.
    pub fn wish(&mut self, wish: Wish) {
        self.wishes.push_front(wish);
    }

    /// Lives until the run ends.
    pub fn run(self, connect_at_us: u64) -> Life {
        Life::new(self.begin(connect_at_us))
    }

    async fn begin(self, connect_at_us: u64) -> Option<Reading> {
        if !self.shard.plan().receive.design.holds_socket() {
            Box::pin(self.live_without_socket(connect_at_us)).await;
            return None;
        }
        if self.wired.is_some() && self.log.borrow().channels().len() == 0 {
            Box::pin(self.live_in_no_channel()).await;
            return None;
        }
        self.shard.shared.clock.sleep_until(connect_at_us).await;
        self.watch_membership();
        // All wait for their turn at once.
        Box::pin(self.connect_and_hold()).await
    }

    /// Connects, as often as it takes, until a connection stands that only needs to
    /// be read. `None` when the run ends.
    // Of a described target's subscriber this is the whole life: what it seldom waits
    // for is boxed.
    async fn connect_and_hold(mut self) -> Option<Reading> {
        loop {
            let mut socket = Box::pin(self.connect()).await?;
            let mut held = Held::new(&self.shard, &mut self.random, self.phase.clone());
            held.local = socket.local();
            let greeted = match self.wired {
                Some(_) => Box::pin(self.greet_described(&mut socket, &mut held)).await,
                None => None,
            };
            let left = match greeted {
                Some(parted) => Break(Some(parted)),
                None => self.hold(&mut socket, &mut held).await,
            };
            let Break(parted) = left else { return Some(Reading::new(self, socket, held)) };
            Box::pin(self.leave(parted, socket, held)).await?;
        }
    }

    /// Does what reading was interrupted for, and holds the connection, or the next
    /// one, until it only needs to be read again. `None` when the run ends.
    async fn interrupt(mut self, mut socket: Socket, mut held: Held, other: Other) -> Option<Reading> {
        let left = match self.attend(other, &mut socket, &mut held).await {
            Continue(()) => self.hold(&mut socket, &mut held).await,
            parted => parted,
        };
        let Break(parted) = left else { return Some(Reading::new(self, socket, held)) };
        Box::pin(self.leave(parted, socket, held)).await?;
        Box::pin(self.connect_and_hold()).await
    }

    /// Leaves a connection, and stays away as long as was chosen. `None` when the run
    /// ends, which is also what a connection is left for that did not part.
    async fn leave(&mut self, parted: Option<Parted>, socket: Socket, held: Held) -> Option<()> {
        // Its socket ends with it, before the absence.
        self.let_go(parted.as_ref(), socket, held).await;
        let parted = parted?;
        if parted.away_us > 0 {
            self.app.iter_mut().for_each(|app| app.drop_next());
            if !self.stay_away(parted.away_us).await {
                return None;
            }
        }
        // A chosen absence is the user's own time: healing begins after it.
        self.owed = Some((parted.owed, self.shard.now_us()));
        Some(())
    }

    async fn let_go(&mut self, parted: Option<&Parted>, mut socket: Socket, mut held: Held) {
        let noticed_us = self.shard.now_us();
        let end = parted.map_or(ConnectionEnd::RunEnd, |parted| parted.end);
        if let Some(outbox) = &self.outbox {
            outbox.close();
        }
        match end {
            ConnectionEnd::ChosenReset => socket.reset(),
            ConnectionEnd::ChosenClose => self.close(&mut socket, &mut held).await,
            ConnectionEnd::RunEnd => {
                let _ = tokio::time::timeout(CLOSE_WAIT, socket.say_goodbye()).await;
            }
            ConnectionEnd::HandedOff => leave_half_open(socket, parted.map_or(0, |parted| parted.half_open_us)),
            ConnectionEnd::Lost => self.note_half_open(&held, noticed_us),
            ConnectionEnd::Open | ConnectionEnd::StoppedReading | ConnectionEnd::Dead => {}
        }
        self.note_unread(&held);
        if held.armed {
            self.log.borrow_mut().disconnected(noticed_us, end);
            self.shard.count(|counters| counters.connected -= 1);
        }
    }

    /// What the frame that was taken asks for; how the connection is left, if it
    /// is.
    async fn write_answers(&mut self, socket: &mut Socket) -> Option<Parted> {
        if self.wired.is_none() {
            return self.write_acknowledgements(socket).await;
        }
        self.ask_again(socket);
        self.write_outgoing(socket).await
    }

    fn parted(&self, end: ConnectionEnd, away_us: u64) -> Parted {
        self.shard.count(|counters| match end {
            ConnectionEnd::ChosenClose | ConnectionEnd::ChosenReset | ConnectionEnd::HandedOff => {
                counters.chosen_disconnects += 1;
            }
            _ => counters.lost_connections += 1,
        });
        Parted { end, away_us, owed: CatchUpKind::Policy, half_open_us: 0 }
    }

    /// What the timer was set for: a heartbeat, a death, or the workload's
    /// wish that the connection ends.
    async fn due(&mut self, socket: &mut Socket, held: &mut Held) -> Option<Parted> {
        let now_us = self.shard.now_us();
        let load_start_us = self.shard.load_start_us.get();
        if !held.armed && now_us >= held.arm_by_us {
            return Some(self.parted(ConnectionEnd::Lost, 0));
        }
        self.take_delayed(now_us);
        if let Some(parted) = self.write_acknowledgements(socket).await {
            return Some(parted);
        }
        if let Some(parted) = self.write_outgoing(socket).await {
            return Some(parted);
        }
        if held.stopped_until_us.is_some_and(|until_us| now_us >= until_us || self.draining()) {
            self.read_again(socket, held, now_us);
        }
        if load_start_us > 0 && held.armed && held.stopped_until_us.is_none() {
            while self.wishes.front().is_some_and(|next| load_start_us + next.at_us <= now_us) {
                let wish = self.wishes.pop_front()?;
                // What fell into an absence or a reconnect is not made up for.
                let in_time = load_start_us + wish.at_us >= held.opened_us && !self.draining();
                if let Some(parted) = in_time.then(|| self.fulfil(wish, held, now_us)).flatten() {
                    return Some(parted);
                }
            }
        }
        if held.stopped_until_us.is_some() {
            return None;
        }
        self.beat(socket, held, now_us).await
    }

    /// Reads what still arrives until the target closes too.
    async fn close(&mut self, socket: &mut Socket, held: &mut Held) {
        let closing = async {
            if !socket.say_goodbye().await {
                return;
            }
            while let Some(Ok(message)) = socket.next().await {
                // What an app cannot acknowledge any more, it does not take.
                if let Message::Text(text) = message
                    && self.app.is_none()
                {
                    match self.wired {
                        Some(_) => _ = self.take_described(&text, 0, held, self.shard.now_us()),
                        None => self.take_text(&text, self.shard.now_us()),
                    }
                }
            }
        };
        let _ = tokio::time::timeout(CLOSE_WAIT, closing).await;
    }

    /// Takes what came over the socket, now.
    fn take_next(&mut self, frame: Received<'_>, lane: usize, held: &mut Held) -> Result<(), ConnectionEnd> {
        let now_us = self.shard.now_us();
        if !matches!(frame, Received::End(_)) {
            held.previous_frame_us = std::mem::replace(&mut held.last_frame_us, now_us);
        }
        frames::count_bytes(&self.shard, &frame);
        let text = match &frame {
            Received::Text(text) => text,
            Received::Message(Message::Text(text)) => text.as_str(),
            Received::Message(Message::Ping(_) | Message::Pong(_)) => return Ok(()),
            Received::Message(Message::Binary(_) | Message::Frame(_)) => {
                self.shard.count(|counters| counters.garbage_frames += 1);
                return Ok(());
            }
            Received::Message(Message::Close(frame)) => {
                self.note_close(frame.as_ref().map(|frame| frame.code.into()));
                return Err(ConnectionEnd::Lost);
            }
            Received::End(_) => return Err(ConnectionEnd::Lost),
        };
        if self.wired.is_some() {
            return self.take_described(text, lane, held, now_us);
        }
        if !held.armed {
            self.arm(held, now_us, now_us);
        }
        self.take_text(text, now_us);
        Ok(())
    }

    /// The first frame confirms the subscription: from here on, what is sent
    /// should arrive live.
    fn arm(&mut self, held: &mut Held, now_us: u64, stands_us: u64) {
        held.armed = true;
        if self.begun_us > 0 {
            self.shard.record(LatencyKind::Usable, now_us.saturating_sub(std::mem::take(&mut self.begun_us)));
        }
        held.schedule_changed = true;
        // A push that only hints at a message is none that could be missed.
        if self.fetches.is_none() {
            self.log.borrow_mut().connected(stands_us);
        }
        if let Some(outbox) = &self.outbox {
            outbox.open(held.local);
        }
        let first = !std::mem::replace(&mut self.connected_before, true);
        self.shard.count(|counters| {
            counters.connected += 1;
            counters.ever_connected += u64::from(first);
        });
        // A connection that was opened before the last one ended has missed nothing.
        if self.shard.plan().receive.design.is_sent_again() && !self.overlaps {
            self.settles_us = now_us + SENT_AGAIN_US;
        }
        self.begin_owed(held);
    }
}

/// Returns when the run ends.
async fn ended(mut phase: watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| matches!(phase, Phase::End)).await;
}
