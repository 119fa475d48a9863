//! What a run shows while it runs: ticks of the workers summed into seconds.
//! Facts only.

use super::counters::Counters;
use super::worker::Report;
use crate::ledger::{GeneratorFigures, Latencies, LedgerPiece, RunRecord};
use crate::model::LatencyKind;
use crate::plan::StopRule;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

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
    /// What is known of the run so far: enough to read its folder.
    fn record(&mut self, record: &RunRecord);
    /// A piece of a worker's ledger so far: with the record, enough to report a
    /// run that is killed.
    fn checkpoint(&mut self, worker: usize, piece: &LedgerPiece);
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
    pub recent_latencies: Arc<Latencies>,
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
    /// Whether a fault of the plan may have sends fail.
    pub excused: bool,
    /// The machine's figures.
    pub machine: &'p GeneratorFigures,
}

/// How many seconds count as recent.
const RECENT_INTERVALS: usize = 5;
const INTERVAL_US: u64 = 1_000_000;
/// Between two sums of all histograms, so that a worker that shares the core is not held
/// up by all of them at once.
const BREATH: Duration = Duration::from_micros(100);

/// Sums up what the workers report.
pub struct Telemetry {
    by_worker: Vec<Counters>,
    interval_start_us: u64,
    at_interval_start: Counters,
    interval_latencies: Latencies,
    recent: VecDeque<(Counters, u64, Latencies)>,
    /// Their sum: it is asked for more often than it changes.
    recent_latencies: Arc<Latencies>,
    stop: StopRule,
    failing_us: u64,
    lag_limit_us: u64,
    /// The seconds in which sends left later than the plan allows at the p99, each
    /// by its start.
    pub lagging_at_us: Vec<u64>,
    /// Latencies of the whole run.
    pub latencies: Latencies,
    /// The latest trouble of a worker's subscribers, in words.
    pub trouble: Option<String>,
}

impl Telemetry {
    /// Nothing was reported yet. `lag_limit_us` is the p99 of `lag` that the plan
    /// allows.
    pub fn new(workers: usize, now_us: u64, stop: StopRule, lag_limit_us: u64) -> Self {
        Self {
            by_worker: vec![Counters::default(); workers],
            interval_start_us: now_us,
            at_interval_start: Counters::default(),
            interval_latencies: Latencies::default(),
            recent: VecDeque::new(),
            recent_latencies: Arc::default(),
            stop,
            failing_us: 0,
            lag_limit_us,
            lagging_at_us: Vec::new(),
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

    /// Whether too many of the sends have failed for too long.
    pub fn is_failing(&self) -> bool {
        self.stop.failed_for_us > 0 && self.failing_us >= self.stop.failed_for_us
    }

    /// Takes a worker's tick.
    pub fn take(&mut self, report: Report) {
        if let Report::Tick { worker, counters, mut latencies, trouble, back } = report {
            self.by_worker[worker] = counters;
            self.interval_latencies.merge(&latencies);
            self.trouble = trouble.or(self.trouble.take());
            latencies.clear();
            // A worker that has ended needs none.
            let _ = back.send(latencies);
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
        if moment.excused {
            self.failing_us = 0;
        } else if failed as f64 > self.stop.failed_share * finished as f64 {
            self.failing_us += length_us;
        } else if finished > 0 {
            self.failing_us = 0;
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
        let lag = self.interval_latencies.histogram(LatencyKind::Lag);
        if !lag.is_empty() && lag.value_at_quantile(0.99) > self.lag_limit_us {
            self.lagging_at_us.push(self.interval_start_us);
        }
        self.latencies.merge(&self.interval_latencies);
        let oldest = if self.recent.len() == RECENT_INTERVALS { self.recent.pop_front() } else { None };
        let mut empty = oldest.map(|(_, _, latencies)| latencies).unwrap_or_default();
        empty.clear();
        let latencies = std::mem::replace(&mut self.interval_latencies, empty);
        self.recent.push_back((counters, length_us, latencies));
        // Whoever was shown them has looked by now: the memory is taken again, not new.
        let recent = Arc::make_mut(&mut self.recent_latencies);
        recent.clear();
        for (_, _, latencies) in &self.recent {
            recent.merge(latencies);
            std::thread::sleep(BREATH);
        }
        self.at_interval_start = total;
        self.interval_start_us = moment.now_us;
    }

    /// How the run stands.
    pub fn snapshot(&self, moment: &Moment<'_>) -> Snapshot {
        Snapshot {
            phase: moment.phase,
            elapsed_us: moment.now_us.saturating_sub(moment.since_us),
            length_us: moment.length_us,
            total: self.total(),
            subscribers: moment.subscribers,
            recent: self.recent.iter().fold(Counters::default(), |mut sum, (counters, _, _)| {
                sum.add(counters);
                sum
            }),
            recent_us: self.recent.iter().map(|(_, length_us, _)| length_us).sum(),
            recent_latencies: self.recent_latencies.clone(),
            cpu_us: moment.machine.cpu_us,
            now_us: moment.now_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Observer for Nobody {
        fn interval(&mut self, _: &Interval, _: &Latencies) {}
        fn snapshot(&mut self, _: &Snapshot) {}
        fn event(&mut self, _: u64, _: &str, _: serde_json::Value) {}
        fn record(&mut self, _: &RunRecord) {}
        fn checkpoint(&mut self, _: usize, _: &LedgerPiece) {}
    }

    /// After how many seconds of these sends a run stops itself; each second is
    /// (failed, acknowledged, whether a fault excuses it).
    fn stops_after(stop: StopRule, seconds: &[(u64, u64, bool)]) -> Option<usize> {
        let mut telemetry = Telemetry::new(1, 0, stop, 1_000);
        let mut counters = Counters::default();
        for (second, (failed, acknowledged, excused)) in seconds.iter().enumerate() {
            counters.unknown += failed;
            counters.acknowledged += acknowledged;
            let (latencies, back) = (Box::default(), std::sync::mpsc::channel().0);
            telemetry.take(Report::Tick { worker: 0, counters, latencies, trouble: None, back });
            let (machine, now_us) = (GeneratorFigures::default(), (second as u64 + 1) * INTERVAL_US);
            let moment = Moment {
                now_us,
                phase: "load",
                since_us: 0,
                length_us: None,
                subscribers: 0,
                excused: *excused,
                machine: &machine,
            };
            telemetry.end_interval(&moment, false, &mut Nobody);
            if telemetry.is_failing() {
                return Some(second + 1);
            }
        }
        None
    }

    #[test]
    fn a_run_stops_itself_when_too_much_fails_for_too_long() {
        let usual = StopRule::default();
        let bad = (6, 5, false);
        for (stop, seconds, after, why) in [
            (usual, vec![bad; 12], Some(10), "more than half, for 10 s"),
            (usual, vec![(5, 5, false); 30], None, "half is not more than half"),
            (usual, [vec![bad; 9], vec![(0, 1, false)], vec![bad; 9]].concat(), None, "a good second between"),
            (usual, [vec![bad; 5], vec![(0, 0, false); 3], vec![bad; 5]].concat(), Some(13), "nothing says nothing"),
            (usual, vec![(9, 0, true); 30], None, "the workload's own fault"),
            (usual, [vec![(9, 0, true); 9], vec![bad; 10]].concat(), Some(19), "and afterwards"),
            (StopRule { failed_share: 0.1, failed_for_us: 2_000_000 }, vec![(2, 8, false); 5], Some(2), "as it is set"),
            (StopRule { failed_for_us: 0, ..usual }, vec![bad; 60], None, "switched off"),
        ] {
            assert_eq!(stops_after(stop, &seconds), after, "{why}");
        }
    }
}
