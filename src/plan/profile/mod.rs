//! A workload profile as written → [`RunPlan`].
//!
//! The text becomes a tree of values that know where they stand; overrides
//! replace some of them; each section reads its keys with their ranges and
//! defaults; checks that span several keys come last. Every error says where,
//! and every value of the plan where it came from.

mod arrival;
mod built_in;
mod changes;
mod check;
mod effective;
mod error;
mod faults;
mod keys;
mod overrides;
mod receive;
mod sections;
mod tree;
mod units;

pub use built_in::{BuiltIn, built_in, built_ins, find_built_in};
pub use effective::{load_effective, to_toml};
pub use error::{ProfileError, ProfilePlace};
pub use overrides::Override;
pub use units::parse_duration;

use super::{Capabilities, RunPlan};
use error::Source;
use keys::Reading;
use std::collections::BTreeMap;
use std::fmt;
use tree::Node;

/// A plan, and where each of its values came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The plan.
    pub plan: RunPlan,
    /// One line about the workload; may be empty.
    pub description: String,
    /// The origin of every value under its key: `arrival.phases.0.rate`.
    pub origins: BTreeMap<String, Origin>,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The profile.
    Profile,
    /// A flag, under its name.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Origin::Default => "default",
            Origin::Profile => "profile",
            Origin::Flag(flag) => flag,
        })
    }
}

/// Reads a workload profile and resolves it for a target.
///
/// `file` names the text in errors, and the workload where the profile has no
/// `name`. Overrides replace values in their order. An override of
/// `arrival.rate` or `arrival.duration` on a profile with phases scales the
/// phases: the highest rate of a steady phase (of any phase, where none is
/// steady) becomes the rate, and all that is not warm-up together lasts the
/// duration. A `[resolved]` table, as [`to_toml`] writes it, is ignored.
pub fn load(
    text: &str,
    file: &str,
    overrides: &[Override],
    capabilities: Capabilities,
    target: &str,
) -> Result<Resolved, ProfileError> {
    let source = Source { file, text, overrides };
    let root = Node::read(&source)?;
    let reading = Reading::new(source, &root);
    let (plan, description) = sections::read(&reading, capabilities, target)?;
    let plan = check::check(&reading, plan)?;
    Ok(Resolved { plan, description, origins: reading.into_origins() })
}

#[cfg(test)]
mod tests;
