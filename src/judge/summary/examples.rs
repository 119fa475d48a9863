//! Messages by name: examples of findings, and the slowest.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One instance of a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Example {
    /// The message key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The channel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub channel: Option<u32>,
    /// The rank of the message in its channel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub index: Option<u32>,
    /// The sender.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sender: Option<u32>,
    /// The subscriber that saw it, or did not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subscriber: Option<u32>,
    /// The server ids of the message.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub server_ids: Vec<String>,
    /// When it was intended, in µs since the start of the run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intended_us: Option<u64>,
    /// When it was acknowledged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged_us: Option<u64>,
    /// When the instance showed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen_us: Option<u64>,
    /// What is particular about it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub note: String,
    /// Where the target's tracing has it, where messages were traced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<TraceLink>,
}

/// One message that took long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SlowMessage {
    /// The message key.
    pub key: String,
    /// The channel.
    pub channel: u32,
    /// The rank of the message in its channel.
    pub index: u32,
    /// The sender.
    pub sender: u32,
    /// When it was intended, in µs since the start of the run.
    pub intended_us: u64,
    /// From then until it was acknowledged, in µs.
    pub ack_us: u64,
    /// Whether it never was, and waited at least so long.
    #[serde(default)]
    pub at_least: bool,
    /// Tries.
    pub attempts: u32,
    /// Where the target's tracing has it, where messages were traced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace: Option<TraceLink>,
}

/// A message in the target's tracing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TraceLink {
    /// The id of its trace: the message key without hyphens.
    pub id: String,
    /// Whether the target was asked to keep it.
    pub sampled: bool,
    /// Where it is looked at, by `--trace-url`; only of one that was to be kept.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
}
