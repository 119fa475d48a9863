//! Planted defects: real bugs of real servers, switched on by name, so that a
//! checker can be checked. Each instance that is committed is noted, so that
//! counts can be compared exactly.
//!
//! This file counts opportunities and notes instances. The bugs stand beside
//! the part of the server that would have them: `writes` and `keys` beside the
//! writer, `pages` beside history, `fanout` beside the publisher,
//! `subscriptions` beside the sockets, `changes` beside the changes of messages,
//! `webhooks` beside the endpoints of apps. A correct server never enters them.

mod changes;
pub(super) mod fanout;
pub(super) mod keys;
mod names;
pub(super) mod pages;
mod rows;
pub(super) mod subscriptions;
mod webhooks;
pub(super) mod writes;

pub use names::{Defect, DefectError, DefectSpec};

use super::channel::Channel;
use super::directory::User;
use super::ids;
use super::sync::lock;
use super::write::Post;
use rows::{Doomed, Uncommitted};
use serde::Serialize;
use std::fs::File;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use subscriptions::Deaf;

/// Counts opportunities.
#[derive(Debug)]
struct Turn {
    every: u64,
    seen: AtomicU64,
}

impl Turn {
    fn new(every: NonZeroU64) -> Self {
        Self { every: every.get(), seen: AtomicU64::new(0) }
    }

    fn comes(&self) -> bool {
        (self.seen.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(self.every)
    }
}

/// One committed instance of a defect.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Instance {
    /// [`Defect::name`], or `lose-ack`.
    defect: &'static str,
    /// The key of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<Box<str>>,
    /// `C…`
    channel: Box<str>,
    /// `U…`: who was not told, or told wrongly, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Box<str>>,
    /// Position of the message in µs, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_ts")]
    ts: Option<u64>,
    /// Rows that the page could hold, where the instance is about a page: it
    /// tells the reads of a client apart that reads with several sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
}

impl Instance {
    /// An instance that is about a message.
    fn new(defect: &'static str, post: &Post, ts: u64) -> Self {
        let (client_msg_id, channel) = (post.key.clone(), post.channel.id.clone());
        Self { defect, client_msg_id, channel, user: None, ts: Some(ts), limit: None }
    }

    /// Who was told wrongly.
    fn to(self, user: &str) -> Self {
        Self { user: Some(user.into()), ..self }
    }
}

fn as_ts<S: serde::Serializer>(ts_us: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&ids::ts_text(ts_us.unwrap_or_default()))
}

/// The planted defects of one server.
#[derive(Debug, Default)]
pub(super) struct Defects {
    turns: Vec<(Defect, Turn)>,
    lose_ack: Option<Turn>,
    log: Option<Mutex<File>>,
    uncommitted: Uncommitted,
    doomed: Doomed,
    deaf: Deaf,
}

impl Defects {
    pub(super) fn new(specs: &[DefectSpec], lose_ack: Option<NonZeroU64>, log: Option<File>) -> Self {
        let turns = specs.iter().map(|spec| (spec.defect, Turn::new(spec.every))).collect();
        Self { turns, lose_ack: lose_ack.map(Turn::new), log: log.map(Mutex::new), ..Self::default() }
    }

    /// Whether a defect is planted.
    pub(super) fn has(&self, defect: Defect) -> bool {
        self.every(defect).is_some()
    }

    /// Whether anything at all differs from a correct server.
    pub(super) fn any(&self) -> bool {
        !self.turns.is_empty() || self.lose_ack.is_some()
    }

    /// Whether the database must take a key twice.
    pub(super) fn repeat_keys(&self) -> bool {
        [Defect::NoDedup, Defect::DedupInMemory, Defect::DedupRace].into_iter().any(|defect| self.has(defect))
    }

    /// Counts an opportunity, and says whether the defect shows at it.
    pub(super) fn due(&self, defect: Defect) -> bool {
        self.turns.iter().any(|(planted, turn)| *planted == defect && turn.comes())
    }

    /// The same for the answer to a stored message.
    fn lose_ack_due(&self) -> bool {
        self.lose_ack.as_ref().is_some_and(Turn::comes)
    }

    fn every(&self, defect: Defect) -> Option<u64> {
        self.turns.iter().find(|(planted, _)| *planted == defect).map(|(_, turn)| turn.every)
    }

    /// Notes an instance. It is in the file when this returns.
    fn note(&self, instance: &Instance) {
        let Some(log) = &self.log else { return };
        let Ok(mut line) = serde_json::to_vec(instance) else { return };
        line.push(b'\n');
        if let Err(error) = lock(log).write_all(&line) {
            tracing::error!("cannot write the log of defects (--defect-log): {error}");
        }
    }

    /// Whether a reader may read a private channel that it is no member of: the
    /// defect `open-private`.
    pub(super) fn open_private(&self, channel: &Channel, reader: &User) -> bool {
        let opens = !channel.is_open_to(reader.number) && self.due(Defect::OpenPrivate);
        if opens {
            let (defect, user) = (Defect::OpenPrivate.name(), Some(reader.id.clone()));
            let channel = channel.id.clone();
            self.note(&Instance { defect, client_msg_id: None, channel, user, ts: None, limit: None });
        }
        opens
    }

    /// Whether a message from a socket is dropped on its way to the writer,
    /// as from a queue that is full: the defect `drop-socket-sends`.
    pub(super) fn drop_send(&self, post: &Post) -> bool {
        let dropped = self.due(Defect::DropSocketSends);
        if dropped {
            self.note(&Instance { ts: None, ..Instance::new(Defect::DropSocketSends.name(), post, 0) });
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_comes_at_every_nth_opportunity_of_its_own_defect() {
        let spec = |text: &str| text.parse().unwrap();
        let defects = Defects::new(&[spec("drop-live=3"), spec("cursor-skip=2")], NonZeroU64::new(1), None);
        let shows: Vec<bool> = (0..6).map(|_| defects.due(Defect::DropLive)).collect();
        assert_eq!(shows, [false, false, true, false, false, true]);
        assert!(!defects.due(Defect::CursorSkip) && defects.due(Defect::CursorSkip));
        assert!(!defects.due(Defect::NoDedup) && defects.lose_ack_due());
    }
}
