//! A target profile: what a server promises and which answers prove that
//! nothing happened.

use crate::model::KeyFormat;
use crate::plan::Capabilities;
use serde::Deserialize;

/// The built-in target profiles: name and text.
pub fn built_in_targets() -> &'static [(&'static str, &'static str)] {
    &[("reference", include_str!("../../profiles/targets/reference.toml"))]
}

/// A target profile, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetProfile {
    /// Its name.
    pub name: String,
    /// One line for a list of profiles.
    pub description: String,
    /// What the target promises.
    pub capabilities: Capabilities,
    /// HTTP statuses that prove that nothing happened.
    pub refused_statuses: Vec<u16>,
    /// Values of `error` in an answer that prove that nothing happened.
    pub refused_errors: Vec<String>,
    /// How the target is told the key of a message.
    pub key_format: KeyFormat,
}

/// A profile that cannot be used: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TargetError(String);

impl TargetProfile {
    /// Reads a profile; `name` stands in errors. Unknown keys are errors.
    pub fn parse(text: &str, name: &str) -> Result<Self, TargetError> {
        let written: Written =
            toml::from_str(text).map_err(|error| TargetError(format!("{name}:{}", locate(text, &error))))?;
        let lag_us = lag_us(&written.capabilities.lag).ok_or_else(|| {
            TargetError(format!(
                "{name}: capabilities.lag: {:?} is no duration; write \"500ms\" or \"2s\"",
                written.capabilities.lag
            ))
        })?;
        let promised = written.capabilities;
        Ok(Self {
            name: written.name,
            description: written.description,
            capabilities: Capabilities {
                dedup: promised.dedup,
                sender_order: promised.sender_order,
                live_order: promised.live_order,
                read_after_ack: promised.read_after_ack,
                explicit_membership: promised.explicit_membership,
                own_push: promised.own_push,
                changes: promised.changes,
                lag_us,
            },
            refused_statuses: written.refusals.statuses,
            refused_errors: written.refusals.errors,
            key_format: written.key.format,
        })
    }
}

/// The profile as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(rename = "wire")]
    _wire: Wire,
    refusals: Refusals,
    #[serde(default)]
    key: Key,
    capabilities: Promised,
}

/// The wire formats that posthaste speaks.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wire {
    Slack,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusals {
    #[serde(default)]
    statuses: Vec<u16>,
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    format: KeyFormat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Promised {
    dedup: bool,
    sender_order: bool,
    live_order: bool,
    read_after_ack: bool,
    explicit_membership: bool,
    own_push: bool,
    #[serde(default)]
    changes: bool,
    lag: String,
}

/// `line:column: message` of an error.
fn locate(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = at - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
    format!("{line}:{column}: {}", error.message())
}

fn lag_us(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        _ => return None,
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_profiles_are_valid() {
        for (name, text) in built_in_targets() {
            let profile = TargetProfile::parse(text, name).unwrap();
            assert_eq!(profile.name, *name);
            assert!(!profile.description.is_empty());
        }
    }

    #[test]
    fn a_target_may_want_its_keys_in_another_format() {
        let (_, good) = built_in_targets()[0];
        for (written, format) in [
            ("uuid8", KeyFormat::Uuid8),
            ("uuid4-shaped", KeyFormat::Uuid4Shaped),
            ("hex", KeyFormat::Hex),
            ("base36", KeyFormat::Base36),
            ("hash", KeyFormat::Hash),
        ] {
            let text = good.replace("\"uuid8\"", &format!("\"{written}\""));
            assert_eq!(TargetProfile::parse(&text, "t").unwrap().key_format, format);
        }
        let without = good.split("[key]").next().unwrap();
        assert_eq!(TargetProfile::parse(without, "t").unwrap().key_format, KeyFormat::Uuid8);
    }

    #[test]
    fn errors_name_the_place() {
        let (_, good) = built_in_targets()[0];
        for (bad, expected) in [
            (good.replace("dedup", "dedupe"), "t.toml:32:1: unknown field `dedupe`"),
            (good.replace("\"slack\"", "\"irc\""), "t.toml:6:8: unknown variant `irc`"),
            (good.replace("\"uuid8\"", "\"uuid4\""), "t.toml:49:10: unknown variant `uuid4`"),
            (good.replace("\"1s\"", "\"soon\""), "t.toml: capabilities.lag: \"soon\" is no duration"),
        ] {
            let error = TargetProfile::parse(&bad, "t.toml").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
