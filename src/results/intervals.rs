//! `intervals.csv`: a row a second per operation.
//!
//! The operation `load` has the counts of messages and the state of the run;
//! each latency has its count and its quantiles. All counts are of the
//! interval, not since the start; gauges are as at its end.

use super::files::{GrowingFile, read_whole, whole_lines};
use super::findings::safe_cell;
use super::{ResultsError, RunFolder};
use crate::ledger::Latencies;
use crate::model::LatencyKind;
use serde::Deserialize;
use std::path::Path;

/// What happened in one interval, latencies aside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntervalFigures {
    /// Start of the interval in µs since the start of the run.
    pub at_us: u64,
    /// Its length in µs.
    pub length_us: u64,
    /// The phase at its end: "warm-up", "steady", "drain", …
    pub phase: String,
    /// Messages that the schedule asked for.
    pub intended: u64,
    /// Tries that were begun, retries included.
    pub attempted: u64,
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Messages that ended rejected.
    pub rejected: u64,
    /// Messages that ended unknown.
    pub unknown: u64,
    /// Tries after the first of their message.
    pub retries: u64,
    /// First live copies, per (message, subscriber).
    pub delivered: u64,
    /// Further live copies.
    pub duplicates: u64,
    /// Messages obtained from history by subscribers.
    pub healed: u64,
    /// Messages being sent, as at the end of the interval.
    pub in_flight: u64,
    /// Messages waiting for their user's earlier send, as at the end.
    pub queued: u64,
    /// Subscribers with a confirmed subscription, as at the end.
    pub connected: u64,
    /// Subscribers that are to have one and have none, as at the end.
    pub reconnecting: u64,
    /// CPU time of the process in µs.
    pub cpu_us: u64,
    /// Resident memory in bytes, as at the end.
    pub rss_bytes: u64,
}

const COLUMNS: [&str; 26] = [
    "at_s",
    "phase",
    "operation",
    "count",
    "per_s",
    "p50_us",
    "p90_us",
    "p99_us",
    "max_us",
    "out_of_range",
    "intended",
    "attempted",
    "acknowledged",
    "rejected",
    "unknown",
    "retries",
    "delivered",
    "duplicates",
    "healed",
    "in_flight",
    "queued",
    "connected",
    "reconnecting",
    "cpu_us",
    "rss_bytes",
    "length_s",
];

/// Writes the rows of each interval as it ends.
#[derive(Debug)]
pub struct IntervalLog {
    file: GrowingFile,
}

impl IntervalLog {
    /// Creates `intervals.csv` with its head.
    pub fn create(folder: &RunFolder) -> Result<Self, ResultsError> {
        let mut log = Self { file: GrowingFile::create(folder.file("intervals.csv"))? };
        log.file.append(&csv_lines([COLUMNS.map(str::to_owned)]))?;
        Ok(log)
    }

    /// Appends the rows of one interval: `load`, and every latency that was
    /// measured in it. They are in the file when this returns.
    pub fn append(&mut self, figures: &IntervalFigures, latencies: &Latencies) -> Result<(), ResultsError> {
        let load = load_row(figures, latencies.errors());
        let measured = LatencyKind::ALL.into_iter().filter(|kind| !latencies.histogram(*kind).is_empty());
        let rows = measured.map(|kind| latency_row(figures, kind, latencies));
        self.file.append(&csv_lines(std::iter::once(load).chain(rows)))
    }
}

/// A row of the file, as far as somebody reads it again. Counts are 0 in the
/// rows of latencies, and quantiles in the row of the load.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IntervalRow {
    /// Start of the interval in seconds since the start of the run.
    pub at_s: f64,
    /// `load`, or the name of a latency.
    pub operation: String,
    /// Length of the interval in seconds.
    pub length_s: Option<f64>,
    /// Median in µs.
    pub p50_us: Option<u64>,
    /// 90 % in µs.
    pub p90_us: Option<u64>,
    /// 99 % in µs.
    pub p99_us: Option<u64>,
    /// The greatest in µs.
    pub max_us: Option<u64>,
    /// Messages that were acknowledged.
    pub acknowledged: Option<u64>,
    /// Messages being sent at the end.
    pub in_flight: Option<u64>,
    /// Messages waiting for their user's earlier send at the end.
    pub queued: Option<u64>,
}

/// Reads the rows; what a killed run did not finish is left out.
pub fn read_intervals(path: &Path) -> Result<Vec<IntervalRow>, ResultsError> {
    let bytes = read_whole(path)?;
    let rows = csv::Reader::from_reader(whole_lines(&bytes)).into_deserialize();
    rows.map(|row| row.map_err(|error| ResultsError::malformed(path, error))).collect()
}

type Row = [String; COLUMNS.len()];

fn load_row(figures: &IntervalFigures, out_of_range: u64) -> Row {
    let mut row = row_head(figures, "load", figures.intended);
    let counts = [
        out_of_range,
        figures.intended,
        figures.attempted,
        figures.acknowledged,
        figures.rejected,
        figures.unknown,
        figures.retries,
        figures.delivered,
        figures.duplicates,
        figures.healed,
        figures.in_flight,
        figures.queued,
        figures.connected,
        figures.reconnecting,
        figures.cpu_us,
        figures.rss_bytes,
    ];
    for (cell, count) in row[9..25].iter_mut().zip(counts) {
        *cell = count.to_string();
    }
    row[25] = seconds(figures.length_us);
    row
}

fn latency_row(figures: &IntervalFigures, kind: LatencyKind, latencies: &Latencies) -> Row {
    let histogram = latencies.histogram(kind);
    let mut row = row_head(figures, kind.name(), histogram.len());
    for (cell, quantile) in row[5..8].iter_mut().zip([0.5, 0.9, 0.99]) {
        *cell = histogram.value_at_quantile(quantile).to_string();
    }
    row[8] = histogram.max().to_string();
    row
}

fn row_head(figures: &IntervalFigures, operation: &str, count: u64) -> Row {
    let mut row = Row::default();
    row[0] = seconds(figures.at_us);
    row[1] = safe_cell(&figures.phase);
    row[2] = operation.to_owned();
    row[3] = count.to_string();
    row[4] = per_second(count, figures.length_us);
    row
}

fn seconds(us: u64) -> String {
    format!("{:.3}", us as f64 / 1e6)
}

fn per_second(count: u64, length_us: u64) -> String {
    format!("{:.1}", count as f64 * 1e6 / length_us.max(1) as f64)
}

fn csv_lines(rows: impl IntoIterator<Item = Row>) -> Vec<u8> {
    let in_memory = "a vector takes all, and every row has the same columns";
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).expect(in_memory);
    }
    writer.into_inner().expect(in_memory)
}
