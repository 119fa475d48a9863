//! Writes down what happens during a run, as it happens, and shows it.

use super::observed::Observed;
use crate::commands::complain;
use crate::engine::{Counters, Interval, Observer, Snapshot, Stop};
use crate::ledger::{IntervalFigures, Latencies, LedgerPiece, RunRecord, TargetFigures};
use crate::model::LatencyKind;
use crate::report::{self, Metrics, Progress, ProgressMode, Standing};
use crate::results::{Checkpoints, EventLog, IntervalLog, LatencyLog, ResultsError, RunFolder};
use hdrhistogram::Histogram;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::SystemTime;
use tokio::sync::watch;

/// The files of a run that grow, and the live display.
pub struct Recorder {
    folder: RunFolder,
    latencies: LatencyLog,
    intervals: IntervalLog,
    events: EventLog,
    checkpoints: Checkpoints,
    progress: Progress,
    stopper: watch::Sender<Stop>,
    stop_said: bool,
    failure: Option<ResultsError>,
    cpu: (u64, u64, f64),
    metrics: Option<Metrics>,
    rss_bytes: u64,
    observed: Option<Observed>,
}

impl Recorder {
    /// Opens the files. A file that cannot be written later stops the run.
    pub fn create(
        folder: &RunFolder,
        mode: ProgressMode,
        stopper: watch::Sender<Stop>,
        observed: Option<Observed>,
    ) -> Result<Self, ResultsError> {
        Ok(Self {
            folder: folder.clone(),
            latencies: LatencyLog::create(folder, SystemTime::now())?,
            intervals: IntervalLog::create(folder)?,
            events: EventLog::create(folder)?,
            checkpoints: Checkpoints::of(folder),
            progress: Progress::new(mode),
            stopper,
            stop_said: false,
            failure: None,
            cpu: (0, 0, 0.0),
            metrics: None,
            rss_bytes: 0,
            observed,
        })
    }

    /// Keeps metrics up to date, too.
    pub fn tell(&mut self, metrics: Metrics) {
        self.metrics = Some(metrics);
    }

    /// Ends the display; the first failure to write, if there was one.
    pub fn finish(&mut self) -> Result<(), ResultsError> {
        self.progress.finish();
        self.failure.take().map_or(Ok(()), Err)
    }

    /// What the target's process used, where it was observed.
    pub fn target(&mut self) -> Option<TargetFigures> {
        self.observed.take().map(Observed::end)
    }

    /// Without its files a run is worth nothing: it ends, and what was written
    /// stays.
    fn check(&mut self, written: Result<(), ResultsError>) {
        if let Err(error) = written
            && self.failure.is_none()
        {
            self.failure = Some(error);
            self.stopper.send_replace(Stop::Now);
        }
    }

    /// Share of a core since the last look.
    fn cpu_fraction(&mut self, snapshot: &Snapshot) -> f64 {
        let (cpu_us, at_us, fraction) = self.cpu;
        if snapshot.cpu_us > cpu_us && snapshot.now_us > at_us {
            let now = (snapshot.cpu_us - cpu_us) as f64 / (snapshot.now_us - at_us) as f64;
            self.cpu = (snapshot.cpu_us, snapshot.now_us, now);
            return now;
        }
        fraction
    }
}

impl Observer for Recorder {
    fn interval(&mut self, interval: &Interval, latencies: &Latencies) {
        let figures = figures(interval);
        let intervals = self.intervals.append(&figures, latencies);
        self.check(intervals);
        let histograms = self.latencies.append(interval.start_us, interval.length_us, latencies);
        self.check(histograms);
        self.rss_bytes = interval.rss_bytes;
        if let Some(metrics) = &self.metrics {
            metrics.add(latencies);
        }
    }

    fn snapshot(&mut self, snapshot: &Snapshot) {
        if *self.stopper.borrow() > Stop::No && !std::mem::replace(&mut self.stop_said, true) {
            self.progress.note("stopping: no further message is sent; Ctrl-C again leaves at once");
        }
        if let Some(metrics) = &self.metrics {
            metrics.stands(standing(snapshot, self.rss_bytes));
        }
        let cpu_fraction = self.cpu_fraction(snapshot);
        self.progress.update(&shown(snapshot, cpu_fraction), snapshot.now_us);
    }

    fn setting_up(&mut self, what: &str, done: usize, all: usize) {
        self.progress.setting_up(what, done, all);
    }

    fn event(&mut self, at_us: u64, kind: &str, detail: Value) {
        tracing::info!(at_us, kind, %detail);
        if let ("phase", Some(observed), Some(name)) = (kind, &self.observed, detail["phase"].as_str()) {
            observed.phase(name);
        }
        if let ("setup", Some(addresses)) = (kind, detail["addresses"].as_array()) {
            tell_addresses(addresses);
        }
        let written = self.events.append(at_us, kind, detail);
        self.check(written);
    }

    fn record(&mut self, record: &RunRecord) {
        let written = self.folder.checkpoint_record(record);
        self.check(written);
    }

    fn checkpoint(&mut self, worker: usize, piece: &LedgerPiece) {
        let written = self.checkpoints.take(worker, piece);
        self.check(written);
    }
}

/// Says where load goes, unless it stays on this machine.
fn tell_addresses(addresses: &[Value]) {
    let addresses: Vec<SocketAddr> = addresses.iter().filter_map(|address| address.as_str()?.parse().ok()).collect();
    if addresses.iter().any(|address| !address.ip().is_loopback()) {
        let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        complain(&format!("load goes to {}, and nowhere else", shown.join(", ")));
    }
}

fn figures(interval: &Interval) -> IntervalFigures {
    let counters = &interval.counters;
    IntervalFigures {
        at_us: interval.start_us,
        length_us: interval.length_us,
        phase: interval.phase.to_owned(),
        intended: counters.intended,
        attempted: counters.attempts,
        acknowledged: counters.acknowledged,
        rejected: counters.rejected,
        unknown: counters.unknown,
        retries: counters.retries,
        delivered: counters.delivered,
        duplicates: counters.duplicates,
        healed: counters.healed,
        in_flight: counters.in_flight,
        queued: queued(counters),
        connected: counters.connected,
        reconnecting: interval.subscribers.saturating_sub(counters.connected),
        cpu_us: interval.cpu_us,
        rss_bytes: interval.rss_bytes,
    }
}

/// The snapshot by the names that metrics have.
fn standing(snapshot: &Snapshot, rss_bytes: u64) -> Standing {
    let total = &snapshot.total;
    Standing {
        messages: vec![
            ("acknowledged", total.acknowledged),
            ("written", total.written),
            ("rejected", total.rejected),
            ("unknown", total.unknown),
            ("unattempted", total.unattempted),
        ],
        counts: vec![
            ("intended_messages", "Messages that the schedule asked for", total.intended),
            ("attempts", "Tries of all messages", total.attempts),
            ("retries", "Tries after the first of each message", total.retries),
            ("deliveries", "First live copies, for each subscriber", total.delivered),
            ("duplicate_deliveries", "Further live copies", total.duplicates),
            ("healed_deliveries", "Messages that subscribers had from history first", total.healed),
            ("lost_connections", "Connections lost that the workload did not ask for", total.lost_connections),
            ("catch_ups", "Reads of history after a reconnect", total.catch_ups),
        ],
        levels: vec![
            ("in_flight", "Tries that wait for their answer", total.in_flight),
            ("queued_messages", "Messages that wait for their user's earlier send", queued(total)),
            ("subscribers", "Subscribers of the plan", snapshot.subscribers),
            ("connected_subscribers", "Subscribers with a confirmed subscription", total.connected),
        ],
        cpu_s: snapshot.cpu_us as f64 / 1e6,
        rss_bytes,
    }
}

fn queued(counters: &Counters) -> u64 {
    counters.pending.saturating_sub(counters.in_flight)
}

fn shown(snapshot: &Snapshot, cpu_fraction: f64) -> report::Snapshot {
    let per_s = |count: u64| count as f64 * 1e6 / snapshot.recent_us.max(1) as f64;
    let recent = |kind| snapshot.recent_latencies.histogram(kind);
    let at =
        |histogram: &Histogram<u64>, quantile| (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile));
    let (ack, delivery) = (recent(LatencyKind::Ack), recent(LatencyKind::Delivery));
    report::Snapshot {
        phase: snapshot.phase.to_owned(),
        phase_elapsed_us: snapshot.elapsed_us,
        phase_length_us: snapshot.length_us,
        offered_per_s: per_s(snapshot.recent.intended),
        achieved_per_s: per_s(snapshot.recent.acknowledged + snapshot.recent.written),
        delivered_per_s: per_s(snapshot.recent.delivered),
        ack_p50_us: at(ack, 0.5),
        ack_p99_us: at(ack, 0.99),
        delivery_p50_us: at(delivery, 0.5),
        delivery_p99_us: at(delivery, 0.99),
        lag_p99_us: at(recent(LatencyKind::Lag), 0.99),
        in_flight: snapshot.total.in_flight,
        queued: queued(&snapshot.total),
        unknown: snapshot.total.unknown,
        healed: snapshot.total.healed,
        subscribers: snapshot.subscribers,
        connected: snapshot.total.connected,
        reconnecting: snapshot.subscribers.saturating_sub(snapshot.total.connected),
        cpu_fraction,
    }
}
