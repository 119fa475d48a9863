//! The one thread that writes: it takes all writes that wait, stores them in
//! one transaction, and hands them on only when the commit is on disk. While
//! one commit waits for the disk, the next batch gathers.

use super::changes;
use super::channel::Channel;
use super::database::{self, Database, DatabaseError};
use super::defects::Defects;
use super::defects::writes::FaultyWriter;
use super::limits::{Pace, burn};
use super::log::Log;
use super::options::{Commit, Options};
use super::publisher::Notice;
use super::store::{self, NewMessage};
use super::write::{Done, Effect, Failure, Post, Stored, Told, Write};
use reqwest::Url;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Writes that may wait; more are refused, and nothing of them is stored.
pub(super) const QUEUE_WRITES: usize = 8_192;
/// Writes of one commit at most, so that the first of them does not wait for
/// thousands behind it.
const BATCH_WRITES: usize = 1_024;

/// The writing thread's state.
pub(super) struct Writer {
    database: Database,
    batch_writes: usize,
    writes: mpsc::Receiver<Write>,
    publisher: mpsc::Sender<Notice>,
    store_fail_while: Option<PathBuf>,
    pace: Option<Pace>,
    burn_post: Duration,
    /// Where other servers use the same store.
    shared: Option<SharedStore>,
    faulty: Option<FaultyWriter>,
}

/// What a writer needs that is not the only one of its store.
pub(super) struct SharedStore {
    pub(super) log: Log,
    /// Locked while a transaction is open: SQLite has those who wait for
    /// another's try again after a while, this has them take turns. PostgreSQL
    /// has them take turns itself.
    pub(super) turn: Option<File>,
}

impl Writer {
    pub(super) fn new(
        database: Database,
        options: &Options,
        (again, writes): (mpsc::WeakSender<Write>, mpsc::Receiver<Write>),
        publisher: mpsc::Sender<Notice>,
        defects: &Arc<Defects>,
        shared: Option<SharedStore>,
    ) -> Self {
        let batch_writes = match options.commit {
            Commit::Group => BATCH_WRITES,
            Commit::Each => 1,
        };
        let faulty = defects.any().then(|| FaultyWriter::new(defects.clone(), publisher.clone(), again));
        let store_fail_while = options.store_fail_while.clone();
        let pace = options.limits.posts_per_s.map(Pace::new);
        let burn_post = options.limits.burn_post;
        Self { database, batch_writes, writes, publisher, store_fail_while, pace, burn_post, shared, faulty }
    }

    /// Stores until no sender of writes is left.
    pub(super) fn run(mut self) {
        let mut waiting = Vec::with_capacity(self.batch_writes);
        'writes: while self.receive(&mut waiting) {
            while !waiting.is_empty() {
                let mut batch = self.next_batch(&mut waiting);
                let queued = batch.len();
                batch.retain(|write| !matches!(write, Write::End));
                let ends = batch.len() < queued;
                if let Some(faulty) = &mut self.faulty {
                    faulty.hold_back(&self.database, &mut batch);
                }
                let done = self.done(batch);
                if self.publisher.blocking_send(Notice::Done(done)).is_err() || ends {
                    break 'writes;
                }
            }
        }
        // Where others use the store, the last of them does it when it closes.
        if self.shared.is_none()
            && let Err(error) = self.database.tidy_up()
        {
            tracing::debug!("no last checkpoint: {error}");
        }
    }

    /// Waits for writes; `false` once none will come.
    fn receive(&mut self, waiting: &mut Vec<Write>) -> bool {
        if let Some(pace) = self.pace.as_mut().filter(|_| self.writes.is_empty()) {
            pace.rest();
        }
        self.writes.blocking_recv_many(waiting, self.batch_writes) > 0
    }

    /// Takes what may be stored now from the front of what waits: all of it,
    /// where the store has no pace. With one, the turn of the posts is awaited.
    fn next_batch(&mut self, waiting: &mut Vec<Write>) -> Vec<Write> {
        let Some(pace) = &mut self.pace else { return std::mem::take(waiting) };
        let is_post = |write: &Write| matches!(write, Write::Post(..));
        let most = pace.batch_posts();
        let mut ranks = (0..waiting.len()).filter(|rank| is_post(&waiting[*rank]));
        let end = ranks.nth(most).unwrap_or(waiting.len());
        let posts = waiting[..end].iter().filter(|write| is_post(write)).count();
        if posts > 0 {
            let now = Instant::now();
            std::thread::sleep(pace.begin(posts, now).saturating_duration_since(now));
        }
        waiting.drain(..end).collect()
    }

    /// What becomes of a batch. One with a value that the store never takes is
    /// stored write by write, so that the others do not fail with it.
    fn done(&mut self, batch: Vec<Write>) -> Vec<Done> {
        match self.commit(&batch) {
            Ok(effects) => batch.into_iter().zip(effects).collect(),
            Err(error) if error.is_of_a_value() && batch.len() > 1 => {
                batch.into_iter().flat_map(|write| self.done(vec![write])).collect()
            }
            Err(error) if error.is_of_a_value() => {
                batch.into_iter().map(|write| (write, Err(Failure::Refused("invalid_arguments")))).collect()
            }
            Err(error) => {
                tracing::error!("the store failed, and {} writes with it: {error}", batch.len());
                batch.into_iter().map(|write| (write, Err(Failure::Internal))).collect()
            }
        }
    }

    /// All of a batch or nothing of it, in this server's turn.
    fn commit(&mut self, batch: &[Write]) -> database::Result<Vec<Result<Effect, Failure>>> {
        if let Some(Err(error)) = self.turn().map(File::lock) {
            tracing::warn!("no turn among the servers of the store: {error}");
        }
        let stored = self.commit_or_roll_back(batch);
        if let Some(Err(error)) = self.turn().map(File::unlock) {
            tracing::warn!("the turn among the servers of the store stays taken: {error}");
        }
        stored
    }

    fn turn(&self) -> Option<&File> {
        self.shared.as_ref()?.turn.as_ref()
    }

    fn commit_or_roll_back(&mut self, batch: &[Write]) -> database::Result<Vec<Result<Effect, Failure>>> {
        let stored = self.store(batch);
        if let Some(faulty) = &mut self.faulty {
            faulty.end_of_batch(stored.is_ok());
        }
        if stored.is_err() {
            self.database.roll_back()?;
        }
        stored
    }

    fn store(&mut self, batch: &[Write]) -> database::Result<Vec<Result<Effect, Failure>>> {
        self.database.begin()?;
        if let Some(shared) = &mut self.shared {
            shared.log.begin(&self.database, batch.iter())?;
        }
        if let Some(faulty) = &mut self.faulty {
            faulty.begin_batch(&self.database)?;
        }
        // One look for the whole batch: a system call for each message would show.
        let refuses = self.store_fail_while.as_ref().is_some_and(|file| file.exists());
        let mut effects = Vec::with_capacity(batch.len());
        for write in batch {
            effects.push(match write {
                Write::Post(post, _) if refuses => self.refuse(post)?,
                Write::Change(..) if refuses => Err(Failure::Internal),
                _ => self.apply(write)?,
            });
            if let (Some(shared), Some(Ok(effect))) = (&self.shared, effects.last()) {
                shared.log.tell(&self.database, write, effect)?;
            }
        }
        let posts = batch.iter().filter(|write| matches!(write, Write::Post(..))).count();
        burn(self.burn_post * posts as u32);
        self.database.commit(self.shared.is_some())?;
        Ok(effects)
    }

    /// A message that the store does not take: nothing of it stays.
    fn refuse(&mut self, post: &Arc<Post>) -> database::Result<Result<Effect, Failure>> {
        if let Some(faulty) = &mut self.faulty {
            faulty.refuse_post(&self.database, post)?;
        }
        Ok(Err(Failure::Internal))
    }

    fn apply(&mut self, write: &Write) -> database::Result<Result<Effect, Failure>> {
        let database = &self.database;
        Ok(match write {
            // Another server of the store may have had the user leave just now.
            Write::Post(post, _) if self.shared.is_some() && !is_member(database, post)? => {
                Err(Failure::Refused("not_in_channel"))
            }
            Write::Post(post, _) if !may_be_stored(database, post)? => Err(Failure::Refused("thread_not_found")),
            Write::Change(change, _) => match &mut self.faulty {
                None => changes::apply(database, change, true)?.map(Effect::Changed),
                Some(faulty) => faulty.change(database, change)?.map(Effect::Changed),
            },
            Write::Post(post, answer) => match &mut self.faulty {
                None => Ok(Effect::Post(store_post(database, post)?)),
                Some(faulty) => faulty.store_post(database, post, answer)?.map(Effect::Post),
            },
            Write::User { token, .. } => Ok(Effect::User(store::add_user(database, token)?)),
            Write::App { bot, url, .. } => {
                let url = url.as_ref().map(|url| url.as_ref().map_or("", Url::as_str));
                store::add_app(database, bot.number, url)?;
                Ok(Effect::App)
            }
            Write::Channel { name, creator, is_private, .. } => {
                let created_s = (now_us() / 1_000_000) as i64;
                match store::add_channel(database, name, creator.number, created_s)? {
                    None => Err(Failure::Refused("name_taken")),
                    Some(number) => {
                        store::add_member(database, number, creator.number)?;
                        if *is_private {
                            store::close_channel(database, number)?;
                        }
                        let channel = Channel::new(number, name, creator.number, created_s, 0);
                        Ok(Effect::Channel(Arc::new(channel.private(*is_private))))
                    }
                }
            }
            Write::Join { channel, users, .. } => {
                for user in users {
                    store::add_member(database, channel.number, user.number)?;
                }
                Ok(Effect::Joined)
            }
            Write::Leave { channel, user, .. } => {
                store::remove_member(database, channel.number, user.number)?;
                Ok(Effect::Left)
            }
            Write::Resurrect { channel, ts } => {
                if let Some(faulty) = &mut self.faulty {
                    faulty.resurrect(database, *channel, *ts)?;
                }
                Ok(Effect::Nothing)
            }
            Write::Private { .. } | Write::Hint { .. } | Write::End => Ok(Effect::Nothing),
        })
    }
}

fn is_member(database: &Database, post: &Post) -> database::Result<bool> {
    store::is_member(database, post.channel.number, post.user.number)
}

/// Whether what a post replies to takes replies; the repetition of one that was
/// stored is no new reply.
fn may_be_stored(database: &Database, post: &Post) -> database::Result<bool> {
    let (channel, user) = (post.channel.number, post.user.number);
    Ok(match (post.thread, post.key.as_deref()) {
        (None, _) => true,
        (Some(_), Some(key)) if store::find_message(database, channel, user, key)?.is_some() => true,
        (Some(thread), _) => changes::takes_replies(database, channel, thread)?,
    })
}

/// Stores a post as a correct server does: the unique index decides whether it
/// is new.
fn store_post(database: &Database, post: &Post) -> database::Result<Stored> {
    let ts = post.pushed_ts.unwrap_or_else(|| next_ts(&post.channel));
    if store::add_message(database, &row(post, ts))? {
        return Ok(Stored { ts, repeats: None, push: post.pushed_ts.is_none(), told: Told::Position });
    }
    let key = post.key.as_deref().unwrap_or_default();
    let first = store::find_message(database, post.channel.number, post.user.number, key)?;
    let (ts, text) = first.ok_or(DatabaseError::Missing)?;
    Ok(Stored { ts, repeats: Some(text.into()), push: false, told: Told::Position })
}

/// The row of a post at a position.
pub(super) fn row(post: &Post, ts: u64) -> NewMessage<'_> {
    NewMessage {
        channel: post.channel.number,
        ts,
        user: post.user.number,
        key: post.key.as_deref(),
        text: &post.text,
        thread: post.thread,
    }
}

/// The next position of a channel: now, or just behind the last one.
pub(super) fn next_ts(channel: &Channel) -> u64 {
    let now = now_us();
    let next = |last: u64| now.max(last + 1);
    let given = channel.last_ts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    given.map_or(now, next)
}

/// µs since the epoch.
pub(super) fn now_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
