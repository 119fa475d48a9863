//! What a run shows while it runs: ticks of the workers summed into seconds.
//! Facts only.

use super::shard::Counters;
use super::worker::Report;
use crate::ledger::{GeneratorFigures, Latencies, RunRecord};
use std::collections::VecDeque;

/// Is told what happens during a run, on the orchestrator's thread.
pub trait Observer {
    /// About once a second: what that second brought.
    fn interval(&mut self, interval: &Interval, latencies: &Latencies);
    /// About four times a second: how it stands.
    fn snapshot(&mut self, snapshot: &Snapshot);
    /// Something of note.
    fn event(&mut self, at_us: u64, kind: &str, detail: serde_json::Value);
    /// Users and channels are being made: what, how many are done, and of how
    /// many.
    fn setting_up(&mut self, _what: &str, _done: usize, _all: usize) {}
    /// What is known of the run before its first message: enough to read its
    /// folder.
    fn record(&mut self, record: &RunRecord);
    /// A worker's ledger so far, encoded, and what is known of the run: enough to
    /// report a run that is killed.
    fn checkpoint(&mut self, worker: usize, ledger: &[u8], record: &RunRecord);
}

/// What about one second brought.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Its start in µs since the start of the run.
    pub start_us: u64,
    /// Its length in µs.
    pub length_us: u64,
    /// The phase at its end.
    pub phase: &'static str,
    /// What it added; the levels as they are at its end.
    pub counters: Counters,
    /// Subscribers of the plan.
    pub subscribers: u64,
    /// CPU time of the process since its start, in µs.
    pub cpu_us: u64,
    /// Largest resident memory so far, in bytes.
    pub rss_bytes: u64,
}

/// How a run stands.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The phase.
    pub phase: &'static str,
    /// Time in the phase in µs.
    pub elapsed_us: u64,
    /// How long the phase lasts in µs, where that is known.
    pub length_us: Option<u64>,
    /// Counts since the start.
    pub total: Counters,
    /// Subscribers of the plan.
    pub subscribers: u64,
    /// Counts of the last seconds.
    pub recent: Counters,
    /// How long these seconds were, in µs.
    pub recent_us: u64,
    /// Latencies of the last seconds.
    pub recent_latencies: Latencies,
    /// CPU time of the process since its start, in µs, as of the last second.
    pub cpu_us: u64,
    /// Now, in µs since the start of the run.
    pub now_us: u64,
}

/// What the orchestrator knows beside the workers' reports.
pub struct Moment<'p> {
    /// Now, in µs since the start of the run.
    pub now_us: u64,
    /// The phase.
    pub phase: &'static str,
    /// When it began.
    pub since_us: u64,
    /// How long it lasts in µs, where that is known.
    pub length_us: Option<u64>,
    /// Subscribers of the plan.
    pub subscribers: u64,
    /// The machine's figures.
    pub machine: &'p GeneratorFigures,
}

/// How many seconds count as recent.
const RECENT_INTERVALS: usize = 5;
const INTERVAL_US: u64 = 1_000_000;
/// A run stops itself when more than half of its sends fail for so many
/// seconds.
const FAILING_SECONDS: u32 = 10;

/// Sums up what the workers report.
pub struct Telemetry {
    by_worker: Vec<Counters>,
    interval_start_us: u64,
    at_interval_start: Counters,
    interval_latencies: Latencies,
    recent: VecDeque<(Counters, u64, Latencies)>,
    failing_seconds: u32,
    /// Latencies of the whole run.
    pub latencies: Latencies,
    /// The latest trouble of a worker's subscribers, in words.
    pub trouble: Option<String>,
}

impl Telemetry {
    /// Nothing was reported yet.
    pub fn new(workers: usize, now_us: u64) -> Self {
        Self {
            by_worker: vec![Counters::default(); workers],
            interval_start_us: now_us,
            at_interval_start: Counters::default(),
            interval_latencies: Latencies::default(),
            recent: VecDeque::new(),
            failing_seconds: 0,
            latencies: Latencies::default(),
            trouble: None,
        }
    }

    /// Counts of all workers.
    pub fn total(&self) -> Counters {
        let mut total = Counters::default();
        self.by_worker.iter().for_each(|counters| total.add(counters));
        total
    }

    /// Whether more than half of the sends have failed for too long.
    pub fn is_failing(&self) -> bool {
        self.failing_seconds >= FAILING_SECONDS
    }

    /// Takes a worker's tick.
    pub fn take(&mut self, report: &Report) {
        if let Report::Tick { worker, counters, latencies, trouble } = report {
            self.by_worker[*worker] = *counters;
            self.interval_latencies.merge(latencies);
            if trouble.is_some() {
                self.trouble.clone_from(trouble);
            }
        }
    }

    /// Ends the interval if it has lasted a second, or in any case.
    pub fn end_interval(&mut self, moment: &Moment<'_>, always: bool, observer: &mut dyn Observer) {
        let length_us = moment.now_us - self.interval_start_us;
        if length_us < INTERVAL_US && !always {
            return;
        }
        let total = self.total();
        let counters = total.since(&self.at_interval_start);
        let failed = counters.rejected + counters.unknown;
        let finished = failed + counters.acknowledged + counters.written;
        if failed * 2 > finished {
            self.failing_seconds += 1;
        } else if finished > 0 {
            self.failing_seconds = 0;
        }
        let interval = Interval {
            start_us: self.interval_start_us,
            length_us,
            phase: moment.phase,
            counters,
            subscribers: moment.subscribers,
            cpu_us: moment.machine.cpu_us,
            rss_bytes: moment.machine.rss_bytes,
        };
        observer.interval(&interval, &self.interval_latencies);
        self.latencies.merge(&self.interval_latencies);
        let latencies = std::mem::take(&mut self.interval_latencies);
        self.recent.push_back((counters, length_us, latencies));
        if self.recent.len() > RECENT_INTERVALS {
            self.recent.pop_front();
        }
        self.at_interval_start = total;
        self.interval_start_us = moment.now_us;
    }

    /// How the run stands.
    pub fn snapshot(&self, moment: &Moment<'_>) -> Snapshot {
        let (mut recent, mut recent_us, mut recent_latencies) = (Counters::default(), 0, Latencies::default());
        for (counters, length_us, latencies) in &self.recent {
            recent.add(counters);
            recent_us += length_us;
            recent_latencies.merge(latencies);
        }
        Snapshot {
            phase: moment.phase,
            elapsed_us: moment.now_us.saturating_sub(moment.since_us),
            length_us: moment.length_us,
            total: self.total(),
            subscribers: moment.subscribers,
            recent,
            recent_us,
            recent_latencies,
            cpu_us: moment.machine.cpu_us,
            now_us: moment.now_us,
        }
    }
}
