//! Bugs of deduplication: keys forgotten, checked too early, or compared too
//! little.

use super::super::shared::Shared;
use super::super::store;
use super::super::write::{Failure, Post, Stored, Told};
use super::{Defect, Defects};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

/// Channel, user and key of a message.
pub(super) type Identity = (i64, i64, Box<str>);

/// From the look at the keys to the insert: `dedup-race`.
const WINDOW: Duration = Duration::from_millis(5);

/// The identity of a post that has a key.
pub(super) fn identity(post: &Post) -> Option<Identity> {
    post.key.clone().map(|key| (post.channel.number, post.user.number, key))
}

/// What a server takes a post for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TakenFor {
    /// A new message, and it is one.
    New,
    /// A new message, although its key is stored, because of a defect.
    NewAgain(Defect),
    /// A repetition of the message at this position with this text.
    Repetition(u64, String),
    /// The same, and it is none: another key is taken for its own.
    Another(u64, String),
}

/// The last message of a sender in a channel.
#[derive(Debug)]
struct Recent {
    key: Box<str>,
    ts: u64,
    text: Box<str>,
}

/// What the server remembers of keys besides the rows themselves.
#[derive(Debug)]
pub(super) struct Keys {
    defects: Arc<Defects>,
    /// `dedup-in-memory`: all that it knows.
    known: HashSet<Identity>,
    /// `dedup-truncated-key`: a cache before the store, by channel and user.
    recent: HashMap<(i64, i64), Recent>,
}

impl Keys {
    pub(super) fn new(defects: Arc<Defects>) -> Self {
        Self { defects, known: HashSet::new(), recent: HashMap::new() }
    }

    /// Takes a post for new or not. `first` is the row that the store has of
    /// its key; `checked` says that somebody has looked at the keys before.
    pub(super) fn take(&mut self, post: &Post, first: Option<(u64, String)>, checked: bool) -> TakenFor {
        let Some(identity) = identity(post) else { return TakenFor::New };
        let Some((ts, text)) = first else {
            return match self.mistaken(&identity) {
                Some(other) => TakenFor::Another(other.ts, other.text.to_string()),
                None => TakenFor::New,
            };
        };
        if self.defects.has(Defect::DedupRace) && checked {
            return TakenFor::NewAgain(Defect::DedupRace);
        }
        if self.defects.has(Defect::DedupInMemory) && self.has_forgotten(&identity) {
            return TakenFor::NewAgain(Defect::DedupInMemory);
        }
        if self.defects.due(Defect::NoDedup) {
            return TakenFor::NewAgain(Defect::NoDedup);
        }
        TakenFor::Repetition(ts, text)
    }

    /// A row was made.
    pub(super) fn remember(&mut self, post: &Post, ts: u64) {
        let Some(identity) = identity(post) else { return };
        if self.defects.has(Defect::DedupTruncatedKey) {
            let recent = Recent { key: identity.2.clone(), ts, text: post.text.clone() };
            self.recent.insert((identity.0, identity.1), recent);
        }
        if self.defects.has(Defect::DedupInMemory) {
            self.known.insert(identity);
        }
    }

    fn has_forgotten(&mut self, identity: &Identity) -> bool {
        // As when the process that holds the memory is replaced.
        if self.defects.due(Defect::DedupInMemory) {
            self.known.clear();
        }
        !self.known.contains(identity)
    }

    /// The sender's last message, if as much of its key as is compared equals
    /// that of another.
    fn mistaken(&self, (channel, user, key): &Identity) -> Option<&Recent> {
        let distinguished = self.defects.every(Defect::DedupTruncatedKey)?;
        let recent = self.recent.get(&(*channel, *user))?;
        (recent.key != *key && compared(&recent.key, distinguished) == compared(key, distinguished)).then_some(recent)
    }
}

/// What is left of a key: one of so many values.
fn compared(key: &str, distinguished: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish() % distinguished
}

/// Looks for a key before the writer is asked to store it, and takes its time
/// until then: `dedup-race`. Nobody looks again.
pub(crate) async fn look_up(server: &Shared, post: &Arc<Post>) -> Result<Option<Stored>, Failure> {
    let wanted = post.clone();
    let find = move |database: &_| match wanted.key.as_deref() {
        Some(key) => store::find_message(database, wanted.channel.number, wanted.user.number, key),
        None => Ok(None),
    };
    if let Some((ts, text)) = server.readers.read(find).await? {
        return Ok(Some(Stored { ts, repeats: Some(text.into()), push: false, told: Told::Position }));
    }
    if server.defects.due(Defect::DedupRace) {
        tokio::time::sleep(WINDOW).await;
    }
    Ok(None)
}
