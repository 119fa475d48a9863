//! What was measured of the null server, whose own stamps are the truth. Facts
//! only: how exact is exact enough is the judge's.

use crate::model::LatencyKind;
use serde::{Deserialize, Serialize};

/// One latency under a known delay: the median as posthaste reports it, and as
/// the server stamped it. The server counts from when it has read the post.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccuracyFact {
    /// `ack` or `delivery`.
    pub latency: LatencyKind,
    /// The delay that the server was given, in µs.
    pub delay_us: u64,
    /// Messages a second.
    pub rate_per_s: f64,
    /// Subscribers, each with a connection of its own.
    pub subscribers: u32,
    /// Samples that were reported.
    pub samples: u64,
    /// Samples that were stamped.
    pub stamped: u64,
    /// The server's median in µs.
    pub stamped_p50_us: u64,
    /// posthaste's median in µs.
    pub reported_p50_us: u64,
}

/// The server stood still for a while in the middle of a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StallFact {
    /// How long, in µs.
    pub stall_us: u64,
    /// Length of the load in µs.
    pub load_us: u64,
    /// Messages a second.
    pub rate_per_s: f64,
    /// Messages a second that pass when many wait.
    pub drain_per_s: f64,
    /// The reported p99 of `ack`, from the intended time, in µs.
    pub ack_p99_us: u64,
    /// The reported p99 of `delivery` in µs.
    pub delivery_p99_us: u64,
    /// The reported p99 of `service`, from the first byte, in µs.
    pub service_p99_us: u64,
}

/// One rate that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RungFact {
    /// Messages a second that were asked for.
    pub rate_per_s: f64,
    /// Messages a second that were acknowledged.
    pub achieved_per_s: f64,
    /// Deliveries a second.
    pub delivered_per_s: f64,
    /// What stands against the measurement; empty where it can be believed.
    pub reasons: Vec<String>,
    /// The largest share of a core that a worker used.
    pub worker_cpu: f64,
    /// The share of a core that the null server used.
    pub server_cpu: f64,
}

/// The short check before a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ShortCheck {
    /// What was measured.
    pub accuracy: Vec<AccuracyFact>,
    /// Why nothing was, where nothing was.
    pub skipped: Option<String>,
    /// How long it took, in µs.
    pub took_us: u64,
}
