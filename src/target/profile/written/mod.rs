//! A target profile as it is written: the shape of the TOML, and of the JSON
//! Schema that editors are given. What the keys mean is in
//! `profiles/targets/README.md`.

mod history;
mod promises;
mod receive;
mod send;
mod step;

pub use history::{By, HistoryWritten, Order, PageFormat, RowWritten, Until};
pub use promises::{CapabilitiesWritten, KeyEcho, KeyScope, KeyWritten};
pub use receive::{Codec, ConnectionPer, Do, HeartbeatWritten, ReceiveWritten, ResumeWritten, RuleWritten, Transport};
pub use send::{AnswerWritten, EffectWritten, RetryWritten, SendWritten, StatusWritten, Unit, VerifyWritten};
pub use step::{Only, Per, StepWritten};

use super::source::{SourcesWritten, WantedWritten};
use super::value::PositionFormat;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// Texts by their names.
pub type Texts = BTreeMap<String, String>;
/// Sources by the variables that they give a value.
pub type Captures = BTreeMap<String, SourcesWritten>;
/// Wanted values by their sources.
pub type When = BTreeMap<String, WantedWritten>;

/// Declares a table of which a request is a part: serde's `flatten` would let
/// unknown keys pass.
macro_rules! with_request {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[cfg_attr(test, derive(JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $kind,)*
            /// "METHOD /path".
            pub request: Option<String>,
            /// Pairs of the query.
            #[serde(default)]
            pub query: $crate::target::profile::written::Texts,
            /// Headers.
            #[serde(default)]
            pub headers: $crate::target::profile::written::Texts,
            /// A body of JSON; its texts are templates.
            #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, serde_json::Value>>"))]
            pub json: Option<toml::Table>,
            /// A body of form fields.
            pub form: Option<$crate::target::profile::written::Texts>,
            /// A body as it is.
            pub body: Option<String>,
            /// An HMAC over the rest.
            pub signature: Option<$crate::target::profile::request::SignatureWritten>,
        }

        impl $name {
            /// The request of it.
            pub fn request(&self) -> $crate::target::profile::request::RequestWritten {
                $crate::target::profile::request::RequestWritten {
                    request: self.request.clone(),
                    query: self.query.clone(),
                    headers: self.headers.clone(),
                    json: self.json.clone(),
                    form: self.form.clone(),
                    body: self.body.clone(),
                    signature: self.signature.clone(),
                }
            }
        }
    };
}

use with_request;

/// A whole profile.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, schemars(title = "posthaste target profile"))]
pub struct Written {
    /// Its name.
    pub name: String,
    /// One line for a list of profiles.
    #[serde(default)]
    pub description: String,
    /// The server and version that it was written for.
    #[serde(default)]
    pub server: String,
    /// The server and version on which it was tried.
    pub tried: Option<String>,
    /// "slack" for the native wire; left out where the profile describes one.
    pub wire: Option<WireWritten>,
    /// Of the native wire: answers that prove that nothing happened.
    pub refusals: Option<RefusalsWritten>,
    /// What the user may give, or must.
    #[serde(default)]
    pub variables: BTreeMap<String, VariableWritten>,
    /// Users from a file.
    #[serde(default)]
    pub users: UsersWritten,
    /// How users, channels and memberships come to be.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<StepWritten>"))]
    pub setup: Vec<Spanned<StepWritten>>,
    /// How a user comes to a token.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<StepWritten>"))]
    pub login: Vec<Spanned<StepWritten>>,
    /// What a client fetches at every connect.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<StepWritten>"))]
    pub boot: Vec<Spanned<StepWritten>>,
    /// How a user joins a channel.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<StepWritten>"))]
    pub join: Vec<Spanned<StepWritten>>,
    /// How a user leaves a channel.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<StepWritten>"))]
    pub leave: Vec<Spanned<StepWritten>>,
    /// What removes it all again.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<StepWritten>"))]
    pub cleanup: Vec<Spanned<StepWritten>>,
    /// Is the target there?
    #[cfg_attr(test, schemars(with = "Option<StepWritten>"))]
    pub greet: Option<Spanned<StepWritten>>,
    /// How a message is sent.
    #[cfg_attr(test, schemars(with = "Option<SendWritten>"))]
    pub send: Option<Spanned<SendWritten>>,
    /// How others hear of it.
    #[cfg_attr(test, schemars(with = "Option<ReceiveWritten>"))]
    pub receive: Option<Spanned<ReceiveWritten>>,
    /// The truth.
    #[cfg_attr(test, schemars(with = "Option<HistoryWritten>"))]
    pub history: Option<Spanned<HistoryWritten>>,
    /// What the target promises.
    pub capabilities: CapabilitiesWritten,
    /// The idempotency key.
    #[serde(default)]
    pub key: KeyWritten,
}

/// The wires that posthaste speaks by itself.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WireWritten {
    /// Slack's, with everything that the reference server has.
    Slack,
}

/// Answers of the native wire that prove that nothing happened.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RefusalsWritten {
    /// HTTP statuses.
    #[serde(default)]
    pub statuses: Vec<u16>,
    /// Values of `error`.
    #[serde(default)]
    pub errors: Vec<String>,
}

/// A variable that the user may give.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum VariableWritten {
    /// With a default.
    Default(String),
    /// A secret, or one that must be given.
    From(VariableFrom),
}

/// Where a variable comes from; from --var where nothing is said.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct VariableFrom {
    /// An environment variable.
    pub env: Option<String>,
    /// A file.
    pub file: Option<String>,
    /// For the error where it is missing.
    pub help: Option<String>,
}

/// Users from a file.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct UsersWritten {
    /// The columns that --users-from must have: `user.COLUMN`.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Where a position stands, and how it is written.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(untagged)]
pub enum PositionWritten {
    /// With a format.
    Formatted(FormattedWritten),
    /// A number.
    At(SourcesWritten),
}

/// A position with a format.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FormattedWritten {
    /// Where.
    pub at: SourcesWritten,
    /// How.
    #[serde(default)]
    pub format: PositionFormat,
}
