//! Who is connected, what was ordered for each connection, and the way from
//! any thread to the connection's task.
//!
//! Orders are written under a lock before the caller's method returns, and a
//! connection looks at its version before each chunk: no byte that is read
//! after the return escapes them. The wake that follows only makes quiet
//! connections look sooner.

use super::effect::{DropAnswer, Effect, Ending, Scope};
use super::tally::{Counters, Mark, Tally, Touched};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long what was said of a client may wait for its connection to be
/// accepted. One that was accepted and gone before anything was said of it
/// leaves such words behind.
const EXPECTED_FOR: Duration = Duration::from_secs(60);
const EXPECTED_SWEPT_AT: usize = 1024;

/// A fault in force.
#[derive(Debug)]
struct Active {
    effect: Effect,
    scope: Scope,
    tally: Arc<Tally>,
}

/// A fault in force on one connection.
#[derive(Clone, Debug)]
pub(super) struct Order {
    active: Arc<Active>,
    pub mark: Arc<Mark>,
}

impl Order {
    fn of(active: &Arc<Active>) -> Self {
        active.tally.came_under();
        Self { active: Arc::clone(active), mark: Arc::new(Mark::new(Arc::clone(&active.tally))) }
    }

    pub fn effect(&self) -> &Effect {
        &self.active.effect
    }
}

/// An end that was ordered.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub reset: bool,
    pub mark: Arc<Mark>,
}

/// An answer that is to be lost.
#[derive(Debug)]
pub(super) struct Arming {
    fault: usize,
    pub how: DropAnswer,
    pub since: Instant,
    pub mark: Mark,
}

/// What was ordered for one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    pub label: Option<u64>,
    pub effects: Vec<Order>,
    pub arming: Option<Arc<Arming>>,
    pub written_at: Option<Instant>,
    pub cut: Option<Cut>,
}

/// One connection, as the registry sees it.
#[derive(Debug, Default)]
pub(super) struct Control {
    version: AtomicU32,
    waker: Mutex<Option<Waker>>,
    orders: Mutex<Orders>,
}

impl Control {
    /// Changes with every order.
    pub fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// Says whom new orders wake.
    pub fn wakes(&self, waker: Waker) {
        *lock(&self.waker) = Some(waker);
    }

    pub fn orders(&self) -> Orders {
        lock(&self.orders).clone()
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut lock(&self.orders));
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// What was said of a client whose connection is not yet accepted.
#[derive(Debug)]
struct Expected {
    label: Option<u64>,
    arming: Option<Arc<Arming>>,
    written_at: Option<Instant>,
    since: Instant,
}

#[derive(Debug, Default)]
struct State {
    /// By a number of their own: a client's address can be used again while
    /// its former connection is still held by a fault.
    flows: HashMap<u64, Arc<Control>>,
    by_client: HashMap<SocketAddr, Arc<Control>>,
    accepted: u64,
    expected: HashMap<SocketAddr, Expected>,
    active: HashMap<usize, Arc<Active>>,
    tallies: HashMap<usize, Arc<Tally>>,
    to_wake: Vec<Arc<Control>>,
}

impl State {
    fn tally(&mut self, fault: usize) -> Arc<Tally> {
        Arc::clone(self.tallies.entry(fault).or_default())
    }

    fn expect(&mut self, client: SocketAddr) -> &mut Expected {
        if self.expected.len() >= EXPECTED_SWEPT_AT {
            self.expected.retain(|_, expected| expected.since.elapsed() < EXPECTED_FOR);
        }
        self.expected.entry(client).or_insert_with(|| Expected {
            label: None,
            arming: None,
            written_at: None,
            since: Instant::now(),
        })
    }
}

/// All connections of a proxy, and the faults in force.
#[derive(Debug, Default)]
pub(super) struct Registry {
    state: Mutex<State>,
    kick: Notify,
    pub counters: Counters,
}

/// A connection's place in the registry; dropping it takes the connection out.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    number: u64,
    client: SocketAddr,
    pub control: Arc<Control>,
}

impl Registry {
    /// Enters a connection that was accepted.
    pub fn enter(self: &Arc<Self>, client: SocketAddr) -> Place {
        let mut state = lock(&self.state);
        let control = Arc::new(Control::default());
        let mut orders = Orders::default();
        if let Some(expected) = state.expected.remove(&client) {
            orders.label = expected.label;
            orders.arming = expected.arming;
            orders.written_at = expected.written_at;
        }
        attach(&mut orders, state.active.values());
        control.order(|all| *all = orders);
        state.accepted += 1;
        let number = state.accepted;
        state.flows.insert(number, Arc::clone(&control));
        state.by_client.insert(client, Arc::clone(&control));
        Place { registry: Arc::clone(self), number, client, control }
    }

    pub fn label(&self, client: SocketAddr, label: u64) {
        let mut state = lock(&self.state);
        let Some(control) = state.by_client.get(&client).cloned() else {
            state.expect(client).label = Some(label);
            return;
        };
        control.order(|orders| {
            orders.label = Some(label);
            orders.effects.retain(|order| order.active.scope.holds(Some(label)));
            attach(orders, state.active.values());
        });
        if !state.active.is_empty() {
            self.wake(&mut state, control);
        }
    }

    pub fn begin(&self, fault: usize, effect: Effect, scope: Scope) {
        self.end(fault);
        let mut state = lock(&self.state);
        let tally = state.tally(fault);
        let active = Arc::new(Active { effect, scope, tally });
        let controls: Vec<_> = state.flows.values().cloned().collect();
        for control in controls {
            let mut concerned = false;
            control.order(|orders| {
                concerned = active.scope.holds(orders.label);
                if concerned {
                    let order = Order::of(&active);
                    match active.effect {
                        Effect::Disconnect { reset } => orders.cut = Some(Cut { reset, mark: order.mark }),
                        _ => orders.effects.push(order),
                    }
                }
            });
            if concerned {
                self.wake(&mut state, control);
            }
        }
        if !matches!(active.effect, Effect::Disconnect { .. }) {
            state.active.insert(fault, active);
        }
    }

    pub fn end(&self, fault: usize) {
        let mut state = lock(&self.state);
        let ended = state.active.remove(&fault);
        let controls: Vec<_> = state.flows.values().cloned().collect();
        for control in controls {
            let mut concerned = false;
            control.order(|orders| concerned = finish(orders, fault, ended.as_ref()));
            if concerned {
                self.wake(&mut state, control);
            }
        }
        for expected in state.expected.values_mut() {
            expected.arming.take_if(|arming| arming.fault == fault);
        }
    }

    pub fn drop_answer(&self, fault: usize, client: SocketAddr, how: DropAnswer) {
        let mut state = lock(&self.state);
        let tally = state.tally(fault);
        tally.came_under();
        let arming = Some(Arc::new(Arming { fault, how, since: Instant::now(), mark: Mark::new(tally) }));
        let Some(control) = state.by_client.get(&client).cloned() else {
            let expected = state.expect(client);
            expected.arming = arming;
            expected.written_at = None;
            return;
        };
        control.order(|orders| {
            orders.arming = arming;
            orders.written_at = None;
        });
        self.wake(&mut state, control);
    }

    pub fn written(&self, client: SocketAddr) {
        let now = Instant::now();
        let mut state = lock(&self.state);
        let Some(control) = state.by_client.get(&client).cloned() else {
            if let Some(expected) = state.expected.get_mut(&client) {
                expected.written_at = Some(now);
            }
            return;
        };
        let mut armed = false;
        control.order(|orders| {
            armed = orders.arming.is_some();
            if armed {
                orders.written_at = Some(now);
            }
        });
        if armed {
            self.wake(&mut state, control);
        }
    }

    pub fn touched(&self, fault: usize) -> Touched {
        lock(&self.state).tallies.get(&fault).map(|tally| tally.read()).unwrap_or_default()
    }

    /// Wakes the connections that have new orders, on the proxy's own thread:
    /// there a wake costs no system call, and thousands are woken at once.
    pub async fn wake_the_concerned(&self) {
        loop {
            self.kick.notified().await;
            let to_wake = std::mem::take(&mut lock(&self.state).to_wake);
            for control in to_wake {
                if let Some(waker) = &*lock(&control.waker) {
                    waker.wake_by_ref();
                }
            }
        }
    }

    fn wake(&self, state: &mut State, control: Arc<Control>) {
        state.to_wake.push(control);
        self.kick.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = lock(&self.registry.state);
        state.flows.remove(&self.number);
        if state.by_client.get(&self.client).is_some_and(|control| Arc::ptr_eq(control, &self.control)) {
            state.by_client.remove(&self.client);
        }
    }
}

/// Puts a connection that was opened or labelled just now under the faults in
/// force.
fn attach<'a>(orders: &mut Orders, active: impl Iterator<Item = &'a Arc<Active>>) {
    for active in active {
        let late = !matches!(active.effect, Effect::Blackhole { new_flows_too: false, .. });
        let there = orders.effects.iter().any(|order| Arc::ptr_eq(&order.active, active));
        if late && !there && active.scope.holds(orders.label) {
            orders.effects.push(Order::of(active));
        }
    }
}

/// Takes a fault out of a connection's orders; says whether it was there.
fn finish(orders: &mut Orders, fault: usize, ended: Option<&Arc<Active>>) -> bool {
    let disarmed = orders.arming.take_if(|arming| arming.fault == fault).is_some();
    let Some(at) = ended.and_then(|ended| orders.effects.iter().position(|order| Arc::ptr_eq(&order.active, ended)))
    else {
        return disarmed;
    };
    let order = orders.effects.swap_remove(at);
    if let Effect::Blackhole { end, .. } = order.active.effect
        && end != Ending::Heal
        && orders.cut.is_none()
    {
        orders.cut = Some(Cut { reset: end == Ending::Reset, mark: order.mark });
    }
    true
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::effect::{CutAt, Direction};
    use super::*;

    fn client(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn blackhole(new_flows_too: bool, end: Ending) -> Effect {
        Effect::Blackhole { direction: Direction::Both, new_flows_too, lost: false, end }
    }

    fn only(label: u64) -> Scope {
        Scope::Labels(Arc::new(move |other| other == label))
    }

    #[test]
    fn what_was_said_before_the_accept_is_found_at_it() {
        let registry = Arc::new(Registry::default());
        registry.begin(0, blackhole(true, Ending::Heal), only(1));
        registry.label(client(1), 1);
        registry.drop_answer(1, client(1), DropAnswer { at: CutAt::FirstByte, give_up: Duration::MAX });
        registry.written(client(1));
        registry.label(client(2), 2);
        let orders = registry.enter(client(1)).control.orders();
        assert_eq!((orders.label, orders.effects.len()), (Some(1), 1));
        assert!(orders.arming.is_some() && orders.written_at.is_some());
        let orders = registry.enter(client(2)).control.orders();
        assert_eq!((orders.label, orders.effects.len()), (Some(2), 0));
        // Those places are given up; what was said is used up.
        assert_eq!(registry.enter(client(1)).control.orders().label, None);
        assert_eq!(registry.touched(0).in_scope, 1);
    }

    #[test]
    fn an_answer_that_is_no_longer_to_be_lost_is_not_expected() {
        let registry = Arc::new(Registry::default());
        registry.drop_answer(1, client(1), DropAnswer { at: CutAt::FirstByte, give_up: Duration::MAX });
        registry.end(1);
        assert!(registry.enter(client(1)).control.orders().arming.is_none());
    }

    #[test]
    fn an_address_that_is_used_again_while_its_former_connection_is_held() {
        let registry = Arc::new(Registry::default());
        let former = registry.enter(client(1));
        registry.label(client(1), 1);
        registry.begin(0, blackhole(false, Ending::Reset), only(1));
        let next = registry.enter(client(1));
        registry.label(client(1), 2);
        assert_eq!(former.control.orders().label, Some(1));
        registry.end(0);
        assert!(former.control.orders().cut.is_some_and(|cut| cut.reset));
        assert!(next.control.orders().cut.is_none());
        drop(former);
        registry.label(client(1), 3);
        assert_eq!(next.control.orders().label, Some(3));
        drop(next);
        let state = lock(&registry.state);
        assert!(state.flows.is_empty() && state.by_client.is_empty() && state.expected.is_empty());
    }

    #[test]
    fn a_second_label_is_the_one_that_counts() {
        let registry = Arc::new(Registry::default());
        let place = registry.enter(client(1));
        registry.begin(0, Effect::Bandwidth { bytes_per_s: 1 }, only(1));
        registry.begin(1, Effect::Bandwidth { bytes_per_s: 1 }, Scope::All);
        registry.begin(2, Effect::Disconnect { reset: true }, only(1));
        assert_eq!(place.control.orders().effects.len(), 1);
        registry.label(client(1), 1);
        assert_eq!(place.control.orders().effects.len(), 2);
        registry.label(client(1), 2);
        assert_eq!(place.control.orders().effects.len(), 1);
        assert!(place.control.orders().cut.is_none(), "a disconnect is of those that were there");
        assert_eq!((registry.touched(0).in_scope, registry.touched(1).in_scope), (1, 1));
    }

    #[test]
    fn what_nobody_fetches_is_forgotten() {
        let registry = Arc::new(Registry::default());
        for port in 1..=EXPECTED_SWEPT_AT as u16 {
            registry.label(client(port), 1);
        }
        let long_ago = Instant::now().checked_sub(EXPECTED_FOR).expect("the machine runs for a minute");
        lock(&registry.state).expected.values_mut().for_each(|expected| expected.since = long_ago);
        registry.label(client(0), 1);
        assert_eq!(lock(&registry.state).expected.len(), 1);
    }
}
