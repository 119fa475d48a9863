//! The contents of `capacity.json`. Units stand in the names.

mod spent;

pub use spent::{Cost, Egress, EgressCost, TargetUse};

use crate::judge::ThresholdOutcome;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A search for a capacity: what was tried, and what it comes to. It is written
/// after every probe, so that a search can be resumed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CapacitySummary {
    /// Version of this format.
    pub schema_version: u32,
    /// Version of posthaste that ran.
    pub posthaste_version: String,
    /// What it is about.
    #[serde(flatten)]
    pub about: CapacityAbout,
    /// How it was searched.
    pub settings: SearchSettings,
    /// Every probe, in the order in which they were made; each is a run.
    pub probes: Vec<CapacityProbe>,
    /// What it comes to.
    pub verdict: CapacityVerdict,
    /// What the process returns.
    pub exit_code: u8,
    /// The capacity; null where there is none.
    pub result: Option<CapacityResult>,
    /// How much the generator itself could do.
    pub generator: Option<GeneratorCeiling>,
    /// What an overload did.
    pub recovery: Option<Recovery>,
    /// The scaling curve.
    pub usl: Usl,
    /// What a message costs the target; null where its process was not
    /// observed.
    pub cost: Option<Cost>,
    /// What the target sends for a message.
    #[serde(default)]
    pub egress: Option<EgressCost>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// What a search is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CapacityAbout {
    /// Name of the search and of its folder.
    pub capacity_id: String,
    /// Wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// Name of the workload; as it was resolved, it is `workload.toml`.
    pub workload: String,
    /// Name of the target profile.
    pub target: String,
    /// Where the target is; null for the built-in server, which is started anew
    /// for each probe.
    pub url: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Arguments of `posthaste run` of every probe, beside the workload.
    pub run_args: Vec<String>,
    /// Cores of the machine that the generator ran on.
    pub cores: u32,
}

/// What is searched for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Find {
    /// Messages a second, of the same users.
    #[default]
    Rate,
    /// Users, each of whom sends as much as in the workload; channels grow with
    /// them.
    Users,
}

/// The workload as it was written: what one unit of load is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct BaseLoad {
    /// Messages a second.
    pub rate_per_s: f64,
    /// Users.
    pub users: u32,
    /// Channels.
    pub channels: u32,
    /// Users who send.
    pub senders: u32,
    /// Users who hold a subscription.
    pub subscribers: u32,
    /// Subscriptions opened a second.
    pub connect_per_s: f64,
    /// Whether messages are sent over the subscriptions.
    pub sends_over_sockets: bool,
}

/// How a search goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SearchSettings {
    /// What is searched for.
    pub find: Find,
    /// The objective: thresholds that must all hold.
    pub objective: Vec<String>,
    /// The least share of the offered messages that must be achieved.
    pub goodput: f64,
    /// The first load.
    pub start: f64,
    /// The highest load that is tried.
    pub max: Option<f64>,
    /// Time that the search may take in seconds.
    pub budget_s: f64,
    /// Time of a probe that is not counted, in seconds.
    pub warm_up_s: f64,
    /// Time of a probe that is counted.
    pub probe_s: f64,
    /// Time of a hold that is counted.
    pub hold_s: f64,
    /// Length of the overload.
    pub overload_s: f64,
    /// Whether the budget made these shorter than 15 s, 30 s, 5 min and 30 s.
    pub shortened: bool,
    /// Samples that the objective needs, of messages.
    pub samples: u64,
    /// The workload as it was written.
    pub base: BaseLoad,
    /// Whether the target's process is observed.
    pub observed: bool,
}

/// What a probe is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// In steps of 1.5 until the objective fails.
    #[default]
    Coarse,
    /// Halving what lies between.
    Bisect,
    /// One of the three that must all hold.
    Hold,
    /// A fifth too much, and then less again.
    Overload,
    /// Posts without a subscriber: what a post costs alone.
    CostOfPosts,
    /// Subscriptions and almost no posts: what an idle socket costs.
    CostOfSockets,
}

impl Purpose {
    /// The name in results.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Coarse => "coarse",
            Purpose::Bisect => "bisect",
            Purpose::Hold => "hold",
            Purpose::Overload => "overload",
            Purpose::CostOfPosts => "cost of posts",
            Purpose::CostOfSockets => "cost of sockets",
        }
    }

    /// Whether it decides which load holds.
    pub fn is_search(self) -> bool {
        matches!(self, Purpose::Coarse | Purpose::Bisect | Purpose::Hold)
    }
}

/// What a probe says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The objective was kept.
    Held,
    /// It was not.
    Failed,
    /// Nothing of the target: the generator could not keep up.
    GeneratorLimit,
    /// Nothing: too few samples, or a drain that is not complete.
    #[default]
    Unclear,
    /// Messages were lost, doubled or invented.
    Incorrect,
    /// A signal ended it.
    Interrupted,
    /// There was no run.
    NoRun,
}

/// One probe: a run at one load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CapacityProbe {
    /// Its number, from 1.
    pub number: u32,
    /// What it is for.
    pub purpose: Purpose,
    /// The load: messages a second or users, as was searched for.
    pub load: f64,
    /// Messages a second that the schedule asked for.
    pub rate_per_s: f64,
    /// Users.
    pub users: u32,
    /// Subscribers.
    pub subscribers: u32,
    /// What it says.
    pub outcome: Outcome,
    /// Why, in words.
    pub because: String,
    /// The run's folder, below the search's; null where it has none.
    pub run: Option<String>,
    /// How long it took, with set-up and drain, in seconds.
    pub took_s: f64,
    /// Messages a second that came after the warm-up.
    pub offered_per_s: f64,
    /// Messages a second that were acknowledged in that time.
    pub achieved_per_s: f64,
    /// Achieved over offered.
    pub goodput: Option<f64>,
    /// Deliveries a second.
    pub delivered_per_s: f64,
    /// What came of the objective's thresholds.
    pub thresholds: Vec<ThresholdOutcome>,
    /// Median and p99 of `ack` in µs.
    pub ack_us: SlowestOf,
    /// Median and p99 of `delivery` in µs.
    pub delivery_us: SlowestOf,
    /// CPU time over wall time of the generator's busiest worker.
    pub worker_cpu: f64,
    /// Share of a core that a worker may use before latencies are void.
    pub worker_cpu_limit: f64,
    /// p99 of `lag` in µs: how late messages left.
    pub lag_p99_us: Option<u64>,
    /// What the target used, where it was observed.
    pub target: Option<TargetUse>,
    /// What it sent, where that can be told apart.
    #[serde(default)]
    pub egress: Option<Egress>,
}

/// Two quantiles of a latency in µs; null without enough samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SlowestOf {
    /// Median.
    pub p50: Option<u64>,
    /// 99 %.
    pub p99: Option<u64>,
}

/// What a search comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CapacityVerdict {
    /// It is not at its end.
    Unfinished,
    /// There is a capacity, and three holds kept it.
    Found,
    /// A load kept the objective, and not all that was to be shown of it was.
    Unconfirmed,
    /// No load kept it.
    NoneHolds,
    /// Messages were lost, doubled or invented.
    Incorrect,
    /// A signal ended it early.
    Interrupted,
    /// Nothing can be said.
    Inconclusive,
}

/// The capacity.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CapacityResult {
    /// Messages a second, or users.
    pub load: f64,
    /// Whether it may be more: the highest load was kept, or what stopped the
    /// search was the generator.
    pub at_least: bool,
    /// Holds at this load that kept the objective.
    pub holds: u32,
    /// Of how many that were to be made.
    pub of_holds: u32,
    /// How long each of them was, in seconds.
    pub hold_s: f64,
    /// The least load above it that failed.
    pub failed: Option<f64>,
    /// The threshold that limits, or stood nearest to its limit.
    pub limit: Option<String>,
    /// Its values over the holds, in the unit of its metric: least and greatest.
    pub values: Option<(f64, f64)>,
    /// Least goodput of the holds.
    pub goodput: Option<f64>,
    /// p99 of `lag` in the worst hold, in µs.
    pub lag_p99_us: Option<u64>,
    /// Numbers of the probes that it rests on.
    pub probes: Vec<u32>,
}

/// How much the generator itself could do, by the CPU time of its busiest
/// worker over the loads: an extrapolation, and no measurement against a server
/// that does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct GeneratorCeiling {
    /// The load at which its busiest worker would use as much CPU as it may.
    pub load: f64,
    /// The capacity over this.
    pub share: f64,
    /// Share of a core that the busiest worker used at the capacity.
    pub worker_cpu: f64,
    /// Share of a core that it may use.
    pub worker_cpu_limit: f64,
}

/// What an overload did, and when the target was itself again.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Recovery {
    /// Number of the probe.
    pub probe: u32,
    /// The overload, as a load.
    pub overload: f64,
    /// How long it lasted, in seconds.
    pub overload_s: f64,
    /// The load to which it returned.
    pub return_to: f64,
    /// Messages a second that were acknowledged during the overload.
    pub achieved_per_s: f64,
    /// Time in seconds from the end of the overload until three seconds in a row
    /// kept the objective; null where there were none.
    pub recovered_after_s: Option<f64>,
    /// How long it was waited for, in seconds.
    pub watched_s: f64,
}

/// The Universal Scalability Law, fitted to goodput over load:
/// X(n) = λn / (1 + α(n − 1) + βn(n − 1)), n in units of the lowest load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Usl {
    /// Why there is none, where there is none: "not identifiable: …".
    pub not_identifiable: Option<String>,
    /// The lowest load, which is n = 1.
    pub unit: f64,
    /// Throughput at n = 1, in messages a second.
    pub lambda: f64,
    /// Contention: what waits for one another.
    pub alpha: f64,
    /// Coherency: what has to agree with one another.
    pub beta: f64,
    /// Root of the mean squared relative error.
    pub error: f64,
    /// The load of the highest throughput, where it lies within 1.5 times the
    /// highest load that was tried.
    pub peak: Option<f64>,
    /// (load, messages a second) of the fitted curve, not beyond 1.5 times the
    /// highest load.
    pub curve: Vec<(f64, f64)>,
}
