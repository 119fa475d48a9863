//! A matrix of designs against failures: what one run of a cell says, and
//! whether a design broke a promise that it made.
//!
//! It must not know how runs are made; it reads their summaries.

use super::{FindingClass, LatencySummary, RunSummary, Verdict};
use crate::exit_code;
use crate::plan::{ReceiveDesign, SendDesign};
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the format of `matrix.json`.
const SCHEMA_VERSION: u32 = 1;

/// A whole matrix, judged: the contents of `matrix.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MatrixSummary {
    /// Version of this format.
    pub schema_version: u32,
    /// Version of posthaste that ran.
    pub posthaste_version: String,
    /// What it is about.
    #[serde(flatten)]
    pub about: MatrixAbout,
    /// What it comes to.
    pub verdict: MatrixVerdict,
    /// What the process returns.
    pub exit_code: u8,
    /// The tables.
    pub tables: Vec<MatrixTable>,
}

/// What a matrix comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct MatrixFailure {
    /// Its name.
    pub name: String,
    /// The `faults` of the workload; empty for none.
    pub faults: String,
}

/// One cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// Which one: "ack p99", or "shown p99" where nothing is acknowledged; "heal
    /// max" of a design that heals, otherwise "delivery p99".
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

const NEVER: &str = "never received";
const TWICE: &str = "received twice";

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Design {
    /// How messages are sent.
    Send(SendDesign),
    /// How they are received.
    Receive(ReceiveDesign),
}

impl Design {
    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Send(design) => design.name(),
            Self::Receive(design) => design.name(),
        }
    }

    /// The name of its table, and of the section of a workload that sets it.
    pub fn table(self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Receive(_) => "receive",
        }
    }
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

    /// What a run says of a design under a failure.
    pub fn of(design: Design, failure: &str, run: &str, summary: &RunSummary) -> Self {
        let counts = match design {
            Design::Send(_) => send_counts(summary),
            Design::Receive(_) => receive_counts(summary),
        };
        let absent = known_for(design, failure).filter(|name| !counts.contains_key(*name));
        let (kind, quantile) = latency_of(design, summary);
        let latency = summary.latency_us.get(kind);
        let value = |latency: &LatencySummary| if quantile == "max" { latency.max } else { latency.p99 };
        Self {
            design: design.name().to_owned(),
            failure: failure.to_owned(),
            run: Some(run.to_owned()),
            silent_because: silent_because(summary),
            impossible: false,
            intended: summary.ledger.intended,
            latency_us: latency.and_then(value),
            latency_of: format!("{kind} {quantile}"),
            latency_at_least: latency.is_some_and(|latency| latency.lower_bounds.iter().any(|name| name == quantile)),
            withheld: latency.is_some_and(|latency| latency.withheld),
            broken: broken(design, summary, &counts),
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
    /// Whether any cell says something.
    pub fn speaks(&self) -> bool {
        self.tables.iter().flat_map(|table| &table.cells).any(MatrixCell::speaks)
    }

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
            about,
            verdict,
            exit_code,
            tables,
        }
    }
}

/// What a matrix is about, beside its cells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
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
    /// What a reader must know of all cells, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
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

fn send_counts(summary: &RunSummary) -> BTreeMap<String, u64> {
    let counts = SEND_COUNTS.into_iter().map(|(name, findings)| {
        (name.to_owned(), findings.iter().map(|finding| count_of(summary, finding)).sum::<u64>())
    });
    counts.filter(|(_, count)| *count > 0).collect()
}

/// What the drain alone brought, a design did not come to by its own means.
fn receive_counts(summary: &RunSummary) -> BTreeMap<String, u64> {
    let healed = summary.findings.get("healed");
    let by_drain = healed.and_then(|healed| healed.split.get("by_drain_only")).copied().unwrap_or(0);
    let never = by_drain + count_of(summary, "unhealed") + count_of(summary, "unresolved");
    let twice = count_of(summary, "live_duplicates");
    let counts = [(NEVER, never), (TWICE, twice)];
    counts.into_iter().filter(|(_, count)| *count > 0).map(|(name, count)| (name.to_owned(), count)).collect()
}

/// The latency that tells most, and its quantile.
fn latency_of(design: Design, summary: &RunSummary) -> (&'static str, &'static str) {
    match design {
        Design::Send(design) if design.is_acknowledged() => ("ack", "p99"),
        Design::Send(_) => ("shown", "p99"),
        Design::Receive(_) if summary.latency_us.get("heal").is_some_and(|heal| heal.count > 0) => ("heal", "max"),
        Design::Receive(_) => ("delivery", "p99"),
    }
}

/// The promises that a run broke, in words: findings of class zero, but for
/// those that the design never promised to avoid, and what a design that heals
/// never came to.
fn broken(design: Design, summary: &RunSummary, counts: &BTreeMap<String, u64>) -> Vec<String> {
    let promised = |name: &str| match design {
        // One that pushes before it stores has phantoms.
        Design::Send(design) => name != "phantom" || design.stores_first(),
        Design::Receive(_) => true,
    };
    let found = summary.findings.iter();
    let found = found.filter(|(name, finding)| finding.class == FindingClass::Zero && promised(name));
    let zero = found.filter(|(_, finding)| finding.count > 0);
    let mut broken: Vec<String> = zero.map(|(name, finding)| format!("{name} {}", finding.count)).collect();
    if let Design::Receive(design) = design
        && promises_everything(design)
        && let Some(never) = counts.get(NEVER)
    {
        broken.push(format!("{NEVER} {never}"));
    }
    broken
}

/// Whether a design comes to every message by its own means, sooner or later.
fn promises_everything(design: ReceiveDesign) -> bool {
    !matches!(design, ReceiveDesign::WsTrusting | ReceiveDesign::Rtm)
}

/// What a design is known for under a failure.
fn known_for(design: Design, failure: &str) -> Option<&'static str> {
    use ReceiveDesign::{Rtm, WsTrusting};
    use SendDesign::{HttpNoKey, Ws, WsAckNoKey, WsFanoutFirst};
    match (design, failure) {
        (Design::Send(Ws | WsFanoutFirst), "crash" | "half-open" | "store fails") => Some("lost silently"),
        (Design::Send(HttpNoKey | WsAckNoKey), "ack lost") => Some("stored twice"),
        (Design::Receive(WsTrusting), "disconnect" | "long disconnect" | "half-open") => Some(NEVER),
        (Design::Receive(Rtm), "long disconnect") => Some(NEVER),
        _ => None,
    }
}
