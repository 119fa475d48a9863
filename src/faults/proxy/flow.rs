//! One connection: two sockets, one task that polls both directions.

use super::armed::Armed;
use super::effect::{Effect, Way};
use super::pipe::{Pipe, Rules, State};
use super::registry::{Control, Cut, Order, Orders, Place};
use super::side::{Side, later};
use super::tally::{Counters, Mark};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep_until};

/// A connection with both of its sockets.
pub(super) struct Flow {
    pub client: TcpStream,
    pub server: TcpStream,
    up: Pipe,
    down: Pipe,
    /// The version of the orders that are carried out; none at first.
    seen: Option<u32>,
    waker: Option<Waker>,
    /// Only where a fault is in force.
    faults: Option<Box<Faults>>,
}

/// How each socket is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partings {
    pub client: Parting,
    pub server: Parting,
}

/// How one socket is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// All was said.
    Leave,
    /// A FIN, and what still comes is read, for else the kernel resets.
    Close,
    /// An RST.
    Reset,
}

impl Partings {
    const LEAVE: Self = Self { client: Parting::Leave, server: Parting::Leave };
    const CLOSE: Self = Self { client: Parting::Close, server: Parting::Close };
    const RESET: Self = Self { client: Parting::Reset, server: Parting::Reset };
    /// A reset could make the target throw away the request.
    const ANSWER_LOST: Self = Self { client: Parting::Reset, server: Parting::Close };
}

/// The faults in force on a connection.
#[derive(Debug, Default)]
struct Faults {
    up: Side,
    down: Side,
    idle: Vec<Idle>,
    active_at: Option<Instant>,
    evicted: Option<Arc<Mark>>,
    armed: Option<Armed>,
    timer: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Idle {
    mark: Arc<Mark>,
    after: Duration,
    since: Instant,
}

impl Flow {
    pub fn new(client: TcpStream, server: TcpStream) -> Self {
        Self { client, server, up: Pipe::new(), down: Pipe::new(), seen: None, waker: None, faults: None }
    }

    /// Forwards until both directions have ended, or an order ends it.
    pub async fn run(&mut self, place: &Place, counters: &Counters) -> Partings {
        poll_fn(|cx| self.poll(cx, &place.control, counters)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, control: &Control, counters: &Counters) -> Poll<Partings> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            control.wakes(cx.waker().clone());
            self.waker = Some(cx.waker().clone());
        }
        loop {
            let version = control.version();
            if self.seen != Some(version) {
                self.seen = Some(version);
                if let Some(partings) = self.obey(cx, control.orders()) {
                    return Poll::Ready(partings);
                }
            }
            let (sent, returned) = (self.up.forwarded, self.down.forwarded);
            let are_old = &|| control.version() != version;
            let progress = match &mut self.faults {
                None => self.forward(cx, are_old),
                Some(_) => self.forward_with_faults(cx, are_old),
            };
            let (sent, returned) = (self.up.forwarded - sent, self.down.forwarded - returned);
            if sent > 0 {
                counters.to_target.fetch_add(sent, Relaxed);
            }
            if returned > 0 {
                counters.from_target.fetch_add(returned, Relaxed);
            }
            if let Some(partings) = self.ended() {
                return Poll::Ready(partings);
            }
            if progress {
                continue;
            }
            match self.wait(cx) {
                Poll::Ready(Some(partings)) => return Poll::Ready(partings),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn forward(&mut self, cx: &mut Context<'_>, are_old: &dyn Fn() -> bool) -> bool {
        let is_last = self.down.state == State::Finished;
        let mut rules = Rules { is_last, are_old, side: None, armed: None };
        let up = self.up.step(cx, &mut self.client, &mut self.server, &mut rules);
        rules.is_last = self.up.state == State::Finished;
        let down = self.down.step(cx, &mut self.server, &mut self.client, &mut rules);
        up | down
    }

    fn forward_with_faults(&mut self, cx: &mut Context<'_>, are_old: &dyn Fn() -> bool) -> bool {
        let Some(faults) = &mut self.faults else { return false };
        faults.up.wake_at = None;
        faults.down.wake_at = None;
        let before = self.up.forwarded;
        let is_last = self.down.state == State::Finished;
        let mut rules = Rules { is_last, are_old, side: Some(&mut faults.up), armed: None };
        let up = self.up.step(cx, &mut self.client, &mut self.server, &mut rules);
        if let Some(armed) = faults.armed.as_mut().filter(|_| self.up.forwarded > before) {
            armed.request_forwarded(Instant::now());
        }
        let is_last = self.up.state == State::Finished;
        let armed = faults.armed.as_mut();
        let mut rules = Rules { is_last, are_old, side: Some(&mut faults.down), armed };
        let down = self.down.step(cx, &mut self.server, &mut self.client, &mut rules);
        if up | down {
            faults.active_at = Some(Instant::now());
        }
        faults.down.keeps_end = faults.armed.as_ref().is_some_and(Armed::is_spent);
        up | down
    }

    /// Nothing moves: what the passing of time does, or the wait for it.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Partings>> {
        let Some(faults) = &mut self.faults else { return Poll::Pending };
        mark_held(&faults.up, &self.up, cx, &mut self.client);
        mark_held(&faults.down, &self.down, cx, &mut self.server);
        let now = Instant::now();
        let drained = self.up.state != State::Open || self.up.is_empty() && !faults.up.holds();
        if faults.armed.as_mut().is_some_and(|armed| armed.cuts(drained, self.down.has_end(), now)) {
            return Poll::Ready(Some(Partings::ANSWER_LOST));
        }
        if faults.evict(now) {
            return Poll::Ready(None);
        }
        faults.sleep(cx, now).map(|()| None)
    }

    fn ended(&self) -> Option<Partings> {
        let partings = match (self.up.state, self.down.state) {
            (State::Reset, _) | (_, State::Reset) => Partings::RESET,
            (State::Finished, State::Finished) => Partings::LEAVE,
            // While a direction is open, a broken one waits: what the peer
            // that is gone had sent before is still delivered.
            (State::Open, _) | (_, State::Open) => return None,
            _ => Partings::RESET,
        };
        let lost = self.faults.as_ref().and_then(|faults| faults.armed.as_ref()).is_some_and(Armed::is_spent);
        Some(if lost { Partings::ANSWER_LOST } else { partings })
    }

    /// Carries new orders out.
    fn obey(&mut self, cx: &mut Context<'_>, orders: Orders) -> Option<Partings> {
        if let Some(faults) = &self.faults {
            count_held(&faults.up, &self.up, &orders.effects, cx, &mut self.client);
            count_held(&faults.down, &self.down, &orders.effects, cx, &mut self.server);
        }
        if let Some(Cut { reset, mark }) = orders.cut {
            mark.showed();
            return Some(if reset { Partings::RESET } else { Partings::CLOSE });
        }
        if orders.effects.is_empty() && orders.arming.is_none() && self.faults.is_none() {
            return None;
        }
        let faults = self.faults.get_or_insert_default();
        let partings = faults.adopt(&orders);
        if orders.effects.is_empty() && orders.arming.is_none() {
            self.faults = None;
        }
        partings
    }
}

impl Faults {
    fn adopt(&mut self, orders: &Orders) -> Option<Partings> {
        let now = Instant::now();
        let stays = |mark: &Arc<Mark>| orders.effects.iter().any(|order| Arc::ptr_eq(&order.mark, mark));
        if self.evicted.as_ref().is_some_and(|mark| !stays(mark)) {
            return Some(Partings::RESET);
        }
        self.up.adopt(&orders.effects, orders.label, Way::Up, now);
        self.down.adopt(&orders.effects, orders.label, Way::Down, now);
        self.idle.retain(|idle| stays(&idle.mark));
        for order in &orders.effects {
            if let Effect::IdleEvict { after } = *order.effect()
                && !self.idle.iter().any(|idle| Arc::ptr_eq(&idle.mark, &order.mark))
            {
                self.idle.push(Idle { mark: Arc::clone(&order.mark), after, since: now });
            }
        }
        let same = self.armed.as_ref().zip(orders.arming.as_ref());
        if !same.is_some_and(|(armed, arming)| Arc::ptr_eq(&armed.arming, arming)) {
            if self.armed.as_ref().is_some_and(Armed::is_spent) {
                return Some(Partings::ANSWER_LOST);
            }
            self.armed = orders.arming.clone().map(Armed::new);
        }
        if let Some(armed) = &mut self.armed {
            armed.written(orders.written_at);
        }
        None
    }

    /// Evicts the connection if it was idle for too long; says whether it did.
    fn evict(&mut self, now: Instant) -> bool {
        if self.evicted.is_some() {
            return false;
        }
        let active_at = self.active_at;
        let Some(idle) = self.idle.iter().find(|idle| now >= idle.at(active_at)) else { return false };
        idle.mark.showed();
        self.up.lose(&idle.mark);
        self.down.lose(&idle.mark);
        self.evicted = Some(Arc::clone(&idle.mark));
        true
    }

    /// Ready when time has come to look again.
    fn sleep(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<()> {
        let active_at = self.active_at;
        let idle = self.idle.iter().filter(|_| self.evicted.is_none()).map(|idle| idle.at(active_at));
        let armed = self.armed.as_ref().map(|armed| armed.wake_at(now));
        let at = idle.chain(armed).chain(self.up.wake_at).chain(self.down.wake_at).min();
        let Some(at) = at.map(tokio::time::Instant::from_std) else {
            self.timer = None;
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx)
    }
}

impl Idle {
    fn at(&self, active_at: Option<Instant>) -> Instant {
        later(active_at.map_or(self.since, |at| at.max(self.since)), self.after)
    }
}

/// A blackhole shows on a connection as soon as something waits behind it.
fn mark_held(side: &Side, pipe: &Pipe, cx: &mut Context<'_>, source: &mut TcpStream) {
    if side.holds_unseen() && pipe.waiting(cx, source).is_some() {
        side.mark_held();
    }
}

/// Counts what waits behind blackholes that have ended.
fn count_held(side: &Side, pipe: &Pipe, orders: &[Order], cx: &mut Context<'_>, source: &mut TcpStream) {
    let mut ended = side.holds_ended(orders).peekable();
    if ended.peek().is_some()
        && let Some(waiting) = pipe.waiting(cx, source)
    {
        ended.for_each(|mark| mark.held(waiting));
    }
}
