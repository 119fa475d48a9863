//! The store's log: what servers of one store tell each other of, in the order
//! of their commits.
//!
//! A row is written in the transaction of what it tells of, so that there is
//! nothing stored that the others never hear of, and nothing told that is not
//! stored. Rows are numbered in the order of the commits, because one server
//! writes at a time.

use super::channel::Channel;
use super::database::{Database, Result, values};
use super::publisher;
use super::write::{Effect, Write};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a row is kept at least. A server that follows is behind by
/// milliseconds, unless its process was stopped.
pub(super) const KEPT: Duration = Duration::from_secs(180);
/// How often old rows are deleted.
const PRUNED: Duration = Duration::from_secs(10);
/// Rows that are read at once.
const READ_ROWS: i64 = 1_000;

/// What a row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message or a change of one, with the frame that is pushed.
    Push = 0,
    User = 1,
    App = 2,
    Channel = 3,
    Join = 4,
    Leave = 5,
    /// A frame for the sockets of one user.
    Private = 6,
    /// A frame that the sockets of the others in a channel are told if there is
    /// room for it.
    Hint = 7,
}

impl Kind {
    fn of(number: i64) -> Option<Self> {
        const KINDS: [Kind; 8] =
            [Kind::Push, Kind::User, Kind::App, Kind::Channel, Kind::Join, Kind::Leave, Kind::Private, Kind::Hint];
        KINDS.get(usize::try_from(number).ok()?).copied()
    }
}

/// A row.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) sequence: i64,
    /// The server that wrote it.
    pub(super) origin: i64,
    /// `None` where only a later version knows it.
    pub(super) kind: Option<Kind>,
    /// Row of the channel; 0 where there is none.
    pub(super) channel: i64,
    /// Row of the user; 0 where there is none.
    pub(super) user: i64,
    /// `event_ts` in µs.
    pub(super) ts: u64,
    pub(super) frame: String,
}

/// The writing side.
#[derive(Debug)]
pub(super) struct Log {
    origin: i64,
    /// The last row at each look, until what was there then is deleted.
    marks: VecDeque<(Instant, i64)>,
}

impl Log {
    pub(super) fn new(origin: i64) -> Self {
        Self { origin, marks: VecDeque::new() }
    }

    /// At the begin of a transaction: channels go on from the last position
    /// that any server gave, and old rows go.
    pub(super) fn begin<'w>(&mut self, database: &Database, batch: impl Iterator<Item = &'w Write>) -> Result<()> {
        let mut channels: Vec<&Channel> = batch.filter_map(of_channel).collect();
        channels.sort_unstable_by_key(|channel| channel.number);
        channels.dedup_by_key(|channel| channel.number);
        for channel in channels {
            let last = "SELECT coalesce(max(ts), 0) FROM log WHERE channel = ?1";
            let last = database.row(last, values![channel.number], |row| row.unsigned(0))?;
            channel.last_ts.fetch_max(last.unwrap_or_default(), Ordering::Relaxed);
        }
        self.prune(database)
    }

    /// Deletes rows that were there long ago.
    fn prune(&mut self, database: &Database) -> Result<()> {
        let now = Instant::now();
        if self.marks.back().is_some_and(|(at, _)| now.duration_since(*at) < PRUNED) {
            return Ok(());
        }
        self.marks.push_back((now, last(database)?));
        let is_old = |(at, _): &(Instant, i64)| now.duration_since(*at) > KEPT;
        let count = self.marks.iter().take_while(|mark| is_old(mark)).count();
        if let Some((_, old)) = self.marks.drain(..count).next_back() {
            database.execute("DELETE FROM log WHERE sequence <= ?1", values![old])?;
        }
        Ok(())
    }

    /// Tells of a write and its effect, in the open transaction.
    pub(super) fn tell(&self, database: &Database, write: &Write, effect: &Effect) -> Result<()> {
        let tell = |kind, channel, user| self.add(database, kind, (channel, user), 0, "");
        match (write, effect) {
            (Write::Post(post, _), Effect::Post(stored)) if stored.push => {
                let frame = publisher::event(post, stored.ts);
                self.add(database, Kind::Push, (post.channel.number, post.user.number), stored.ts, &frame)
            }
            (Write::Change(change, _), Effect::Changed(changed)) => {
                let place = (change.channel.number, change.user.number);
                self.add(database, Kind::Push, place, changed.event, &changed.frame)
            }
            (_, Effect::User(number)) => tell(Kind::User, 0, *number),
            (Write::App { bot, .. }, Effect::App) => tell(Kind::App, 0, bot.number),
            (Write::Channel { creator, .. }, Effect::Channel(channel)) => {
                tell(Kind::Channel, channel.number, creator.number)?;
                tell(Kind::Join, channel.number, creator.number)
            }
            (Write::Join { channel, users, .. }, Effect::Joined) => {
                users.iter().try_for_each(|user| tell(Kind::Join, channel.number, user.number))
            }
            (Write::Leave { channel, user, .. }, Effect::Left) => tell(Kind::Leave, channel.number, user.number),
            (Write::Private { user, frame }, _) => self.add(database, Kind::Private, (0, user.number), 0, frame),
            (Write::Hint { channel, user, frame }, _) => {
                self.add(database, Kind::Hint, (channel.number, user.number), 0, frame)
            }
            _ => Ok(()),
        }
    }

    fn add(&self, database: &Database, kind: Kind, place: (i64, i64), ts: u64, frame: &str) -> Result<()> {
        const INSERT: &str = "INSERT INTO log (origin, kind, channel, member, ts, frame)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        database.execute(INSERT, values![self.origin, kind as i64, place.0, place.1, ts, frame])?;
        Ok(())
    }
}

/// The number of the last row; 0 before the first.
pub(super) fn last(database: &Database) -> Result<i64> {
    Ok(database.row("SELECT coalesce(max(sequence), 0) FROM log", &[], |row| row.get(0))?.unwrap_or_default())
}

/// The rows behind one, ascending: all of them, or the first thousand.
pub(super) fn behind(database: &Database, sequence: i64) -> Result<Vec<Entry>> {
    const READ: &str = "SELECT sequence, origin, kind, channel, member, ts, frame FROM log
        WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";
    database.rows(READ, values![sequence, READ_ROWS], |row| {
        Ok(Entry {
            sequence: row.get(0)?,
            origin: row.get(1)?,
            kind: Kind::of(row.get(2)?),
            channel: row.get(3)?,
            user: row.get(4)?,
            ts: row.unsigned(5)?,
            frame: row.get(6)?,
        })
    })
}

fn of_channel(write: &Write) -> Option<&Channel> {
    match write {
        Write::Post(post, _) => Some(&post.channel),
        Write::Change(change, _) => Some(&change.channel),
        _ => None,
    }
}
