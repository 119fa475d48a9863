//! The merged ledger in, findings, latency figures and a verdict out: pure.
//!
//! What a violation *is* stands here and nowhere else. It must not know how a
//! message was sent or which server it was sent to.
//!
//! | file | what it defines |
//! | --- | --- |
//! | `truth` | the index: what is stored, who saw what, whose a row is |
//! | `absence` | members who leave a channel and join it again |
//! | `entitled` | who should have obtained a message, and who live |
//! | `stored` | vanished, acked_lost, silent_loss, unverifiable, rejected_stored, unknown_… |
//! | `phantom` | phantom |
//! | `copies` | store_duplicates, ack_identity |
//! | `bodies` | foreign, corrupt, leaked |
//! | `deliveries` | live_missed, healed, unhealed, unresolved |
//! | `pages`, `stale` | page_anomaly; stale_read |
//! | `order` | sender_order |
//! | `pushes` | live_duplicates, live_reordered |
//! | `changes` | edit_lost, delete_resurrected, orphan_reply |
//! | `counts` | the ledger's counts and identities, rates |
//! | `latency`, `measurement` | quantiles; whether they can be believed |
//! | `generator` | the generator's own figures |
//! | `hints` | what came of typing, presence, commands and clicks: figures, no findings |
//! | `slowest` | the messages that waited longest, and where the target traced them |
//! | `sends` | what the users were shown of their messages |
//! | `faults` | whether each fault of the plan hit anything |
//! | `compare` | two builds in pairs of runs: whether one is worse |
//! | `matrix` | what a run says of a design under a failure |
//! | `capacity/` | the highest load that keeps an objective |
//! | `self_check` | whether posthaste measures what it says it does |
//! | `verdict` | the verdict and the exit code |

mod absence;
mod bodies;
pub mod capacity;
mod changes;
pub mod compare;
mod copies;
mod counts;
mod coverage;
mod deliveries;
mod entitled;
mod faults;
mod generator;
mod hints;
mod latency;
mod matrix;
mod measurement;
mod order;
mod pages;
mod phantom;
pub mod probe;
mod pushes;
mod recovery;
pub mod self_check;
mod sends;
mod slowest;
mod stale;
mod stored;
mod summary;
mod tally;
mod thresholds;
mod truth;
mod verdict;

pub use changes::ChangeCounts;
pub use faults::{FaultPart, is_of, part_of, times_of};
pub use hints::HintCounts;
pub use matrix::{Design, MatrixAbout, MatrixCell, MatrixFailure, MatrixSummary, MatrixTable, MatrixVerdict};
pub use summary::{
    Correctness, CountedRates, Example, FaultLatency, FaultRecovery, FaultSummary, FindingClass, FindingSummary,
    GeneratorSummary, LatencySummary, LedgerCounts, Measurement, Rates, RunSummary, SendSummary, SlowMessage,
    SocketRecovery, TargetProcess, ThresholdOutcome, TimeSpan, TraceLink, Verdict, WorkerSummary,
};
pub use thresholds::confined;
pub use verdict::{grouped, predicate};

use crate::ledger::{Latencies, Ledger, RunRecord, TargetFigures};
use crate::model::FindingKind;
use crate::plan::{During, RunPlan};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// Everything that a run left behind.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// What it was to do.
    pub plan: &'a RunPlan,
    /// How it went as a whole.
    pub record: &'a RunRecord,
    /// What happened to every message: the ledgers of all shards, merged.
    pub ledger: &'a Ledger,
    /// The latencies of all workers, merged; the warm-up is not in them.
    pub latencies: &'a Latencies,
    /// The latencies of some of its seconds.
    pub timed: &'a TimedLatencies,
}

/// The latencies of some seconds of a run: those of the ledger know their
/// messages, these only when they were taken.
#[derive(Debug, Default)]
pub struct TimedLatencies {
    /// Of the seconds that [`times_of`] some faults touch, for the thresholds that
    /// are confined to them.
    pub during: BTreeMap<During, Latencies>,
    /// `delivery` by the parts of each fault of the plan, in its order; nothing
    /// where that is not known.
    pub deliveries: Vec<BTreeMap<FaultPart, Histogram<u64>>>,
}

impl Input<'_> {
    /// From when on an intended message is in the latencies, in µs since the
    /// start of the run.
    fn first_measured_us(&self) -> u64 {
        self.record.load_start_us + self.plan.arrival.warm_up_us()
    }
}

/// The latencies while faults were in force to which thresholds are confined.
fn while_faults(
    input: &Input,
    truth: &truth::Truth,
    deliveries: &deliveries::Deliveries,
) -> BTreeMap<During, latency::Samples> {
    let of = |during: During| {
        let times = times_of(input.plan, input.record, during);
        let latencies = input.timed.during.get(&during).unwrap_or(&NO_LATENCIES);
        (during, latency::Samples::within(input, truth, deliveries, &times, latencies))
    };
    confined(&input.plan.thresholds).into_iter().map(of).collect()
}

/// Every finding, counted.
fn findings(
    input: &Input,
    truth: &truth::Truth,
    phantoms: tally::Tally,
    deliveries: deliveries::Deliveries,
    first_deliveries: u64,
) -> BTreeMap<FindingKind, FindingSummary> {
    let mut tallies = stored::find(truth);
    tallies.push(phantoms);
    tallies.push(copies::store_duplicates(input, truth));
    tallies.push(copies::ack_identity(truth));
    tallies.push(bodies::foreign(input, truth));
    tallies.push(bodies::corrupt(input, truth));
    tallies.push(bodies::leaked(input, truth));
    tallies.push(pages::page_anomaly(input, truth));
    tallies.push(order::sender_order(input, truth));
    tallies.push(stale::stale_read(input, truth, &deliveries.passed_over));
    tallies.push(pushes::live_duplicates(input));
    tallies.push(pushes::live_reordered(input, truth, first_deliveries));
    tallies.extend(changes::find(input, truth));
    tallies.extend([deliveries.healed, deliveries.unhealed, deliveries.unresolved, deliveries.live_missed]);
    tallies.into_iter().map(|tally| tally.finish(truth, &input.plan.trace)).collect()
}

/// Judges a run. The same facts give the same summary, in whatever order the
/// shards were merged.
pub fn judge(input: &Input) -> RunSummary {
    let truth = truth::Truth::new(input);
    let deliveries = deliveries::count(input, &truth);
    let (first_deliveries, measured_deliveries) = deliveries::first_deliveries(input, &truth);
    let counts = counts::count(input, &truth, &deliveries);
    let rates = counts::rates(input, &truth, &counts, first_deliveries);
    let contradictions = counts::contradictions(input, &counts);
    let measurement = measurement::judge(input, &truth, measured_deliveries);
    let samples = latency::Samples::new(input, &truth, &deliveries);
    let during = while_faults(input, &truth, &deliveries);
    let faults = faults::summaries(input, &truth, &deliveries, !measurement.valid);
    let phantoms = phantom::find(input, &truth);
    let unsettled = phantoms.unsettled;
    let findings = findings(input, &truth, phantoms.tally, deliveries, first_deliveries);

    let target = input.record.target.as_ref().map(target_process);
    let figures = thresholds::Figures {
        findings: &findings,
        counts: &counts,
        rates: &rates,
        target: target.as_ref(),
        samples: &samples,
        during: &during,
        withheld: !measurement.valid,
    };
    let thresholds = thresholds::judge(&input.plan.thresholds, &figures);
    let evidence = verdict::Evidence { findings: &findings, counts: &counts, contradictions, unsettled };
    let correctness = verdict::correctness(input, &truth, &evidence);
    let (verdict, exit_code) = verdict::overall(correctness.verdict, input.record.interrupted, &thresholds);

    RunSummary {
        schema_version: SCHEMA_VERSION,
        posthaste_version: env!("CARGO_PKG_VERSION").to_owned(),
        run_id: input.record.run_id.clone(),
        started_at: input.record.started_at.clone(),
        workload: input.plan.workload.clone(),
        target: input.plan.target.clone(),
        url: input.record.url.clone(),
        verdict,
        exit_code,
        interrupted: input.record.interrupted,
        warnings: input.record.notes.clone(),
        correctness,
        latency_us: samples.summaries(!measurement.valid),
        measurement,
        ledger: counts,
        sends: sends::summary(input, &truth),
        changes: changes::counts(input),
        hints: hints::counts(input),
        findings: findings.into_iter().map(|(kind, finding)| (kind.name().to_owned(), finding)).collect(),
        rates,
        slowest: slowest::find(input, &truth),
        thresholds,
        faults,
        generator: generator::summary(input),
        target_process: target,
        plan: serde_json::to_value(input.plan).unwrap_or_default(),
    }
}

/// Where a threshold is confined to faults of which nothing was measured.
static NO_LATENCIES: std::sync::LazyLock<Latencies> = std::sync::LazyLock::new(Latencies::default);

/// Version of the summary's format.
const SCHEMA_VERSION: u32 = 1;

fn target_process(figures: &TargetFigures) -> TargetProcess {
    TargetProcess {
        source: figures.source.clone(),
        seconds: figures.window_us as f64 / 1e6,
        cpu_s: figures.cpu_us as f64 / 1e6,
        rss_before_bytes: figures.rss_before_bytes,
        rss_connected_bytes: figures.rss_connected_bytes,
        rss_max_bytes: figures.rss_max_bytes,
        unknown_because: figures.failure.clone(),
    }
}

#[cfg(test)]
mod tests;
