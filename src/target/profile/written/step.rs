//! Steps, as written.

use super::{Captures, StatusWritten, Texts, When, with_request};
use crate::target::profile::source::SourcesWritten;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Deserialize;

/// For whom a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Per {
    /// Once.
    Run,
    /// For each user.
    User,
    /// For each channel, as its first member.
    Channel,
    /// For each further member of each channel.
    Membership,
}

/// Of which channels a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// Of private ones.
    Private,
    /// Of all others.
    Public,
}

with_request! {
    /// A step.
    StepWritten {
        /// For progress and errors.
        name: Option<String>,
        /// For whom it is made.
        per: Option<Per>,
        /// For which channels.
        only: Option<Only>,
        /// Statuses that mean done; any 2xx where nothing is said.
        #[serde(default)]
        expect: Vec<u16>,
        /// What a done one must say: what must be equal.
        #[serde(default)]
        when: When,
        /// What must be there.
        #[serde(default)]
        exists: Vec<String>,
        /// Further answers that mean done.
        #[serde(default)]
        also: Vec<AlsoWritten>,
        /// What is kept of the answer.
        #[serde(default)]
        capture: Captures,
        /// What is made of what is known, afterwards: templates.
        #[serde(default)]
        set: Texts,
        /// A token's lifetime in seconds.
        expires: Option<SourcesWritten>,
    }
}

/// A further answer that means done.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AlsoWritten {
    /// Its status.
    pub status: StatusWritten,
    /// What it says.
    #[serde(default)]
    pub when: When,
}
