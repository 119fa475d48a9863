//! The contents of `compare.json`.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Two sides, compared in pairs of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CompareSummary {
    /// Version of this format.
    pub schema_version: u32,
    /// Version of posthaste that compared.
    pub posthaste_version: String,
    /// Name of the comparison and of its folder.
    pub compare_id: String,
    /// Wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// Whether both sides are the same, to measure the machine's own noise.
    pub aa: bool,
    /// The base.
    pub a: CompareSide,
    /// What is compared with it.
    pub b: CompareSide,
    /// Seed of the runs and of the order within pairs.
    pub seed: u64,
    /// What decides, with its margin.
    pub gates: Vec<Gate>,
    /// After how many pairs it was to be looked.
    pub looks: Vec<usize>,
    /// Every pair that was run, the warm-up and the discarded ones too.
    pub pairs: Vec<PairRow>,
    /// What came of each gate.
    pub outcomes: Vec<GateOutcome>,
    /// What came of all.
    pub verdict: CompareVerdict,
    /// One sentence a reason, where something is not as it should be.
    pub reasons: Vec<String>,
    /// What the process returns.
    pub exit_code: u8,
}

/// One of the two sides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct CompareSide {
    /// What tells it from the other: a command line, an address, a profile.
    pub label: String,
    /// Arguments of `posthaste run`.
    pub args: Vec<String>,
    /// The command that starts its server, if it was given one.
    pub exec: Option<String>,
}

/// The verdict of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CompareVerdict {
    /// No metric is worse by as much as its margin.
    Pass,
    /// Neither that nor its opposite could be shown.
    Inconclusive,
    /// A metric is worse by more than its margin.
    Regression,
    /// A run lost, doubled or invented something.
    Incorrect,
}

/// A metric that decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Gate {
    /// Its name in thresholds, such as "ack.p99".
    pub metric: String,
    /// How much worse B may be, as a share: 0.1 is 10 %.
    pub margin: f64,
}

/// One pair of runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct PairRow {
    /// "ab" or "ba": which ran first.
    pub order: String,
    /// Folder of A's run, relative to that of the comparison.
    pub a_run: String,
    /// The same of B.
    pub b_run: String,
    /// Why the pair does not count; null where it does.
    pub discarded_because: Option<String>,
    /// Why the measurement of one of its runs is not valid. The generator's own
    /// delays are in both sides alike and make a difference look smaller: such
    /// a pair may show that B is worse, and never that it is not.
    pub not_valid_because: Option<String>,
    /// A and B by metric, where both were measured.
    pub values: BTreeMap<String, (Reading, Reading)>,
}

/// A measured value: µs for latencies, otherwise a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Reading {
    /// The value.
    pub value: f64,
    /// Whether it is a lower bound.
    pub at_least: bool,
}

/// What came of one gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct GateOutcome {
    /// The metric.
    pub metric: String,
    /// Its margin, as a share.
    pub margin: f64,
    /// Pairs that had it.
    pub pairs: usize,
    /// B / A: exp of the Hodges–Lehmann estimate of ln(B / A).
    pub ratio: Option<f64>,
    /// Lower end of its exact 95 % interval (signed ranks); null with too few
    /// pairs.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
    /// One-sided probability of such pairs if B were not worse than the margin.
    pub p_worse: f64,
    /// The same if B were as bad as the margin or worse; from the pairs alone of
    /// which both measurements are valid.
    pub p_not_worse: f64,
    /// "regression", "no regression" or "open".
    pub verdict: String,
}
