//! Bugs of the writer: acknowledging what is not stored, pushing before
//! storing, saying what is not so, giving wrong positions, losing rows and
//! answers.

use super::super::database::{self, Database};
use super::super::publisher::Notice;
use super::super::store::{self, NewMessage};
use super::super::write::{Answer, Failure, Post, Stored, Told, Write};
use super::super::writer::{next_ts, row};
use super::keys::{Identity, Keys, TakenFor, identity};
use super::rows::Given;
use super::{Defect, Defects, Instance};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Longest text that a cut row holds, in characters: `mangle`.
const CUT_CHARS: usize = 60;
/// A position at which no message is: `orphan-reply`.
const NO_PARENT: u64 = 1;
/// The definite error of `store-rejected`.
const REFUSAL: &str = "msg_too_long";

/// What is said of a message that the store does not have and never will, so
/// that an instance stays one.
#[derive(Debug)]
enum Lie {
    /// It stands at this position.
    Stored(u64),
    /// It fails.
    Fails,
    /// Its key is recorded with this position: its first retry is told so.
    Recorded(u64),
}

/// A writer that has defects.
pub(crate) struct FaultyWriter {
    pub(super) defects: Arc<Defects>,
    publisher: mpsc::Sender<Notice>,
    /// Where writes that were held back go in again.
    pub(super) writes: mpsc::WeakSender<Write>,
    keys: Keys,
    lies: HashMap<Identity, Lie>,
    /// Positions of messages that are held back.
    given: HashMap<Identity, u64>,
    /// The last position of each channel and user.
    last: HashMap<(i64, i64), u64>,
    /// Instances of the open transaction.
    pub(super) open: Vec<Instance>,
    /// Deleted messages that come back, by channel and position.
    pub(super) resting: HashMap<(i64, u64), Instance>,
    /// Rows of the open transaction that were held back.
    open_late: Vec<(i64, u64)>,
}

type Written = database::Result<Result<Stored, Failure>>;

impl FaultyWriter {
    pub(crate) fn new(defects: Arc<Defects>, publisher: mpsc::Sender<Notice>, writes: mpsc::WeakSender<Write>) -> Self {
        Self {
            keys: Keys::new(defects.clone()),
            defects,
            publisher,
            writes,
            lies: HashMap::new(),
            given: HashMap::new(),
            last: HashMap::new(),
            open: Vec::new(),
            resting: HashMap::new(),
            open_late: Vec::new(),
        }
    }

    /// Takes writes out of a batch that are to be committed later than their
    /// position says.
    pub(crate) fn hold_back(&mut self, database: &Database, batch: &mut Vec<Write>) {
        if !self.defects.has(Defect::LateCommit) {
            return;
        }
        let held_back: Vec<Write> = batch.extract_if(.., |write| self.is_held_back(database, write)).collect();
        for (rank, write) in (0..).zip(held_back) {
            let writes = self.writes.clone();
            // Different lengths, so that those who are held back overtake each
            // other too.
            let wait = Duration::from_millis(30 + 40 * ((self.given.len() as u64 + rank) % 4));
            std::thread::spawn(move || {
                std::thread::sleep(wait);
                // A server that has ended takes nothing more.
                writes.upgrade().map(|writes| writes.blocking_send(write))
            });
        }
    }

    fn is_held_back(&mut self, database: &Database, write: &Write) -> bool {
        let Write::Post(post, _) = write else { return false };
        let Some(identity) = identity(post) else { return false };
        let is_new = !self.given.contains_key(&identity) && matches!(first_row(database, post), Ok(None));
        if !is_new || !self.defects.due(Defect::LateCommit) {
            return false;
        }
        let ts = post.pushed_ts.unwrap_or_else(|| next_ts(&post.channel));
        self.defects.uncommitted.add(Given { channel: identity.0, ts, key: identity.2.clone() });
        self.given.insert(identity, ts);
        true
    }

    /// Loses the rows that history has doomed, in the open transaction.
    pub(crate) fn begin_batch(&mut self, database: &Database) -> database::Result<()> {
        for (channel, ts, instance) in self.defects.doomed.take() {
            if store::remove_message(database, channel, ts)? {
                self.open.push(instance);
            }
        }
        Ok(())
    }

    /// Notes the instances of a batch; those of a failed one did not happen.
    pub(crate) fn end_of_batch(&mut self, committed: bool) {
        self.open.drain(..).filter(|_| committed).for_each(|instance| self.defects.note(&instance));
        for (channel, ts) in self.open_late.drain(..) {
            self.defects.uncommitted.remove(channel, ts);
        }
    }

    pub(crate) fn store_post(&mut self, database: &Database, post: &Arc<Post>, answer: &Answer) -> Written {
        let identity = identity(post);
        if let Some(lie) = identity.as_ref().and_then(|identity| self.lies.get_mut(identity)) {
            if let Lie::Recorded(ts) = *lie {
                *lie = Lie::Stored(ts);
                self.open.push(Instance::new(Defect::KeyBeforeInsert.name(), post, ts));
            }
            return Ok(match *lie {
                Lie::Stored(ts) | Lie::Recorded(ts) => Ok(stored(ts, false)),
                Lie::Fails => Err(Failure::Internal),
            });
        }
        let checked = matches!(answer, Answer::Call(_));
        let written = match self.keys.take(post, first_row(database, post)?, checked) {
            TakenFor::New => match self.store_new(database, post, identity)? {
                Ok(stored) => stored,
                failed => return Ok(failed),
            },
            TakenFor::NewAgain(defect) => {
                let ts = next_ts(&post.channel);
                store::add_message(database, &row(post, ts))?;
                self.keys.remember(post, ts);
                self.note_open(defect, post, ts);
                stored(ts, true)
            }
            TakenFor::Another(ts, text) => {
                self.note_open(Defect::DedupTruncatedKey, post, ts);
                repeats(ts, text)
            }
            TakenFor::Repetition(_, text) if self.defects.due(Defect::NewIdOnRetry) => {
                let ts = next_ts(&post.channel);
                self.note_open(Defect::NewIdOnRetry, post, ts);
                repeats(ts, text)
            }
            TakenFor::Repetition(ts, text) => repeats(ts, text),
        };
        let told = if written.repeats.is_none() { self.told(post, written.ts) } else { Told::Position };
        Ok(Ok(Stored { told, push: written.push && post.pushed_ts.is_none(), ..written }))
    }

    fn note_open(&mut self, defect: Defect, post: &Post, ts: u64) {
        self.open.push(Instance::new(defect.name(), post, ts));
    }

    /// What the sender of a message that makes a row is told.
    fn told(&mut self, post: &Post, ts: u64) -> Told {
        if self.defects.due(Defect::StoreRejected) {
            self.note_open(Defect::StoreRejected, post, ts);
            return Told::Refusal(REFUSAL);
        }
        if self.defects.due(Defect::StoreThen500) {
            self.note_open(Defect::StoreThen500, post, ts);
            return Told::Crash;
        }
        if self.defects.lose_ack_due() {
            self.open.push(Instance::new("lose-ack", post, ts));
            return Told::Nothing;
        }
        Told::Position
    }

    fn store_new(&mut self, database: &Database, post: &Arc<Post>, identity: Option<Identity>) -> Written {
        if self.defects.due(Defect::AckBeforePersist) {
            let ts = next_ts(&post.channel);
            self.lies.extend(identity.map(|identity| (identity, Lie::Stored(ts))));
            self.note_open(Defect::AckBeforePersist, post, ts);
            return Ok(Ok(stored(ts, false)));
        }
        if self.defects.has(Defect::FanoutBeforePersist) {
            return self.push_first(database, post, identity);
        }
        if let Some(identity) = &identity
            && self.defects.due(Defect::KeyBeforeInsert)
        {
            self.lies.insert(identity.clone(), Lie::Recorded(next_ts(&post.channel)));
            return Ok(Err(Failure::Internal));
        }
        let given = identity.and_then(|identity| self.given.remove(&identity)).or(post.pushed_ts);
        let ts = self.insert(database, post, given)?;
        self.keys.remember(post, ts);
        // The fan-out goes by position too: a later one that went out first
        // has moved it past this one.
        let passed = given.is_some() && post.channel.last_ts.load(Ordering::Relaxed) > ts;
        Ok(Ok(stored(ts, !passed)))
    }

    /// The store refuses a post. Under `fanout-before-persist` it was pushed
    /// by then.
    pub(crate) fn refuse_post(&mut self, database: &Database, post: &Arc<Post>) -> database::Result<()> {
        let identity = identity(post);
        let known = identity.as_ref().is_some_and(|identity| self.lies.contains_key(identity));
        let pushes = self.defects.has(Defect::FanoutBeforePersist) && post.pushed_ts.is_none();
        if pushes && !known && first_row(database, post)?.is_none() {
            let ts = next_ts(&post.channel);
            // As in `push_first`.
            let _ = self.publisher.blocking_send(Notice::Early(post.clone(), ts));
            self.lies.extend(identity.map(|identity| (identity, Lie::Fails)));
            self.note_open(Defect::FanoutBeforePersist, post, ts);
        }
        Ok(())
    }

    fn push_first(&mut self, database: &Database, post: &Arc<Post>, identity: Option<Identity>) -> Written {
        let ts = next_ts(&post.channel);
        // A publisher that is gone has no sockets left either.
        let _ = self.publisher.blocking_send(Notice::Early(post.clone(), ts));
        if self.defects.due(Defect::FanoutBeforePersist) {
            self.lies.extend(identity.map(|identity| (identity, Lie::Fails)));
            self.note_open(Defect::FanoutBeforePersist, post, ts);
            return Ok(Err(Failure::Internal));
        }
        store::add_message(database, &row(post, ts))?;
        Ok(Ok(stored(ts, false)))
    }

    /// Makes the row of a new message: its position.
    fn insert(&mut self, database: &Database, post: &Post, given: Option<u64>) -> database::Result<u64> {
        let place = (post.channel.number, post.user.number);
        let cut = cut(&post.text).filter(|_| self.defects.due(Defect::Mangle));
        let mut message = NewMessage { text: cut.unwrap_or(&post.text), ..row(post, 0) };
        let orphaned = post.thread.is_some() && self.defects.due(Defect::OrphanReply);
        if orphaned {
            message.thread = Some(NO_PARENT);
        }
        let previous = self.last.get(&place).copied();
        if let Some(previous) = previous.filter(|_| self.defects.due(Defect::LatePosition)) {
            // A clock that lags behind the one which gave the previous one.
            message.ts = previous - 1;
            while !store::add_message(database, &message)? {
                message.ts -= 1;
            }
            self.note_open(Defect::LatePosition, post, message.ts);
        } else {
            message.ts = given.unwrap_or_else(|| next_ts(&post.channel));
            store::add_message(database, &message)?;
        }
        let ts = message.ts;
        self.last.entry(place).and_modify(|last| *last = ts.max(*last)).or_insert(ts);
        self.open_late.extend(given.map(|ts| (post.channel.number, ts)));
        if orphaned {
            self.note_open(Defect::OrphanReply, post, ts);
        }
        if cut.is_some() {
            self.note_open(Defect::Mangle, post, ts);
        }
        Ok(ts)
    }
}

fn stored(ts: u64, push: bool) -> Stored {
    Stored { ts, repeats: None, push, told: Told::Position }
}

fn repeats(ts: u64, text: String) -> Stored {
    Stored { ts, repeats: Some(text.into()), push: false, told: Told::Position }
}

fn first_row(database: &Database, post: &Post) -> database::Result<Option<(u64, String)>> {
    match post.key.as_deref() {
        Some(key) => store::find_message(database, post.channel.number, post.user.number, key),
        None => Ok(None),
    }
}

/// What a column of limited width keeps of a longer text.
fn cut(text: &str) -> Option<&str> {
    text.char_indices().nth(CUT_CHARS).map(|(end, _)| &text[..end])
}
