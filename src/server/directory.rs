//! Users, channels, memberships and live sockets, in memory: what a post is
//! checked against without touching the database.
//!
//! The database is written first; the directory follows a commit.

use super::ids;
use super::socket::Socket;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Whoever bears a token.
#[derive(Debug)]
pub(super) struct User {
    /// Row in the database.
    pub(super) number: i64,
    /// `U…`
    pub(super) id: Box<str>,
    ties: Mutex<Ties>,
}

#[derive(Debug, Default)]
struct Ties {
    channels: Vec<Arc<Channel>>,
    sockets: Vec<Arc<Socket>>,
}

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
    /// The last `ts` given, in µs.
    pub(super) last_ts: AtomicU64,
    members: RwLock<BTreeSet<i64>>,
    listeners: Mutex<Vec<Arc<Socket>>>,
}

impl Channel {
    pub(super) fn new(number: i64, name: &str, creator: i64, created_s: i64, last_ts: u64) -> Self {
        Self {
            number,
            id: ids::channel_id(number).into(),
            name: name.into(),
            creator,
            created_s,
            last_ts: AtomicU64::new(last_ts),
            members: RwLock::default(),
            listeners: Mutex::default(),
        }
    }

    pub(super) fn has_member(&self, user: i64) -> bool {
        read(&self.members).contains(&user)
    }

    /// Rows of the members, ascending.
    pub(super) fn members(&self) -> RwLockReadGuard<'_, BTreeSet<i64>> {
        read(&self.members)
    }

    /// The sockets of the members. Held for one fan-out at a time.
    pub(super) fn listeners(&self) -> MutexGuard<'_, Vec<Arc<Socket>>> {
        lock(&self.listeners)
    }
}

#[derive(Debug, Default)]
struct Tables {
    users_by_token: HashMap<Box<str>, Arc<User>>,
    users_by_id: HashMap<Box<str>, Arc<User>>,
    channels_by_id: HashMap<Box<str>, Arc<Channel>>,
    channels_by_name: HashMap<Box<str>, Arc<Channel>>,
    channels: BTreeMap<i64, Arc<Channel>>,
}

/// All users, channels and sockets.
#[derive(Debug, Default)]
pub(super) struct Directory {
    tables: RwLock<Tables>,
    /// Held while the set of (socket, channel) pairs changes, so that a join
    /// and a connect at the same time cannot miss each other.
    wiring: Mutex<()>,
}

impl Directory {
    pub(super) fn user_by_token(&self, token: &str) -> Option<Arc<User>> {
        read(&self.tables).users_by_token.get(token).cloned()
    }

    pub(super) fn user_by_id(&self, id: &str) -> Option<Arc<User>> {
        read(&self.tables).users_by_id.get(id).cloned()
    }

    /// By id, or by name with or without `#`.
    pub(super) fn channel(&self, id_or_name: &str) -> Option<Arc<Channel>> {
        let tables = read(&self.tables);
        let by_id = tables.channels_by_id.get(id_or_name);
        by_id.or_else(|| tables.channels_by_name.get(id_or_name.trim_start_matches('#'))).cloned()
    }

    /// At most `limit` channels whose row is above `after`, ascending.
    pub(super) fn channels_after(&self, after: i64, limit: usize) -> Vec<Arc<Channel>> {
        read(&self.tables).channels.range(after + 1..).take(limit).map(|(_, channel)| channel.clone()).collect()
    }

    /// Enters a user, or finds the one who is there.
    pub(super) fn add_user(&self, number: i64, token: &str) -> Arc<User> {
        let mut tables = write(&self.tables);
        if let Some(known) = tables.users_by_token.get(token) {
            return known.clone();
        }
        let user = Arc::new(User { number, id: ids::user_id(number).into(), ties: Mutex::default() });
        tables.users_by_token.insert(token.into(), user.clone());
        tables.users_by_id.insert(user.id.clone(), user.clone());
        user
    }

    pub(super) fn add_channel(&self, channel: Arc<Channel>) {
        let mut tables = write(&self.tables);
        tables.channels_by_id.insert(channel.id.clone(), channel.clone());
        tables.channels_by_name.insert(channel.name.clone(), channel.clone());
        tables.channels.insert(channel.number, channel);
    }

    /// Makes a user a member; the user's live sockets listen from now on.
    pub(super) fn join(&self, channel: &Arc<Channel>, user: &User) {
        let _wiring = lock(&self.wiring);
        if !write(&channel.members).insert(user.number) {
            return;
        }
        let mut ties = lock(&user.ties);
        ties.channels.push(channel.clone());
        let mut listeners = channel.listeners();
        for socket in &ties.sockets {
            // Who never ceased to listen is not added again.
            if !listeners.iter().any(|known| Arc::ptr_eq(known, socket)) {
                listeners.push(socket.clone());
            }
        }
    }

    /// Makes a user a member no longer; the user's live sockets cease to listen,
    /// but for the defect `keeps-listening`.
    pub(super) fn leave(&self, channel: &Arc<Channel>, user: &User, goes_on: bool) {
        let _wiring = lock(&self.wiring);
        if !write(&channel.members).remove(&user.number) {
            return;
        }
        lock(&user.ties).channels.retain(|other| !Arc::ptr_eq(other, channel));
        if goes_on {
            return;
        }
        channel.listeners().retain(|socket| socket.user.number != user.number);
    }

    /// A socket listens to all channels of its user from now on.
    pub(super) fn connect(&self, socket: &Arc<Socket>) {
        let _wiring = lock(&self.wiring);
        let mut ties = lock(&socket.user.ties);
        ties.sockets.push(socket.clone());
        for channel in &ties.channels {
            channel.listeners().push(socket.clone());
        }
    }

    /// A socket listens no longer. Other sockets of its user stay.
    pub(super) fn disconnect(&self, socket: &Arc<Socket>) {
        let _wiring = lock(&self.wiring);
        let mut ties = lock(&socket.user.ties);
        ties.sockets.retain(|other| !Arc::ptr_eq(other, socket));
        for channel in &ties.channels {
            channel.listeners().retain(|other| !Arc::ptr_eq(other, socket));
        }
    }

    /// Ends the subscriptions of all sockets of a user, and gives those that are
    /// still live: the defect `lost-unsubscribe`.
    pub(super) fn unsubscribe(&self, user: &User) -> Vec<Arc<Socket>> {
        let _wiring = lock(&self.wiring);
        let ties = lock(&user.ties);
        for channel in &ties.channels {
            channel.listeners().retain(|socket| socket.user.number != user.number);
        }
        ties.sockets.clone()
    }

    /// Every live socket.
    pub(super) fn sockets(&self) -> Vec<Arc<Socket>> {
        let tables = read(&self.tables);
        tables.users_by_id.values().flat_map(|user| lock(&user.ties).sockets.clone()).collect()
    }
}

// No code that holds these locks can panic half-way through a change, so a
// poisoned lock still guards a whole value.

fn read<T>(shared: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    shared.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(shared: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    shared.write().unwrap_or_else(PoisonError::into_inner)
}

/// Locks, whether or not another holder panicked.
pub(super) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
