//! How messages are sent, as written.

use super::{PositionWritten, When, with_request};
use crate::target::profile::source::SourcesWritten;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

with_request! {
    /// How a message is sent.
    SendWritten {
        /// The target's id of the message.
        id: Option<SourcesWritten>,
        /// Where it stands.
        position: Option<PositionWritten>,
        /// Where the answer echoes the key.
        key: Option<SourcesWritten>,
        /// What a pending message is called by the frame that says what became of it;
        /// by its key where nothing is said.
        #[serde(rename = "ref")]
        reference: Option<SourcesWritten>,
        /// What answers mean.
        #[serde(default)]
        #[cfg_attr(test, schemars(with = "Vec<AnswerWritten>"))]
        answer: Vec<Spanned<AnswerWritten>>,
        /// How a message in doubt is looked for.
        verify: Option<VerifyWritten>,
        /// Over the socket.
        socket: Option<SocketSendWritten>,
    }
}

/// A message as a frame of the socket.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SocketSendWritten {
    /// The frame.
    pub frame: String,
}

with_request! {
    /// A request that looks for a message.
    VerifyWritten {
        /// What a found one looks like.
        #[serde(default)]
        found: FoundWritten,
        /// Its id.
        id: Option<SourcesWritten>,
        /// Where it stands.
        position: Option<PositionWritten>,
    }
}

/// Conditions on an answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FoundWritten {
    /// What must be equal.
    #[serde(default)]
    pub when: When,
    /// What must be there.
    #[serde(default)]
    pub exists: Vec<String>,
}

/// A status, or several.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum StatusWritten {
    /// One.
    One(u16),
    /// A class of them: "5xx".
    Class(String),
    /// Several.
    Several(Vec<StatusWritten>),
}

/// What an attempt did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum EffectWritten {
    /// It is stored.
    Ok,
    /// It was stored already.
    Duplicate,
    /// It is surely not stored.
    None,
    /// It may be stored.
    Indeterminate,
    /// It was taken on: a frame says what becomes of it.
    Pending,
}

/// Whether it may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RetryWritten {
    /// It would be refused again.
    No,
    /// After the client's own wait.
    Backoff,
    /// After the wait that the answer names.
    After,
}

/// How a wait is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds.
    #[default]
    S,
    /// Milliseconds.
    Ms,
    /// The second of the epoch at which it is over.
    Epoch,
}

/// What answers like this mean.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswerWritten {
    /// Their status.
    pub status: Option<StatusWritten>,
    /// What must be equal.
    #[serde(default)]
    pub when: When,
    /// What must be there.
    #[serde(default)]
    pub exists: Vec<String>,
    /// What must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// What the attempt did.
    pub effect: EffectWritten,
    /// Whether it may be repeated.
    pub retry: Option<RetryWritten>,
    /// Where the wait stands.
    pub after: Option<SourcesWritten>,
    /// How it is written.
    #[serde(default)]
    pub unit: Unit,
    /// The token is to be renewed.
    #[serde(default)]
    pub refresh: bool,
}
