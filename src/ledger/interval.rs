//! What happened in one interval of a run: a second, as a rule.

use crate::model::LatencyKind;
use std::collections::BTreeMap;

/// What happened in one interval, latencies aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalFigures {
    /// Start of the interval in µs since the start of the run.
    pub at_us: u64,
    /// Its length in µs.
    pub length_us: u64,
    /// The phase at its end: "warm-up", "steady", "drain", …
    pub phase: String,
    /// Messages that the schedule asked for.
    pub intended: u64,
    /// Tries that were begun, retries included.
    pub attempted: u64,
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Messages that ended rejected.
    pub rejected: u64,
    /// Messages that ended unknown.
    pub unknown: u64,
    /// Tries after the first of their message.
    pub retries: u64,
    /// First live copies, per (message, subscriber).
    pub delivered: u64,
    /// Further live copies.
    pub duplicates: u64,
    /// Messages obtained from history by subscribers.
    pub healed: u64,
    /// Messages being sent, as at the end of the interval.
    pub in_flight: u64,
    /// Messages waiting for their user's earlier send, as at the end.
    pub queued: u64,
    /// Subscribers with a confirmed subscription, as at the end.
    pub connected: u64,
    /// Subscribers that are to have one and have none, as at the end.
    pub reconnecting: u64,
    /// CPU time of the process in µs.
    pub cpu_us: u64,
    /// Resident memory in bytes, as at the end.
    pub rss_bytes: u64,
}

/// One interval with its latencies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeasuredInterval {
    /// Counts and gauges.
    pub figures: IntervalFigures,
    /// What was measured in it; a latency without a sample is not there.
    pub latencies: BTreeMap<LatencyKind, IntervalLatency>,
}

/// One latency in one interval, in µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalLatency {
    /// Samples.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// The greatest.
    pub max_us: u64,
}
