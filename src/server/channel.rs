//! A channel: who is in it, where its events go, and what went out last.

use super::apps::{App, Event};
use super::ids;
use super::options::ReplayWindow;
use super::socket::Socket;
use super::sync::{lock, read, write};
use axum::extract::ws::Utf8Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

/// A channel and who listens to it.
#[derive(Debug)]
pub(super) struct Channel {
    /// Row in the database.
    pub(super) number: i64,
    /// `C…`
    pub(super) id: Box<str>,
    pub(super) name: Box<str>,
    /// Row of the user who created it.
    pub(super) creator: i64,
    /// Seconds since the epoch.
    pub(super) created_s: i64,
    /// Only its members know of it, and only they let others in.
    pub(super) is_private: bool,
    /// The last `ts` given, in µs.
    pub(super) last_ts: AtomicU64,
    /// Rows of the users, and the last event in µs that each was too late for.
    members: RwLock<BTreeMap<i64, u64>>,
    outlet: Mutex<Outlet>,
}

impl Channel {
    pub(super) fn new(number: i64, name: &str, creator: i64, created_s: i64, last_ts: u64) -> Self {
        Self {
            number,
            id: ids::channel_id(number).into(),
            name: name.into(),
            creator,
            created_s,
            is_private: false,
            last_ts: AtomicU64::new(last_ts),
            members: RwLock::default(),
            outlet: Mutex::default(),
        }
    }

    pub(super) fn private(self, is_private: bool) -> Self {
        Self { is_private, ..self }
    }

    /// Whether somebody may know of it.
    pub(super) fn is_open_to(&self, user: i64) -> bool {
        !self.is_private || self.has_member(user)
    }

    pub(super) fn has_member(&self, user: i64) -> bool {
        read(&self.members).contains_key(&user)
    }

    /// Rows of the members, ascending, and the last event before each joined.
    pub(super) fn members(&self) -> RwLockReadGuard<'_, BTreeMap<i64, u64>> {
        read(&self.members)
    }

    /// `false` where the user is a member already.
    pub(super) fn add_member(&self, user: i64) -> bool {
        let missed = self.outlet().last_event;
        let mut members = write(&self.members);
        let is_new = !members.contains_key(&user);
        members.entry(user).or_insert(missed);
        is_new
    }

    /// `false` where the user is none.
    pub(super) fn remove_member(&self, user: i64) -> bool {
        write(&self.members).remove(&user).is_some()
    }

    /// Where the events go. Held for one fan-out at a time.
    pub(super) fn outlet(&self) -> MutexGuard<'_, Outlet> {
        lock(&self.outlet)
    }
}

/// Where the events of a channel go, and the last of them.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    /// The sockets of the members.
    pub(super) sockets: Vec<Arc<Socket>>,
    /// The apps of bots that are members.
    pub(super) apps: Vec<Arc<App>>,
    /// In the order in which they were pushed.
    recent: VecDeque<Recent>,
    /// In µs; 0 before the first one since the start.
    last_event: u64,
}

/// An event that was pushed.
#[derive(Debug)]
struct Recent {
    /// `event_ts` in µs.
    event: u64,
    pushed_at: Instant,
    frame: Utf8Bytes,
}

impl Outlet {
    /// Whether nobody wants an event, now or later.
    pub(super) fn is_idle(&self, window: &ReplayWindow) -> bool {
        self.sockets.is_empty() && self.apps.is_empty() && window.events == 0
    }

    /// Hands an event (its `event_ts` in µs) to all who listen: one frame,
    /// shared by all sockets. A socket whose queue is full is told to end.
    pub(super) fn push(&mut self, event: u64, frame: &Utf8Bytes, window: &ReplayWindow) {
        self.push_to_sockets(event, frame, window);
        self.tell_apps(event, frame);
    }

    /// Hands a hint of a user to the others, as far as there is room for it.
    pub(super) fn hint(&self, user: i64, frame: &Utf8Bytes) {
        self.sockets.iter().filter(|socket| socket.user.number != user).for_each(|socket| socket.hint(frame));
    }

    /// All of a push but for the sockets.
    pub(super) fn keep(&mut self, event: u64, frame: &Utf8Bytes, window: &ReplayWindow) {
        self.remember(event, frame, window);
        self.tell_apps(event, frame);
    }

    pub(super) fn push_to_sockets(&mut self, event: u64, frame: &Utf8Bytes, window: &ReplayWindow) {
        self.sockets.iter().for_each(|socket| socket.push(frame));
        self.remember(event, frame, window);
    }

    pub(super) fn tell_apps(&self, event: u64, frame: &Utf8Bytes) {
        self.apps.iter().for_each(|app| app.tell(Event::new(event, frame)));
    }

    fn remember(&mut self, event: u64, frame: &Utf8Bytes, window: &ReplayWindow) {
        if window.events == 0 {
            return;
        }
        self.last_event = self.last_event.max(event);
        let pushed_at = Instant::now();
        let is_stale = |recent: &Recent| pushed_at.duration_since(recent.pushed_at) > window.age;
        while self.recent.len() >= window.events || self.recent.front().is_some_and(is_stale) {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent { event, pushed_at, frame: frame.clone() });
    }

    /// What the window still has of the events behind one: `event_ts` in µs
    /// and frame.
    pub(super) fn behind(&self, event: u64, age: Duration) -> impl Iterator<Item = (u64, Utf8Bytes)> {
        let recent = self.recent.iter().filter(move |recent| recent.event > event && recent.pushed_at.elapsed() <= age);
        recent.map(|recent| (recent.event, recent.frame.clone()))
    }
}
