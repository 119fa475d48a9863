//! The sender's view of one message.

use crate::model::{MessageRef, Position, SendState, UserId};
use serde::{Deserialize, Serialize};

/// One intended message and how it ended for its sender. Times are µs since
/// the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SendRow {
    /// Which message.
    pub message: MessageRef,
    /// Who sends it.
    pub user: UserId,
    /// When the schedule asked for it.
    pub intended_us: u64,
    /// When the first byte of its first attempt was written.
    pub first_byte_us: Option<u64>,
    /// When an attempt was acknowledged.
    pub acknowledged_us: Option<u64>,
    /// When its last attempt so far ended, however it ended.
    pub last_attempt_us: Option<u64>,
    /// Tries so far; each after the first is a retry.
    pub attempts: u32,
    /// Tries that may have had an effect and were not acknowledged.
    pub indeterminate: u32,
    /// The state: [`SendState::Unattempted`] until the first try ends.
    pub state: SendState,
    /// The acknowledged server id.
    pub server_id: Option<Box<str>>,
    /// Where the acknowledged id stands in the channel, where the target's ids
    /// say so.
    pub position: Option<Position>,
}

impl SendRow {
    /// A message that is intended and not yet attempted.
    pub fn intended(message: MessageRef, user: UserId, intended_us: u64) -> Self {
        Self {
            message,
            user,
            intended_us,
            first_byte_us: None,
            acknowledged_us: None,
            last_attempt_us: None,
            attempts: 0,
            indeterminate: 0,
            state: SendState::Unattempted,
            server_id: None,
            position: None,
        }
    }
}
