//! A subscriber as an app: which events it knows already, which it still has to
//! process, and what it owes whom as an answer.

use super::socket::Socket;
use crate::target::Push;
use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Events that an app remembers, the newest: what is sent again is sent soon.
const REMEMBERED: usize = 4_096;

/// What an app knows.
#[derive(Default)]
pub struct App {
    /// What it has processed, or is about to.
    pub known: Known,
    /// What it takes its time for, by due time.
    pub delayed: VecDeque<Delayed>,
    /// Acknowledgements that wait for the socket.
    pub acknowledgements: Vec<String>,
    /// What it had acknowledged when it died over it.
    pub lost: HashSet<EventId>,
    /// It has died over an event, and starts again.
    pub died: bool,
    /// The next connection, opened before the open one is left.
    pub next: Option<Socket>,
    /// That connection while it is opened.
    pub opening: Option<JoinHandle<Result<Socket, String>>>,
}

/// An event that is processed later.
pub struct Delayed {
    /// When, in µs since the start of the run.
    pub due_us: u64,
    /// Its `event_id`, hashed.
    pub id: EventId,
    /// What it tells.
    pub push: Push<'static>,
    /// Who is told when it is processed; nobody, if it was acknowledged before.
    pub asker: Option<Asker>,
}

/// Who waits for an answer.
pub enum Asker {
    /// The socket, for the envelope of this id.
    Envelope(Box<str>),
    /// A request.
    Request(oneshot::Sender<Answer>),
}

/// What an app answers to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has it.
    Taken,
    /// It says something to the user who asked.
    Said,
    /// It does not take it.
    Refused,
    /// Nothing: it died.
    Cut,
}

/// An `event_id`, hashed: among a few thousand no two have one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId(u64);

impl EventId {
    /// Of an id as written.
    pub fn of(id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The newest events that an app knows.
#[derive(Debug, Default)]
pub struct Known {
    all: HashSet<EventId>,
    order: VecDeque<EventId>,
}

impl Known {
    /// Whether it knows an event.
    pub fn has(&self, id: EventId) -> bool {
        self.all.contains(&id)
    }

    /// Remembers an event, and forgets the oldest where there are too many.
    pub fn remember(&mut self, id: EventId) {
        if !self.all.insert(id) {
            return;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.all.remove(&oldest);
        }
    }

    /// Forgets an event that was not processed.
    pub fn forget(&mut self, id: EventId) {
        if self.all.remove(&id) {
            self.order.retain(|known| *known != id);
        }
    }
}

impl App {
    /// Whether nothing waits to be processed.
    pub fn is_idle(&self) -> bool {
        self.delayed.is_empty()
    }

    /// When the next delayed event is due; never where there is none.
    pub fn due_us(&self) -> u64 {
        self.delayed.front().map_or(u64::MAX, |first| first.due_us)
    }

    /// Gives the next connection up: who stays away holds none.
    pub fn drop_next(&mut self) {
        self.next = None;
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
    }

    /// Returns once the next connection is open; never where none is opened.
    pub async fn next_opened(app: &mut Option<Box<App>>) {
        loop {
            let Some(App { next, opening: opening @ Some(_), .. }) = app.as_deref_mut() else {
                return std::future::pending().await;
            };
            let Some(task) = opening else { continue };
            let opened = task.await;
            *opening = None;
            match opened {
                Ok(Ok(socket)) => {
                    *next = Some(socket);
                    return;
                }
                // The open one goes on as long as it does.
                Ok(Err(reason)) => tracing::debug!(reason, "cannot open the next connection"),
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_knows_the_newest_events_and_not_what_it_did_not_process() {
        let mut known = Known::default();
        let id = |number: usize| EventId::of(&format!("Ev{number}"));
        (0..=REMEMBERED).for_each(|number| known.remember(id(number)));
        assert!(!known.has(id(0)) && known.has(id(1)) && known.has(id(REMEMBERED)));
        known.remember(id(1));
        known.forget(id(2));
        assert!(known.has(id(1)) && !known.has(id(2)));
        assert_eq!((known.all.len(), known.order.len()), (REMEMBERED - 1, REMEMBERED - 1));
    }
}
