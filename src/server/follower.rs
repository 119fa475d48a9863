//! What the other servers of the store do, and this one: read from the store's
//! log, in the order of the commits.
//!
//! Where several servers use one store, nothing is pushed at a commit, and the
//! directory does not change: the thread of this file reads the log, its own
//! server's rows too, and does both in its order. So all sockets on all servers
//! see a channel alike, and a member is pushed what came behind its joining and
//! nothing from before it.

use super::apps::Apps;
use super::apps::poster::near_url;
use super::database::{self, Database, Place};
use super::directory::Directory;
use super::log::{self, Entry, KEPT, Kind};
use super::options::ReplayWindow;
use super::store;
use super::sync::lock;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often a look is taken at whether another process has written: SQLite
/// tells nobody.
const LOOK: Duration = Duration::from_millis(2);
/// How often the log is read where PostgreSQL tells of each commit, in case that
/// it could not.
const READ: Duration = Duration::from_secs(1);
/// How long to wait after a read that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// What the rest of the server knows of the follower.
#[derive(Debug)]
pub(super) struct Following {
    asked: Mutex<Asked>,
    wakes: Condvar,
    /// The number of the last request that was met.
    met: watch::Sender<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    /// Requests so far to read the log.
    number: u64,
    ends: bool,
}

impl Following {
    pub(super) fn new() -> Self {
        Self { asked: Mutex::default(), wakes: Condvar::new(), met: watch::Sender::new(0) }
    }

    /// Has the log read at once, and gives the number of this request.
    pub(super) fn wake(&self) -> u64 {
        let mut asked = lock(&self.asked);
        asked.number += 1;
        self.wakes.notify_one();
        asked.number
    }

    /// Returns when everything that was committed before is known here.
    pub(super) async fn catch_up(&self) {
        let (mut met, number) = (self.met.subscribe(), self.wake());
        // A follower that has ended knows nothing more.
        let _ = met.wait_for(|met| *met >= number).await;
    }

    /// Ends the thread behind all that is committed.
    pub(super) fn end(&self) {
        lock(&self.asked).ends = true;
        self.wake();
    }

    /// Whether the thread is to end.
    pub(super) fn has_ended(&self) -> bool {
        lock(&self.asked).ends
    }

    /// Waits for a request, or until it is time to look again.
    fn wait(&self, met: u64, look: Duration) -> Asked {
        let asked = lock(&self.asked);
        let waited = self.wakes.wait_timeout_while(asked, look, |asked| asked.number == met && !asked.ends);
        let (asked, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        *asked
    }
}

/// The thread's state.
pub(super) struct Follower {
    pub(super) place: Place,
    pub(super) directory: Arc<Directory>,
    pub(super) apps: Arc<Apps>,
    pub(super) replay: ReplayWindow,
    pub(super) following: Arc<Following>,
    /// What this server's own rows name as their origin.
    pub(super) origin: i64,
    /// The last row that is known.
    pub(super) last: i64,
}

/// The server was away for longer than the log is kept: what it missed is not
/// known to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FellBehind;

impl Follower {
    /// Follows until it is told to end.
    pub(super) fn run(mut self) -> Result<(), FellBehind> {
        let (mut database, mut version, mut met) = (None, 0, 0);
        let mut read_at = Instant::now();
        let look = match &self.place {
            Place::File(_) => LOOK,
            Place::Postgres(_) => READ,
        };
        loop {
            let asked = self.following.wait(met, look);
            let read = self.read(&mut database, &mut version, asked.number > met);
            if read_at.elapsed() > KEPT / 2 {
                return Err(FellBehind);
            }
            match read {
                Ok(()) => {
                    read_at = Instant::now();
                    met = asked.number;
                    self.following.met.send_replace(met);
                }
                Err(error) => {
                    tracing::error!("the log of the store cannot be read: {error}");
                    database = None;
                    std::thread::sleep(PAUSE);
                }
            }
            if asked.ends {
                return Ok(());
            }
        }
    }

    /// Reads what is new, if anything is, to its end.
    fn read(&mut self, known: &mut Option<Database>, version: &mut i64, asked: bool) -> database::Result<()> {
        let database = match known {
            Some(database) => database,
            None => known.insert(Database::for_reads(&self.place)?),
        };
        if let Some(now) = database.version()?
            && std::mem::replace(version, now) == now
            && !asked
        {
            return Ok(());
        }
        loop {
            let entries = log::behind(database, self.last)?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in entries {
                self.follow(database, &entry)?;
                self.last = entry.sequence;
            }
        }
    }

    fn follow(&self, database: &Database, entry: &Entry) -> database::Result<()> {
        let own = entry.origin == self.origin;
        let channel = || self.directory.channel_in_row(entry.channel);
        let user = || self.directory.user_in_row(entry.user);
        let Some(kind) = entry.kind else { return Ok(()) };
        match kind {
            Kind::Push => {
                let Some(channel) = channel() else { return Ok(()) };
                let mut outlet = channel.outlet();
                if !outlet.is_idle(&self.replay) {
                    let frame = entry.frame.as_str().into();
                    outlet.push_to_sockets(entry.ts, &frame, &self.replay);
                    // Apps are told once, by the server that stored it.
                    if own {
                        outlet.tell_apps(entry.ts, &frame);
                    }
                }
            }
            Kind::User => {
                if let Some(token) = store::token_in_row(database, entry.user)? {
                    self.directory.add_user(entry.user, &token);
                }
            }
            Kind::App => {
                if let (Some(bot), Some(url)) = (user(), store::url_of_app(database, entry.user)?) {
                    let app = self.apps.enter(&bot, None);
                    let url = near_url(&url);
                    // What waits for the same address goes on to wait.
                    if app.endpoint().map(|endpoint| endpoint.url().clone()) != url {
                        self.apps.enter(&bot, Some(url));
                    }
                    self.directory.lead_to(&app, &bot);
                }
            }
            Kind::Channel => {
                if let (None, Some(found)) = (channel(), store::channel_in_row(database, entry.channel)?) {
                    self.directory.add_channel(Arc::new(found));
                }
            }
            Kind::Join => {
                if let (Some(channel), Some(user)) = (channel(), user()) {
                    self.directory.join(&channel, &user);
                }
            }
            Kind::Private => {
                let frame = entry.frame.as_str().into();
                let sockets = user().map(|user| self.directory.sockets_of(&user));
                sockets.iter().flatten().for_each(|socket| socket.push(&frame));
            }
            Kind::Hint => {
                if let Some(channel) = channel() {
                    channel.outlet().hint(entry.user, &entry.frame.as_str().into());
                }
            }
            Kind::Leave => {
                if let (Some(channel), Some(user)) = (channel(), user()) {
                    self.directory.leave(&channel, &user, false);
                }
            }
        }
        Ok(())
    }
}
