//! One message of the truth: its sender's row and the copies that history
//! holds.

use crate::ledger::SendRow;
use crate::model::{Position, SendState};

/// One message.
#[derive(Default)]
pub(in crate::judge) struct Message<'a> {
    /// The sender's row.
    pub(in crate::judge) send: Option<&'a SendRow>,
    /// The rows under which it stands in history, one for each server id.
    pub(in crate::judge) copies: Vec<StoredCopy<'a>>,
    /// Its rank among the stored messages of its channel.
    pub(in crate::judge) rank: u32,
    /// How many subscribers have it live.
    pub(in crate::judge) pushes: u32,
    /// Whether a subscriber read it from history.
    pub(in crate::judge) in_pages: bool,
    /// End of the first final read that showed it.
    pub(in crate::judge) shown_us: Option<u64>,
    /// Whether a deletion of it was made, or may have been.
    pub(in crate::judge) erased: bool,
    /// Asked for by its id after its acknowledgement, and not found.
    pub(in crate::judge) not_found: bool,
}

/// A row of the history that is a copy of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::judge) struct StoredCopy<'a> {
    /// The target's id of the row.
    pub(in crate::judge) server_id: &'a str,
    /// Where it stands.
    pub(in crate::judge) position: Position,
}

impl<'a> Message<'a> {
    /// How it ended for its sender; `None` for an index that nobody intended.
    /// An attempt that was under way when the ledger was taken is unknown: its
    /// first byte was written, and no answer is known.
    pub(in crate::judge) fn state(&self) -> Option<SendState> {
        let send = self.send?;
        let under_way = send.state == SendState::Unattempted && send.first_byte_us.is_some();
        Some(if under_way { SendState::Unknown } else { send.state })
    }

    /// Whether it ended so for its sender.
    pub(in crate::judge) fn is(&self, state: SendState) -> bool {
        self.state() == Some(state)
    }

    /// Whether any attempt was made.
    pub(in crate::judge) fn was_tried(&self) -> bool {
        self.send.is_some_and(|send| send.state != SendState::Unattempted || send.first_byte_us.is_some())
    }

    /// Whether it is in P.
    pub(in crate::judge) fn is_stored(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Whether it was acknowledged no earlier than at this time: a read that
    /// began then need not show it.
    pub(in crate::judge) fn may_land_after(&self, began_us: u64) -> bool {
        self.is(SendState::Acknowledged)
            && self.send.and_then(|send| send.acknowledged_us).is_some_and(|at_us| at_us >= began_us)
    }

    /// Where its first copy stands.
    pub(in crate::judge) fn position(&self) -> Option<Position> {
        self.copies.iter().map(|copy| copy.position).min()
    }

    /// Whether a row with this id is a copy of it.
    pub(in crate::judge) fn has_copy(&self, server_id: &str) -> bool {
        self.copies.iter().any(|copy| copy.server_id == server_id)
    }

    /// The instant that orders it among examples: its acknowledgement, else
    /// the end of its last attempt, else its intended time.
    pub(in crate::judge) fn at_us(&self) -> u64 {
        let of_row = |send: &SendRow| send.acknowledged_us.or(send.last_attempt_us).unwrap_or(send.intended_us);
        self.send.map_or(0, of_row)
    }
}
