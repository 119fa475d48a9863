//! What a target promises. A finding that rests on a promise which the target
//! does not make is not checked, and the report says so.

use serde::{Deserialize, Serialize};

/// The promises of a target, from its profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// Retries with one key are one message: `store_duplicates` is class zero.
    pub dedup: bool,
    /// A sender's messages are stored in the order of its acknowledgements:
    /// `sender_order` is class zero.
    pub sender_order: bool,
    /// Pushes of a channel arrive in the order of their positions:
    /// `live_reordered` is class zero.
    pub live_order: bool,
    /// A history read that starts after an acknowledgement shows the message:
    /// `stale_read` is class zero.
    pub read_after_ack: bool,
    /// Membership decides who receives a channel: `leaked` is checked.
    pub explicit_membership: bool,
    /// A sender's own subscription receives the sender's messages too.
    pub own_push: bool,
    /// Messages can be edited, deleted, reacted to and replied to: `edit_lost`,
    /// `delete_resurrected` and `orphan_reply` are checked.
    #[serde(default)]
    pub changes: bool,
    /// Longest time in µs from an acknowledgement until the message is pushed
    /// and visible, as the target declares it.
    pub lag_us: u64,
}
