//! The summary of a run: the only input of reports, gates and comparisons, and
//! the contents of `summary.json`. Units stand in the names; times are µs.

mod examples;
mod faults;
mod generator;

pub use examples::{Example, SlowMessage, TraceLink};
pub use faults::{FaultLatency, FaultRecovery, FaultSummary, SocketRecovery};
pub use generator::{GeneratorSummary, WorkerSummary};

use super::changes::ChangeCounts;
use super::hints::HintCounts;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct RunSummary {
    /// Version of this format; it grows when a field changes its meaning.
    pub schema_version: u32,
    /// Version of posthaste that ran.
    pub posthaste_version: String,
    /// Name of the run and of its folder.
    pub run_id: String,
    /// Wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// Name of the workload.
    pub workload: String,
    /// Name of the target profile.
    pub target: String,
    /// Where the target was.
    pub url: String,
    /// The overall verdict.
    pub verdict: Verdict,
    /// What the process returns.
    pub exit_code: u8,
    /// Whether a signal asked the run to end early.
    pub interrupted: bool,
    /// What a reader must know beside the verdict, a sentence each: certificates
    /// that were not verified, parts of the ledger that went to disk.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The ledger's verdict.
    pub correctness: Correctness,
    /// Whether the latencies can be believed.
    pub measurement: Measurement,
    /// Counts of messages and deliveries.
    pub ledger: LedgerCounts,
    /// What the users were shown of their messages.
    #[serde(default)]
    pub sends: SendSummary,
    /// How changes of messages ended, by their kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changes: BTreeMap<String, ChangeCounts>,
    /// What came of what nobody keeps, by its kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hints: BTreeMap<String, HintCounts>,
    /// Every finding under its name, also when zero.
    pub findings: BTreeMap<String, FindingSummary>,
    /// Every latency under its name, in µs.
    pub latency_us: BTreeMap<String, LatencySummary>,
    /// Messages and deliveries a second during the load.
    pub rates: Rates,
    /// The messages after the warm-up that waited longest for their
    /// acknowledgement, twenty at most, the slowest first.
    #[serde(default)]
    pub slowest: Vec<SlowMessage>,
    /// The thresholds in the order of the workload.
    pub thresholds: Vec<ThresholdOutcome>,
    /// Faults that were asked for.
    pub faults: Vec<FaultSummary>,
    /// The generator's own figures.
    pub generator: GeneratorSummary,
    /// What the target's process used, where it was observed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_process: Option<TargetProcess>,
    /// The effective plan.
    pub plan: serde_json::Value,
}

/// The result of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing is wrong, and it was shown.
    Pass,
    /// Nothing can be said.
    Inconclusive,
    /// A finding of class zero is above zero, or a threshold is broken.
    Fail,
}

/// The ledger's verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Correctness {
    /// Pass, or why not.
    pub verdict: Verdict,
    /// One sentence a reason.
    pub reasons: Vec<String>,
}

/// Whether the latencies can be believed. Where they cannot, they are printed
/// as withheld and barred from thresholds; the ledger is judged all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Measurement {
    /// Whether no reason stands against them.
    pub valid: bool,
    /// One sentence a reason, with what to do about it.
    pub reasons: Vec<String>,
}

/// Counts of messages and deliveries. `intended = acknowledged + rejected +
/// unknown + written + unattempted`, and `entitled_deliveries =
/// live_deliveries + healed + unhealed + unresolved`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LedgerCounts {
    /// Messages that the schedule asked for.
    pub intended: u64,
    /// Messages of which an attempt was acknowledged.
    pub acknowledged: u64,
    /// Messages whose attempts provably had no effect.
    pub rejected: u64,
    /// Messages that were never acknowledged and may have had an effect.
    pub unknown: u64,
    /// Fire-and-forget messages.
    pub written: u64,
    /// Messages that never left, for the generator's reasons.
    pub unattempted: u64,
    /// Messages that stand in the final reads of the history.
    pub stored: u64,
    /// (message, subscriber) pairs that should have been obtained.
    pub entitled_deliveries: u64,
    /// Of these, obtained live.
    pub live_deliveries: u64,
    /// Of these, obtained from history only.
    pub healed: u64,
    /// Of these, passed over by a catch-up that reached past them.
    pub unhealed: u64,
    /// Of these, not obtained by a subscriber whose catch-up did not reach
    /// them.
    pub unresolved: u64,
    /// Tries of all messages.
    pub attempts: u64,
    /// Tries after the first of each message.
    pub retries: u64,
    /// Subscribers that were to hold a connection.
    pub subscribers: u64,
    /// Connections that subscribers had, reconnects included.
    pub connections: u64,
    /// Frames that carried a message of the run.
    pub message_frames: u64,
    /// Pages of history that subscribers read.
    pub catch_up_pages: u64,
}

/// What the users were shown of their messages, against what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SendSummary {
    /// The send design: "http", "ws-ack", …
    pub design: String,
    /// Messages shown as sent: acknowledged, or written where the design has
    /// no acknowledgement.
    pub shown_sent: u64,
    /// Of these, stored nowhere; null where the history is not known.
    pub shown_sent_absent: Option<u64>,
    /// Messages shown as failed in the end.
    pub shown_failed: u64,
    /// Of these, stored all the same.
    pub shown_failed_stored: Option<u64>,
    /// How often a user tapped a failed message to retry.
    pub taps: u64,
}

/// How a finding counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingClass {
    /// One instance makes the run incorrect.
    Zero,
    /// A share that a threshold may bound.
    Rate,
    /// Information.
    Info,
}

/// One kind of violation, counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct FindingSummary {
    /// How many instances.
    pub count: u64,
    /// Of how many that could have been.
    pub of: u64,
    /// What `of` counts, in words: "acknowledged messages".
    pub of_what: String,
    /// How it counts.
    pub class: FindingClass,
    /// Whether it could be checked.
    pub checked: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unchecked_because: Option<String>,
    /// Parts of the count under their names, where the finding has parts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub split: BTreeMap<String, u64>,
    /// First and last instance in µs since the start of the run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub span_us: Option<TimeSpan>,
    /// The first instances.
    pub examples: Vec<Example>,
}

/// First and last of several instants, in µs since the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TimeSpan {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// Quantiles of one latency in µs. A quantile without enough samples is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct LatencySummary {
    /// Samples, those that are only "at least so long" included.
    pub count: u64,
    /// Samples that are only "at least so long".
    pub at_least_count: u64,
    /// Median.
    pub p50: Option<u64>,
    /// 90 %.
    pub p90: Option<u64>,
    /// 99 %; needs 368 samples.
    pub p99: Option<u64>,
    /// 99.9 %; needs 3,688 samples.
    pub p999: Option<u64>,
    /// 99.99 %; needs 36,887 samples.
    pub p9999: Option<u64>,
    /// The greatest.
    pub max: Option<u64>,
    /// Names of the quantiles above that are lower bounds, to be read as ≥.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub lower_bounds: Vec<String>,
    /// Whether the measurement is not valid: printed, and barred from
    /// thresholds.
    pub withheld: bool,
}

/// Messages and deliveries a second, warm-up included.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Rates {
    /// Length of the load in seconds.
    pub load_s: f64,
    /// Intended.
    pub offered_per_s: f64,
    /// Acknowledged, or written where the design has no acknowledgement.
    pub achieved_per_s: f64,
    /// Pushed and parsed.
    pub delivered_per_s: f64,
    /// The same without the warm-up.
    #[serde(default)]
    pub counted: CountedRates,
}

/// What came and went between the warm-up and the end of the load: of a target
/// that does not keep up, less goes than comes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CountedRates {
    /// Length of that time in seconds.
    pub seconds: f64,
    /// Messages intended in that time, a second.
    pub offered_per_s: f64,
    /// Messages acknowledged in that time (written, where the design has no
    /// acknowledgement), whenever they were intended, a second.
    pub achieved_per_s: f64,
    /// Achieved over offered; null where nothing was offered.
    pub goodput: Option<f64>,
}

/// What the target's process used between the first intended message and the
/// first final read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TargetProcess {
    /// What was observed: "process 4711".
    pub source: String,
    /// Length of that time in seconds.
    pub seconds: f64,
    /// CPU time in seconds, of all cores.
    pub cpu_s: f64,
    /// Resident memory before the subscriptions.
    pub rss_before_bytes: Option<u64>,
    /// With all subscriptions, before the first message.
    pub rss_connected_bytes: Option<u64>,
    /// The largest in that time.
    pub rss_max_bytes: Option<u64>,
    /// Why it is not known, where it is not; the figures are then 0.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unknown_because: Option<String>,
}

/// One threshold and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ThresholdOutcome {
    /// The threshold as written.
    pub expr: String,
    /// The measured value in the unit of the metric (µs for latencies); null
    /// without data.
    pub value: Option<f64>,
    /// The value as a reader wants it: "312 ms", "0 of 1,988 acknowledged".
    pub shown: String,
    /// Null where there is no data, or the latencies are withheld.
    pub passed: Option<bool>,
}
