//! What a target promises. A finding that rests on a promise which the target
//! does not make is not checked, and the report says so.

use serde::{Deserialize, Serialize};

/// What the positions of a target are good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// Each message of a channel has its own.
    #[default]
    Unique,
    /// Two may have the same one.
    Coarse,
    /// There are none: history has an order, and nothing else tells it.
    None,
}

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
    /// What its positions are good for: `stale_read` needs unique ones.
    #[serde(default)]
    pub positions: Positions,
    /// There is a history; without one, what is acknowledged counts as stored,
    /// and `lost` and `unhealed` are not checked.
    #[serde(default = "yes")]
    pub history: bool,
    /// How many messages of a channel history keeps, where it forgets.
    #[serde(default)]
    pub depth: Option<u64>,
    /// Something confirms a subscription; without that, it counts as standing a
    /// while later.
    #[serde(default = "yes")]
    pub confirmed_subscription: bool,
    /// Longest time in µs from an acknowledgement until the message is pushed
    /// and visible, as the target declares it.
    pub lag_us: u64,
}

impl Capabilities {
    /// Everything is promised.
    pub const ALL: Capabilities = Capabilities {
        dedup: true,
        sender_order: true,
        live_order: true,
        read_after_ack: true,
        explicit_membership: true,
        own_push: true,
        changes: true,
        positions: Positions::Unique,
        history: true,
        depth: None,
        confirmed_subscription: true,
        lag_us: 0,
    };
}

/// What a profile of before a promise had a name made.
fn yes() -> bool {
    true
}
