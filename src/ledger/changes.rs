//! What was done to messages after they were sent, and what the target shows of
//! it in the end. Facts only.

use crate::model::{MessageRef, SendState, UserId};
use crate::plan::ChangeKind;
use serde::{Deserialize, Serialize};

/// One change that was intended, and how it ended for who made it. Times are µs
/// since the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRow {
    /// The message that is changed.
    pub message: MessageRef,
    /// The rank of the change among those of its message, from 1.
    pub ordinal: u32,
    /// What is done.
    pub kind: ChangeKind,
    /// Who does it: the sender of the message.
    pub user: UserId,
    /// When the schedule asked for it.
    pub intended_us: u64,
    /// When the first byte of its first attempt was written.
    pub first_byte_us: Option<u64>,
    /// When an attempt was acknowledged.
    pub acknowledged_us: Option<u64>,
    /// When its last attempt so far ended, however it ended.
    pub last_attempt_us: Option<u64>,
    /// Tries so far.
    pub attempts: u32,
    /// Tries that may have had an effect and were not acknowledged.
    pub indeterminate: u32,
    /// The state, as of a send. [`SendState::Unattempted`] also where the
    /// message itself was not acknowledged: nobody can change it then.
    pub state: SendState,
    /// The acknowledged server id of a reply.
    pub server_id: Option<Box<str>>,
}

impl ChangeRow {
    /// Whether it was acknowledged.
    pub fn is_acknowledged(&self) -> bool {
        self.state == SendState::Acknowledged
    }

    /// Whether it was made, or may have been. An attempt that was under way
    /// when the ledger was taken may have been.
    pub fn may_have_happened(&self) -> bool {
        let under_way = self.state == SendState::Unattempted && self.first_byte_us.is_some();
        under_way || matches!(self.state, SendState::Acknowledged | SendState::Unknown | SendState::Written)
    }
}

/// A reaction that a final read shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Reaction {
    /// The message.
    pub message: MessageRef,
    /// The ordinal of the change that its name tells.
    pub ordinal: u32,
}

/// A read of one thread, after the final reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadRead {
    /// The message at its top.
    pub parent: MessageRef,
    /// When the request was written, in µs since the start of the run.
    pub written_us: u64,
    /// The server ids of its replies; empty where there is no such thread.
    pub replies: Vec<Box<str>>,
    /// `None` if it reached the end of the thread, else why not.
    pub failure: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelId;

    #[test]
    fn what_may_have_happened() {
        use SendState::{Acknowledged, Rejected, Unattempted, Unknown, Written};
        for (state, first_byte_us, acknowledged, may_have_happened, reason) in [
            (Acknowledged, Some(1), true, true, "it was"),
            (Unknown, Some(1), false, true, "nobody knows"),
            (Written, Some(1), false, true, "nobody said"),
            (Rejected, Some(1), false, false, "every attempt had no effect"),
            (Rejected, None, false, false, "nor without a byte"),
            (Unattempted, Some(1), false, true, "it was under way when the ledger was taken"),
            (Unattempted, None, false, false, "it never left"),
        ] {
            let row = ChangeRow {
                message: MessageRef { channel: ChannelId(0), index: 0 },
                ordinal: 1,
                kind: ChangeKind::Edit,
                user: UserId(0),
                intended_us: 0,
                first_byte_us,
                acknowledged_us: None,
                last_attempt_us: None,
                attempts: 1,
                indeterminate: 0,
                state,
                server_id: None,
            };
            assert_eq!((row.is_acknowledged(), row.may_have_happened()), (acknowledged, may_have_happened), "{reason}");
        }
    }
}
