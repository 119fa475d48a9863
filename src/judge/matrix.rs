//! A matrix of designs against failures: what one run of a cell says, and
//! whether a design broke a promise that it made.
//!
//! It must not know how runs are made; it reads their summaries.

use super::{FindingClass, RunSummary, Verdict};
use crate::exit_code;
use crate::plan::SendDesign;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format of `matrix.json`.
const SCHEMA_VERSION: u32 = 1;

/// A whole matrix, judged: the contents of `matrix.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixSummary {
    /// Version of this format.
    pub schema_version: u32,
    /// Version of posthaste that ran.
    pub posthaste_version: String,
    /// Name of the matrix and of its folder.
    pub matrix_id: String,
    /// Wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// Name of the workload that every cell runs.
    pub workload: String,
    /// Name of the target profile.
    pub target: String,
    /// Where the target was; null for the built-in server.
    pub url: Option<String>,
    /// The seed of every cell.
    pub seed: u64,
    /// Whether every cell that could run did.
    pub complete: bool,
    /// What it comes to.
    pub verdict: MatrixVerdict,
    /// What the process returns.
    pub exit_code: u8,
    /// The tables.
    pub tables: Vec<MatrixTable>,
}

/// What a matrix comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatrixVerdict {
    /// Every design kept the promises that it made.
    Kept,
    /// A design broke one.
    Broken,
    /// A signal ended it early.
    Interrupted,
    /// A cell says nothing.
    Inconclusive,
}

/// Designs against failures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixTable {
    /// "send" or "receive".
    pub name: String,
    /// The designs, in the order of the rows.
    pub designs: Vec<String>,
    /// The failures, in the order of the columns.
    pub failures: Vec<MatrixFailure>,
    /// The cells, row by row.
    pub cells: Vec<MatrixCell>,
}

/// One column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixFailure {
    /// Its name.
    pub name: String,
    /// The `faults` of the workload; empty for none.
    pub faults: String,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixCell {
    /// The design.
    pub design: String,
    /// The failure.
    pub failure: String,
    /// The run's folder, below the matrix's; null where it has none.
    pub run: Option<String>,
    /// Why the cell says nothing, where it does not.
    pub silent_because: Option<String>,
    /// Whether the target rules the cell out.
    pub impossible: bool,
    /// Messages that the schedule asked for.
    pub intended: u64,
    /// What was counted, by name; only what is above zero.
    pub counts: BTreeMap<String, u64>,
    /// The latency that tells most about the design, in µs.
    pub latency_us: Option<u64>,
    /// Which one: "ack p99", or "shown p99" where nothing is acknowledged.
    pub latency_of: String,
    /// Whether it is only "at least so long".
    pub latency_at_least: bool,
    /// Whether the latencies of the run are not valid.
    pub withheld: bool,
    /// The promises of the design that the run broke, as counts in words.
    pub broken: Vec<String>,
    /// What the design is known for under this failure, and did not show.
    pub expected_and_absent: Option<String>,
}

/// What is counted in a cell of the send table: its name and the finding.
const SEND_COUNTS: [(&str, &[&str]); 5] = [
    ("lost silently", &["silent_loss"]),
    ("lost after ack", &["acked_lost", "vanished"]),
    ("stored twice", &["store_duplicates"]),
    ("phantoms", &["phantom"]),
    ("never settled", &["unknown_stored", "unknown_absent"]),
];

impl MatrixCell {
    /// A cell that the target rules out.
    pub fn impossible(design: &str, failure: &str, because: impl Into<String>) -> Self {
        Self { impossible: true, ..Self::without_run(design, failure, because) }
    }

    /// A cell whose run left nothing.
    pub fn without_run(design: &str, failure: &str, because: impl Into<String>) -> Self {
        Self {
            design: design.to_owned(),
            failure: failure.to_owned(),
            silent_because: Some(because.into()),
            ..Self::default()
        }
    }

    /// What a run says of a send design under a failure.
    pub fn of_send(design: SendDesign, failure: &str, run: &str, summary: &RunSummary) -> Self {
        let counts = SEND_COUNTS.into_iter().map(|(name, findings)| {
            (name.to_owned(), findings.iter().map(|finding| count_of(summary, finding)).sum::<u64>())
        });
        let counts: BTreeMap<String, u64> = counts.filter(|(_, count)| *count > 0).collect();
        let kind = if design.is_acknowledged() { "ack" } else { "shown" };
        let latency = summary.latency_us.get(kind);
        let absent = known_for(design, failure).filter(|name| !counts.contains_key(*name));
        Self {
            design: design.name().to_owned(),
            failure: failure.to_owned(),
            run: Some(run.to_owned()),
            silent_because: silent_because(summary),
            impossible: false,
            intended: summary.ledger.intended,
            latency_us: latency.and_then(|latency| latency.p99),
            latency_of: format!("{kind} p99"),
            latency_at_least: latency.is_some_and(|latency| latency.lower_bounds.iter().any(|name| name == "p99")),
            withheld: latency.is_some_and(|latency| latency.withheld),
            broken: broken(design, summary),
            expected_and_absent: absent.map(str::to_owned),
            counts,
        }
    }

    /// Whether it has a run that says something.
    pub fn speaks(&self) -> bool {
        self.silent_because.is_none()
    }
}

impl MatrixSummary {
    /// A matrix with its exit code: a promise that was broken, an
    /// interruption, and a cell that says nothing, in this order.
    pub fn new(about: MatrixAbout, tables: Vec<MatrixTable>) -> Self {
        let cells = || tables.iter().flat_map(|table| &table.cells);
        let (verdict, exit_code) = if cells().any(|cell| !cell.broken.is_empty()) {
            (MatrixVerdict::Broken, exit_code::INCORRECT)
        } else if about.interrupted {
            (MatrixVerdict::Interrupted, exit_code::INTERRUPTED)
        } else if cells().any(|cell| !cell.speaks() && !cell.impossible) || !cells().any(MatrixCell::speaks) {
            (MatrixVerdict::Inconclusive, exit_code::INCONCLUSIVE)
        } else {
            (MatrixVerdict::Kept, exit_code::PASS)
        };
        Self {
            schema_version: SCHEMA_VERSION,
            posthaste_version: env!("CARGO_PKG_VERSION").to_owned(),
            matrix_id: about.matrix_id,
            started_at: about.started_at,
            workload: about.workload,
            target: about.target,
            url: about.url,
            seed: about.seed,
            complete: !about.interrupted,
            verdict,
            exit_code,
            tables,
        }
    }
}

/// What a matrix is about, beside its cells.
#[derive(Clone, Debug, Default)]
pub struct MatrixAbout {
    /// Name of the matrix and of its folder.
    pub matrix_id: String,
    /// Wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// Name of the workload.
    pub workload: String,
    /// Name of the target profile.
    pub target: String,
    /// Where the target is; `None` for the built-in server.
    pub url: Option<String>,
    /// The seed.
    pub seed: u64,
    /// Whether a signal asked to end early.
    pub interrupted: bool,
}

fn count_of(summary: &RunSummary, finding: &str) -> u64 {
    summary.findings.get(finding).map_or(0, |finding| finding.count)
}

/// Why a run says nothing of a design, where it does not.
fn silent_because(summary: &RunSummary) -> Option<String> {
    if summary.interrupted {
        return Some("interrupted".to_owned());
    }
    let correctness = &summary.correctness;
    let inconclusive = correctness.verdict == Verdict::Inconclusive;
    inconclusive.then(|| correctness.reasons.first().cloned().unwrap_or_else(|| "inconclusive".to_owned()))
}

/// The findings of class zero, in words, but for those that the design never
/// promised to avoid: one that pushes before it stores has phantoms.
fn broken(design: SendDesign, summary: &RunSummary) -> Vec<String> {
    let promised = |name: &str| name != "phantom" || design.stores_first();
    let found = summary.findings.iter();
    let found = found.filter(|(name, finding)| finding.class == FindingClass::Zero && promised(name));
    found.filter(|(_, finding)| finding.count > 0).map(|(name, finding)| format!("{name} {}", finding.count)).collect()
}

/// What a design is known for under a failure.
fn known_for(design: SendDesign, failure: &str) -> Option<&'static str> {
    match (design, failure) {
        (SendDesign::Ws | SendDesign::WsFanoutFirst, "crash" | "half-open" | "store fails") => Some("lost silently"),
        (SendDesign::HttpNoKey | SendDesign::WsAckNoKey, "ack lost") => Some("stored twice"),
        _ => None,
    }
}
