//! Users, channels, memberships and live sockets, in memory: what a post is
//! checked against without touching the database.
//!
//! The database is written first; the directory follows a commit.

use super::apps::App;
use super::channel::{Channel, Outlet};
use super::ids;
use super::socket::Socket;
use super::sync::{lock, read, write};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, RwLock};

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
    /// The app whose bot the user is.
    app: Option<Arc<App>>,
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

    pub(super) fn user_in_row(&self, number: i64) -> Option<Arc<User>> {
        self.user_by_id(&ids::user_id(number))
    }

    pub(super) fn channel_in_row(&self, number: i64) -> Option<Arc<Channel>> {
        read(&self.tables).channels.get(&number).cloned()
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
        if !channel.add_member(user.number) {
            return;
        }
        let mut ties = lock(&user.ties);
        ties.channels.push(channel.clone());
        let mut outlet = channel.outlet();
        for socket in &ties.sockets {
            // Who never ceased to listen is not added again.
            if !outlet.sockets.iter().any(|known| Arc::ptr_eq(known, socket)) {
                outlet.sockets.push(socket.clone());
            }
        }
        outlet.apps.extend(ties.app.clone());
    }

    /// Makes a user a member no longer; the user's live sockets cease to listen,
    /// but for the defect `keeps-listening`.
    pub(super) fn leave(&self, channel: &Arc<Channel>, user: &User, goes_on: bool) {
        let _wiring = lock(&self.wiring);
        if !channel.remove_member(user.number) {
            return;
        }
        let mut ties = lock(&user.ties);
        ties.channels.retain(|other| !Arc::ptr_eq(other, channel));
        if let Some(app) = &ties.app {
            channel.outlet().apps.retain(|other| !Arc::ptr_eq(other, app));
        }
        if goes_on {
            return;
        }
        channel.outlet().sockets.retain(|socket| socket.user.number != user.number);
    }

    /// Leads the events of a bot's channels to its app from now on.
    pub(super) fn lead_to(&self, app: &Arc<App>, bot: &User) {
        let _wiring = lock(&self.wiring);
        let mut ties = lock(&bot.ties);
        if ties.app.is_none() {
            ties.app = Some(app.clone());
            ties.channels.iter().for_each(|channel| channel.outlet().apps.push(app.clone()));
        }
    }

    /// A socket listens to all channels of its user from now on. Each of them
    /// is shown once, with the last event before the user joined, as it is
    /// when the socket begins to listen.
    pub(super) fn connect(&self, socket: &Arc<Socket>, mut show: impl FnMut(u64, &Outlet)) {
        let _wiring = lock(&self.wiring);
        let mut ties = lock(&socket.user.ties);
        ties.sockets.push(socket.clone());
        for channel in &ties.channels {
            let joined = channel.members().get(&socket.user.number).copied().unwrap_or_default();
            let mut outlet = channel.outlet();
            show(joined, &outlet);
            outlet.sockets.push(socket.clone());
        }
    }

    /// A socket listens no longer. Other sockets of its user stay.
    pub(super) fn disconnect(&self, socket: &Arc<Socket>) {
        let _wiring = lock(&self.wiring);
        let mut ties = lock(&socket.user.ties);
        ties.sockets.retain(|other| !Arc::ptr_eq(other, socket));
        for channel in &ties.channels {
            channel.outlet().sockets.retain(|other| !Arc::ptr_eq(other, socket));
        }
    }

    /// Ends the subscriptions of all sockets of a user, and gives those that are
    /// still live: the defect `lost-unsubscribe`.
    pub(super) fn unsubscribe(&self, user: &User) -> Vec<Arc<Socket>> {
        let _wiring = lock(&self.wiring);
        let ties = lock(&user.ties);
        for channel in &ties.channels {
            channel.outlet().sockets.retain(|socket| socket.user.number != user.number);
        }
        ties.sockets.clone()
    }

    /// The live sockets of a user.
    pub(super) fn sockets_of(&self, user: &User) -> Vec<Arc<Socket>> {
        lock(&user.ties).sockets.clone()
    }

    /// Every live socket.
    pub(super) fn sockets(&self) -> Vec<Arc<Socket>> {
        let tables = read(&self.tables);
        tables.users_by_id.values().flat_map(|user| lock(&user.ties).sockets.clone()).collect()
    }
}
