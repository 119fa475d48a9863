//! Socket Mode's queue of one app: envelopes wait here, go to one of the app's
//! connections each, and stay until they are acknowledged.
//!
//! One that is not acknowledged in time, or whose connection ends before, is
//! sent again over whatever connection there is then, before all that still
//! wait; each further try is given more time than the last. A connection that
//! let one become overdue is asked only where there is no other, until it
//! acknowledges again. Without a connection everything waits. Bounds: so many envelopes wait
//! and so many are under way on one connection (clients lose some of a thousand
//! that come at once); so often one is sent. What falls over a bound is logged.

use super::super::socket::{Push, Socket};
use super::super::sync::lock;
use super::questions::QuestionKind;
use super::{Event, Identity};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Connections of one app at most.
pub(in super::super) const CONNECTIONS: usize = 10;
/// Envelopes that may wait; further ones are dropped.
const WAITING: usize = 10_000;
/// Envelopes under way on one connection.
const UNDER_WAY: usize = 100;
/// How often an envelope is sent at most.
const ATTEMPTS: u32 = 10;

/// What is in an envelope.
#[derive(Debug)]
enum Content {
    /// It is sent until it is acknowledged.
    Event(Event),
    /// It is sent once: whoever asked does not wait any longer. The
    /// acknowledgement may carry an answer.
    Question { kind: QuestionKind, payload: String, answer: oneshot::Sender<Option<Value>> },
}

/// Something that an app is told, or asked.
#[derive(Debug)]
struct Envelope {
    id: Uuid,
    /// In the order in which they came.
    serial: u64,
    content: Content,
    /// 0 at first.
    attempt: u32,
    reason: &'static str,
}

impl Envelope {
    fn frame(&self, identity: &Identity) -> String {
        let Self { id, content, attempt, reason, .. } = self;
        let (kind, payload, answers) = match content {
            Content::Event(event) => ("events_api", &identity.callback(event), false),
            Content::Question { kind, payload, .. } => (kind.name(), payload, true),
        };
        format!(
            r#"{{"envelope_id":"{id}","type":"{kind}","payload":{payload},"accepts_response_payload":{answers},"retry_attempt":{attempt},"retry_reason":"{reason}"}}"#
        )
    }

    /// The same for another try, where there is one.
    fn again(mut self, reason: &'static str) -> Option<Self> {
        (self.attempt, self.reason) = (self.attempt + 1, reason);
        if matches!(self.content, Content::Question { .. }) {
            return None;
        }
        if self.attempt < ATTEMPTS {
            return Some(self);
        }
        tracing::warn!(envelope = %self.id, "an app did not acknowledge an envelope in {ATTEMPTS} tries");
        None
    }
}

/// A connection of the app.
#[derive(Debug)]
struct Link {
    socket: Arc<Socket>,
    under_way: usize,
    stage: Stage,
    /// Whether an envelope became overdue on it since it last acknowledged one.
    suspect: bool,
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its hello is on the way.
    Coming,
    Working,
    /// It gets nothing more, and may still acknowledge.
    Leaving,
}

/// An envelope that was sent.
#[derive(Debug)]
struct Sent {
    envelope: Envelope,
    socket: Arc<Socket>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Envelope>,
    sent: HashMap<Uuid, Sent>,
    /// When which try of an envelope is overdue.
    overdue: BTreeSet<(Instant, Uuid, u32)>,
    links: Vec<Link>,
    /// Counts what was handed out, so that connections take turns.
    turn: usize,
    serial: u64,
    dropped: u64,
}

/// The queue of one app.
#[derive(Debug)]
pub(in super::super) struct Relay {
    identity: Identity,
    /// How long an acknowledgement may take.
    patience: Duration,
    state: Mutex<State>,
}

impl Relay {
    pub(super) fn new(identity: Identity, patience: Duration) -> Self {
        Self { identity, patience, state: Mutex::default() }
    }

    /// Takes an event, and sends it where it can.
    pub(super) fn offer_event(&self, event: Event) {
        self.offer(Content::Event(event));
    }

    /// Asks the app; what comes is what its acknowledgement carries.
    pub(super) fn ask(&self, kind: QuestionKind, payload: String) -> oneshot::Receiver<Option<Value>> {
        let (answer, answered) = oneshot::channel();
        self.offer(Content::Question { kind, payload, answer });
        answered
    }

    fn offer(&self, content: Content) {
        let mut state = lock(&self.state);
        if state.waiting.len() >= WAITING {
            state.dropped += 1;
            if state.dropped.is_power_of_two() {
                let dropped = state.dropped;
                tracing::warn!(dropped, "an app takes its envelopes too slowly: {WAITING} wait, more are dropped");
            }
            return;
        }
        state.serial += 1;
        let (id, serial) = (Uuid::new_v4(), state.serial);
        state.waiting.push_back(Envelope { id, serial, content, attempt: 0, reason: "" });
        self.hand_out(&mut state);
    }

    /// Adds a connection, and gives how many there are then; `None` where there
    /// are enough.
    pub(super) fn attach(&self, socket: &Arc<Socket>) -> Option<usize> {
        let mut state = lock(&self.state);
        let connections = state.connections() + 1;
        if connections > CONNECTIONS {
            return None;
        }
        state.links.push(Link { socket: socket.clone(), under_way: 0, stage: Stage::Coming, suspect: false });
        Some(connections)
    }

    /// How many connections there are.
    pub(in super::super) fn connections(&self) -> usize {
        lock(&self.state).connections()
    }

    /// A connection gets envelopes from now on.
    pub(super) fn employ(&self, socket: &Arc<Socket>) {
        let mut state = lock(&self.state);
        if let Some(link) = state.link(socket) {
            link.stage = Stage::Working;
        }
        self.hand_out(&mut state);
    }

    /// A connection gets no more envelopes.
    pub(super) fn retire(&self, socket: &Arc<Socket>) {
        if let Some(link) = lock(&self.state).link(socket) {
            link.stage = Stage::Leaving;
        }
    }

    /// Removes a connection; what was under way on it goes to another one.
    pub(super) fn detach(&self, socket: &Arc<Socket>) {
        let mut state = lock(&self.state);
        state.links.retain(|link| !Arc::ptr_eq(&link.socket, socket));
        let lost = state.sent.extract_if(|_, sent| Arc::ptr_eq(&sent.socket, socket));
        let mut lost: Vec<_> = lost.filter_map(|(_, sent)| sent.envelope.again("connection_closed")).collect();
        state.requeue(&mut lost);
        self.hand_out(&mut state);
    }

    /// An acknowledgement came, over whichever connection.
    pub(super) fn acknowledge(&self, id: Uuid, answer: Option<Value>) {
        let mut state = lock(&self.state);
        let Some(sent) = state.sent.remove(&id) else {
            // It may have been given up as overdue, and wait to be sent again.
            return state.waiting.retain(|envelope| envelope.id != id);
        };
        if let Some(link) = state.link(&sent.socket) {
            link.under_way -= 1;
            link.suspect = false;
        }
        if let Content::Question { answer: asked, .. } = sent.envelope.content {
            // Whoever asked may have given up.
            let _ = asked.send(answer);
        }
        self.hand_out(&mut state);
    }

    /// Sends again what was not acknowledged in time.
    pub(super) fn expire(&self) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        let mut late = Vec::new();
        while state.overdue.first().is_some_and(|(when, ..)| *when <= now) {
            let Some((_, id, attempt)) = state.overdue.pop_first() else { break };
            if state.sent.get(&id).is_none_or(|sent| sent.envelope.attempt != attempt) {
                continue;
            }
            let Some(sent) = state.sent.remove(&id) else { continue };
            if let Some(link) = state.link(&sent.socket) {
                link.under_way -= 1;
                link.suspect = true;
            }
            late.extend(sent.envelope.again("timeout"));
        }
        state.requeue(&mut late);
        self.hand_out(&mut state);
    }

    /// Takes out every event that is not acknowledged, in order.
    pub(super) fn take_events(&self) -> Vec<Event> {
        let mut state = lock(&self.state);
        let mut envelopes: Vec<Envelope> = state.sent.drain().map(|(_, sent)| sent.envelope).collect();
        envelopes.extend(state.waiting.drain(..));
        envelopes.sort_by_key(|envelope| envelope.serial);
        let events = envelopes.into_iter().filter_map(|envelope| match envelope.content {
            Content::Event(event) => Some(event),
            Content::Question { .. } => None,
        });
        events.collect()
    }

    /// Sends what waits, as far as the connections have room.
    fn hand_out(&self, state: &mut State) {
        while !state.waiting.is_empty() {
            let Some(chosen) = state.choose() else { return };
            let Some(envelope) = state.waiting.pop_front() else { return };
            state.turn = chosen + 1;
            let link = &mut state.links[chosen];
            link.under_way += 1;
            link.socket.send(Push::Frame(envelope.frame(&self.identity).into()));
            let socket = link.socket.clone();
            let overdue = Instant::now() + self.patience * (envelope.attempt + 1);
            state.overdue.insert((overdue, envelope.id, envelope.attempt));
            state.sent.insert(envelope.id, Sent { socket, envelope });
        }
    }

    /// The connections.
    pub(in super::super) fn sockets(&self) -> Vec<Arc<Socket>> {
        lock(&self.state).links.iter().map(|link| link.socket.clone()).collect()
    }
}

impl State {
    fn link(&mut self, socket: &Arc<Socket>) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| Arc::ptr_eq(&link.socket, socket))
    }

    /// Puts envelopes before all that wait.
    fn requeue(&mut self, envelopes: &mut Vec<Envelope>) {
        envelopes.sort_by_key(|envelope| envelope.serial);
        envelopes.drain(..).rev().for_each(|envelope| self.waiting.push_front(envelope));
    }

    fn connections(&self) -> usize {
        self.links.iter().filter(|link| link.stage != Stage::Leaving).count()
    }

    /// The connection whose turn it is, of those that have room.
    fn choose(&self) -> Option<usize> {
        let count = self.links.len();
        let has_room = |link: &Link| {
            link.stage == Stage::Working
                && link.under_way < UNDER_WAY
                && link.socket.is_open()
                && !link.socket.is_full()
        };
        let turns = (0..count).map(|step| (self.turn + step) % count).filter(|index| has_room(&self.links[*index]));
        turns.min_by_key(|index| self.links[*index].suspect)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::directory::Directory;
    use super::*;
    use tokio::sync::mpsc;

    fn relay(patience: Duration) -> Relay {
        let identity = Identity { app: "A1".into(), bot: "U1".into(), number: 1 };
        Relay::new(identity, patience)
    }

    fn event(ts: u64) -> Event {
        Event::new(ts, &"{}".into())
    }

    fn link(relay: &Relay) -> (Arc<Socket>, mpsc::Receiver<Push>) {
        let (socket, frames) = Socket::new(Directory::default().add_user(1, "xoxb-a"), None, 256);
        assert!(relay.attach(&socket).is_some());
        relay.employ(&socket);
        (socket, frames)
    }

    /// The envelope ids that were sent until now.
    fn sent(frames: &mut mpsc::Receiver<Push>) -> Vec<Uuid> {
        let mut ids = Vec::new();
        while let Ok(Push::Frame(frame)) = frames.try_recv() {
            let frame: Value = serde_json::from_str(&frame).unwrap();
            ids.push(frame["envelope_id"].as_str().unwrap().parse().unwrap());
        }
        ids
    }

    #[test]
    fn ten_thousand_wait_and_the_newest_are_dropped() {
        let relay = relay(Duration::from_secs(60));
        (0..10_003).for_each(|ts| relay.offer_event(event(ts)));
        let kept: Vec<u64> = relay.take_events().iter().map(|event| event.ts).collect();
        assert_eq!(kept, (0..10_000).collect::<Vec<_>>());
    }

    #[test]
    fn an_envelope_is_sent_ten_times_and_then_given_up() {
        let relay = relay(Duration::ZERO);
        let (_socket, mut frames) = link(&relay);
        relay.offer_event(event(1));
        (0..50).for_each(|_| relay.expire());
        let ids = sent(&mut frames);
        assert_eq!((ids.len(), ids.iter().all(|id| *id == ids[0])), (10, true));
        assert!(relay.take_events().is_empty());
    }

    #[test]
    fn an_acknowledgement_that_comes_late_still_counts() {
        let relay = relay(Duration::ZERO);
        let (socket, mut frames) = link(&relay);
        relay.offer_event(event(1));
        relay.retire(&socket);
        relay.expire();
        assert_eq!(lock(&relay.state).waiting.len(), 1, "it waits for another connection");
        relay.acknowledge(sent(&mut frames)[0], None);
        assert!(relay.take_events().is_empty());
    }

    #[test]
    fn a_connection_that_lets_envelopes_become_overdue_is_asked_last() {
        let relay = relay(Duration::ZERO);
        let (_dead, mut of_dead) = link(&relay);
        relay.offer_event(event(1));
        let (_live, mut of_live) = link(&relay);
        relay.expire();
        let first = sent(&mut of_dead);
        assert_eq!(sent(&mut of_live), first, "sent again, to the other one");
        relay.acknowledge(first[0], None);
        (2..8).for_each(|ts| relay.offer_event(event(ts)));
        assert_eq!((sent(&mut of_dead).len(), sent(&mut of_live).len()), (0, 6));
    }
}
