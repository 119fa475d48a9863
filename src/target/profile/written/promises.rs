//! What a target promises, as written.

use crate::model::KeyFormat;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;

/// What the target promises.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CapabilitiesWritten {
    /// One key, one message.
    pub dedup: bool,
    /// Stored in the order of the acknowledgements.
    pub sender_order: bool,
    /// Pushed in the order of the positions.
    pub live_order: bool,
    /// A read that begins after the acknowledgement shows the message.
    pub read_after_ack: bool,
    /// Only members receive a channel.
    pub explicit_membership: bool,
    /// The sender's own connection receives the message.
    pub own_push: bool,
    /// Edits, deletions, reactions, replies.
    #[serde(default)]
    pub changes: bool,
    /// Longest time from acknowledgement to push and visibility.
    pub lag: String,
    /// What positions are good for.
    #[serde(default)]
    pub positions: crate::plan::Positions,
    /// How many messages of a channel history keeps.
    pub depth: Option<u64>,
    /// Something confirms a subscription.
    pub confirmed_subscription: Option<bool>,
    /// Whether the native wire has a history; others have one where `[history]`
    /// stands.
    pub history: Option<bool>,
}

/// The idempotency key, as the server treats it.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyWritten {
    /// Its shape.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "String"))]
    pub format: KeyFormat,
    /// How long it is remembered.
    pub window: Option<String>,
    /// Within what a key is one message.
    pub scope: Option<KeyScope>,
    /// Who is shown it.
    #[serde(default)]
    pub echo: Vec<KeyEcho>,
}

/// Within what a key is one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KeyScope {
    /// A channel.
    Channel,
    /// What one user sends.
    User,
    /// The whole server.
    Server,
}

/// Who is shown a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum KeyEcho {
    /// Who sent it, in the answer.
    Sender,
    /// Who hears of it.
    Event,
    /// Who reads history.
    History,
}
