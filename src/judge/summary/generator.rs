//! What the generator itself used.

use crate::judge::self_check::ShortSelfCheck;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The generator's own figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct GeneratorSummary {
    /// CPU time over the wall time of the run, of one core.
    pub cpu_fraction: f64,
    /// Largest resident memory.
    pub rss_bytes: u64,
    /// Most descriptors that were open at once.
    pub descriptors: u64,
    /// p99 of `lag` in µs.
    pub lag_p99_us: Option<u64>,
    /// Connections refused for want of descriptors or ports.
    pub exhausted: u64,
    /// Bytes of the answers to sends over HTTP/1.1: status lines, headers and bodies.
    #[serde(default)]
    pub answer_bytes: u64,
    /// Bytes of the frames that subscribers were sent while the run went on.
    #[serde(default)]
    pub frame_bytes: u64,
    /// p99 of what lay in the sockets of a worker until it was read, in µs: of the
    /// worker where it is largest; null where it was not looked often enough.
    #[serde(default)]
    pub receive_wait_p99_us: Option<u64>,
    /// How often the cgroup held the process back.
    #[serde(default)]
    pub throttled: u64,
    /// The short check of posthaste itself before the run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub self_check: Option<ShortSelfCheck>,
    /// The worker threads.
    pub workers: Vec<WorkerSummary>,
}

/// One worker thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct WorkerSummary {
    /// CPU time over wall time.
    pub cpu_fraction: f64,
    /// The share of canary ticks that came late.
    pub canary_late_share: f64,
    /// The latest canary tick in µs.
    pub canary_worst_us: u64,
}
