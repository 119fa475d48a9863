//! How a message ended for its sender.

use serde::{Deserialize, Serialize};

/// The sender's final state of one message. `intended` is the sum of the five.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendState {
    /// An attempt was answered by the target's declared acknowledgement.
    Acknowledged,
    /// Attempted, and every attempt provably had no effect.
    Rejected,
    /// Attempted, never acknowledged, and at least one attempt may have had an
    /// effect. An unknown message is never counted as lost.
    Unknown,
    /// A fire-and-forget write that returned success; nobody acknowledged it.
    Written,
    /// No attempt reached the target, for the generator's own reasons.
    Unattempted,
}
