//! How messages come, as written.

use super::{Captures, PositionWritten, Texts, When};
use crate::target::profile::source::SourcesWritten;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// How messages come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A WebSocket.
    Ws,
    /// Server-sent events.
    Sse,
    /// A line, an event.
    NdJson,
    /// An answer, a frame.
    LongPoll,
    /// History alone.
    None,
}

/// What a frame is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// JSON.
    #[default]
    Json,
    /// Several, a line each.
    JsonLines,
    /// Digits before JSON.
    Prefixed,
    /// Header lines, an empty line, a body.
    HeaderBody,
    /// Text that is no JSON.
    Text,
}

/// For what a connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionPer {
    /// All channels of a user.
    #[default]
    User,
    /// One channel.
    Channel,
}

/// How others hear of messages.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ReceiveWritten {
    /// How they come.
    pub transport: Transport,
    /// What a frame is made of.
    #[serde(default)]
    pub codec: Codec,
    /// Where they come from.
    pub url: Option<String>,
    /// Pairs of the query.
    #[serde(default)]
    pub query: Texts,
    /// Headers of the handshake.
    #[serde(default)]
    pub headers: Texts,
    /// Of a stream or a long poll that is not asked for with GET.
    pub method: Option<String>,
    /// A body of JSON.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>"))]
    pub json: Option<toml::Table>,
    /// A body of form fields.
    pub form: Option<Texts>,
    /// A body as it is.
    pub body: Option<String>,
    /// An HMAC over the rest.
    pub signature: Option<crate::target::profile::request::SignatureWritten>,
    /// `Sec-WebSocket-Protocol`.
    pub protocol: Option<String>,
    /// For what a connection is.
    #[serde(default)]
    pub per: ConnectionPer,
    /// What stands between the ids of `{{channels}}`.
    pub join: Option<String>,
    /// Frames that the client sends first.
    #[serde(default)]
    pub open: Vec<String>,
    /// A frame for each channel.
    pub subscribe: Option<String>,
    /// How long an answer may take.
    pub timeout: Option<String>,
    /// "open" where the handshake, or what boot steps fetched, confirms the
    /// subscription.
    pub ready: Option<ReadyWritten>,
    /// What frames mean.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<RuleWritten>"))]
    pub rule: Vec<Spanned<RuleWritten>>,
    /// Signs of life.
    pub heartbeat: Option<HeartbeatWritten>,
    /// How a lost connection is resumed.
    pub resume: Option<ResumeWritten>,
    /// What close codes mean.
    #[serde(default)]
    pub close: Vec<CloseWritten>,
}

/// What confirms a subscription, beside rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ReadyWritten {
    /// That the connection is open.
    Open,
}

/// What a frame comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    /// A message.
    Deliver,
    /// The channels can be subscribed to.
    Connected,
    /// A channel is confirmed.
    Subscribed,
    /// The subscription stands.
    Ready,
    /// It stands, and what was missed comes by itself.
    Resumed,
    /// The answer to a sent message.
    Reply,
    /// The answer to a heartbeat.
    Pong,
    /// Live messages were dropped.
    Gap,
    /// Connect anew.
    Reconnect,
    /// Give up.
    Fatal,
    /// Nothing.
    #[default]
    Ignore,
}

/// What frames like this mean.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleWritten {
    /// Every element of this is looked at.
    pub each: Option<String>,
    /// What must be equal.
    #[serde(default)]
    pub when: When,
    /// What must be there.
    #[serde(default)]
    pub exists: Vec<String>,
    /// What must not be there.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Nothing, or an empty object.
    #[serde(default)]
    pub empty: bool,
    /// What a prefixed frame begins with.
    pub prefix: Option<String>,
    /// What it comes to.
    #[serde(default, rename = "do")]
    pub deed: Do,
    /// Later rules are looked at too.
    #[serde(default, rename = "continue")]
    pub goes_on: bool,
    /// The text of a message.
    pub text: Option<SourcesWritten>,
    /// Its channel.
    pub channel: Option<SourcesWritten>,
    /// Where it stands.
    pub position: Option<PositionWritten>,
    /// Its key.
    pub key: Option<SourcesWritten>,
    /// Of a reply: which message it answers.
    #[serde(rename = "ref")]
    pub reference: Option<SourcesWritten>,
    /// What is kept.
    #[serde(default)]
    pub capture: Captures,
    /// What is answered.
    pub send: Option<String>,
    /// How long after.
    pub send_after: Option<String>,
    /// How often.
    pub send_share: Option<f64>,
    /// Of a reconnect: whether the connection is resumed.
    #[serde(default)]
    pub resume: bool,
    /// Of a reconnect: how long the client waits.
    pub delay: Option<String>,
}

/// Signs of life.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct HeartbeatWritten {
    /// The frame.
    pub frame: Option<String>,
    /// A ping of the WebSocket.
    #[serde(default)]
    pub control: bool,
    /// How often: "25s", or a captured variable in ms.
    pub every: Option<String>,
    /// Only where nothing else came.
    #[serde(default)]
    pub only_idle: bool,
}

/// How a lost connection is resumed.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ResumeWritten {
    /// What must have been captured.
    #[serde(default)]
    pub needs: Vec<String>,
    /// In place of that of `receive`.
    pub url: Option<String>,
    /// In place of that of `receive`.
    pub query: Option<Texts>,
    /// In place of those of `receive`.
    pub headers: Option<Texts>,
    /// In place of that of `receive`.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>"))]
    pub json: Option<toml::Table>,
    /// In place of that of `receive`.
    pub form: Option<Texts>,
    /// In place of that of `receive`.
    pub body: Option<String>,
    /// In place of those of `receive`.
    pub open: Option<Vec<String>>,
}

/// What a close code means.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CloseWritten {
    /// The codes.
    pub code: Vec<u16>,
    /// What they come to: fatal or reconnect.
    #[serde(rename = "do")]
    pub deed: Do,
    /// Whether the connection is resumed.
    #[serde(default)]
    pub resume: bool,
}
