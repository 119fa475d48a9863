//! The lines of what was done to messages after they were sent.

use super::lines::{Reference, from_us};
use super::reader::Names;
use super::sends::time;
use crate::ledger::{ChangeRow, Reaction, ThreadRead};
use crate::model::{MessageRef, SendState};
use crate::plan::ChangeKind;
use serde::{Deserialize, Serialize};

/// An edit, a deletion, a reaction or a reply, and how it ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeLine {
    /// When it was intended.
    pub t: f64,
    /// The key of the message.
    pub key: String,
    /// Its rank among the changes of the message, from 1.
    pub ordinal: u32,
    pub kind: ChangeKind,
    pub user: String,
    pub state: SendState,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub indeterminate: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempt: Option<f64>,
    /// The server's id of a reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A whole thread, read after everything had settled.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThreadLine {
    pub t: f64,
    /// The key of the message at its top.
    pub key: String,
    /// The server's ids of its replies.
    #[serde(default)]
    pub replies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A reaction that a final read shows: the key of its message, and the ordinal
/// of the change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReactionLine {
    pub key: String,
    pub ordinal: u32,
}

impl ChangeLine {
    /// The line of a row; `None` for a change of a message that nobody intended.
    pub(super) fn of(row: &ChangeRow, reference: Reference) -> Option<Self> {
        Some(Self {
            t: from_us(row.intended_us),
            key: reference.key?,
            ordinal: row.ordinal,
            kind: row.kind,
            user: row.user.to_string(),
            state: row.state,
            attempts: row.attempts,
            indeterminate: row.indeterminate,
            first_byte: row.first_byte_us.map(from_us),
            acknowledged: row.acknowledged_us.map(from_us),
            last_attempt: row.last_attempt_us.map(from_us),
            id: row.server_id.as_deref().map(str::to_owned),
        })
    }

    pub(super) fn row(self, names: &mut Names, origin: f64) -> Result<ChangeRow, String> {
        let at = |t: Option<f64>| t.map(|t| time(t, origin)).transpose();
        if self.ordinal == 0 {
            return Err("the ordinals of changes begin with 1".to_owned());
        }
        Ok(ChangeRow {
            message: intended(names, &self.key)?,
            ordinal: self.ordinal,
            kind: self.kind,
            user: names.user_id(&self.user)?,
            intended_us: time(self.t, origin)?,
            first_byte_us: at(self.first_byte)?,
            acknowledged_us: at(self.acknowledged)?,
            last_attempt_us: at(self.last_attempt)?,
            attempts: self.attempts,
            indeterminate: self.indeterminate,
            state: self.state,
            server_id: self.id.map(Into::into),
        })
    }
}

impl ThreadLine {
    /// The line of a read; `None` for the thread of a message that nobody
    /// intended.
    pub(super) fn of(read: &ThreadRead, reference: Reference) -> Option<Self> {
        let replies = read.replies.iter().map(|id| id.to_string()).collect();
        Some(Self { t: from_us(read.written_us), key: reference.key?, replies, failure: read.failure.clone() })
    }

    pub(super) fn read(self, names: &Names, origin: f64) -> Result<ThreadRead, String> {
        let (parent, written_us) = (intended(names, &self.key)?, time(self.t, origin)?);
        Ok(ThreadRead {
            parent,
            written_us,
            replies: self.replies.into_iter().map(Into::into).collect(),
            failure: self.failure,
        })
    }
}

impl ReactionLine {
    /// The line of a reaction; `None` to a message that nobody intended.
    pub(super) fn of(reaction: &Reaction, reference: Reference) -> Option<Self> {
        Some(Self { key: reference.key?, ordinal: reaction.ordinal })
    }

    pub(super) fn reaction(self, names: &Names) -> Result<Reaction, String> {
        Ok(Reaction { message: intended(names, &self.key)?, ordinal: self.ordinal })
    }
}

fn intended(names: &Names, key: &str) -> Result<MessageRef, String> {
    names.messages.get(key).copied().ok_or_else(|| format!("no intended line has the key {key:?}"))
}
