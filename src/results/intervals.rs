//! `intervals.csv`: a row a second per operation.
//!
//! The operation `load` has the counts of messages and the state of the run;
//! each latency has its count and its quantiles. All counts are of the
//! interval, not since the start; gauges are as at its end.

use super::files::{GrowingFile, read_whole, whole_lines};
use super::findings::safe_cell;
use super::{ResultsError, RunFolder};
use crate::ledger::{IntervalFigures, IntervalLatency, Latencies, MeasuredInterval};
use crate::model::LatencyKind;
use std::path::Path;

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

/// The intervals of an `intervals.csv`, in order. A last line that a killed run
/// did not finish is left out; any other row that cannot be read is an error
/// that names it.
pub fn read_intervals(path: &Path) -> Result<Vec<MeasuredInterval>, ResultsError> {
    let bytes = read_whole(path)?;
    let mut intervals: Vec<MeasuredInterval> = Vec::new();
    for (rank, row) in csv::Reader::from_reader(whole_lines(&bytes)).records().enumerate() {
        let malformed = |reason: String| ResultsError::malformed(path, format!("line {}: {reason}", rank + 2));
        let row = row.map_err(|error| malformed(error.to_string()))?;
        let cells: Vec<&str> = row.iter().collect();
        let cells: &[&str; COLUMNS.len()] =
            cells.as_slice().try_into().map_err(|_| malformed(format!("not {} columns", COLUMNS.len())))?;
        match (cells[2], intervals.last_mut()) {
            ("load", _) => {
                let figures = figures_of(cells).map_err(malformed)?;
                intervals.push(MeasuredInterval { figures, ..MeasuredInterval::default() });
            }
            (name, Some(interval)) => {
                let kind = LatencyKind::from_name(name);
                let kind = kind.ok_or_else(|| malformed(format!("unknown operation {name:?}")))?;
                interval.latencies.insert(kind, latency_of(cells).map_err(malformed)?);
            }
            (_, None) => return Err(malformed("a latency before the first interval".to_owned())),
        }
    }
    Ok(intervals)
}

fn figures_of(cells: &[&str; COLUMNS.len()]) -> Result<IntervalFigures, String> {
    Ok(IntervalFigures {
        at_us: micros(cells, 0)?,
        length_us: micros(cells, 25)?,
        phase: cells[1].to_owned(),
        intended: number(cells, 10)?,
        attempted: number(cells, 11)?,
        acknowledged: number(cells, 12)?,
        rejected: number(cells, 13)?,
        unknown: number(cells, 14)?,
        retries: number(cells, 15)?,
        delivered: number(cells, 16)?,
        duplicates: number(cells, 17)?,
        healed: number(cells, 18)?,
        in_flight: number(cells, 19)?,
        queued: number(cells, 20)?,
        connected: number(cells, 21)?,
        reconnecting: number(cells, 22)?,
        cpu_us: number(cells, 23)?,
        rss_bytes: number(cells, 24)?,
    })
}

fn latency_of(cells: &[&str; COLUMNS.len()]) -> Result<IntervalLatency, String> {
    Ok(IntervalLatency {
        count: number(cells, 3)?,
        p50_us: number(cells, 5)?,
        p90_us: number(cells, 6)?,
        p99_us: number(cells, 7)?,
        max_us: number(cells, 8)?,
    })
}

fn number(cells: &[&str; COLUMNS.len()], at: usize) -> Result<u64, String> {
    cells[at].parse().map_err(|_| format!("{} is {:?}, not a number", COLUMNS[at], cells[at]))
}

/// A cell in seconds.
fn micros(cells: &[&str; COLUMNS.len()], at: usize) -> Result<u64, String> {
    let seconds: f64 = cells[at].parse().map_err(|_| format!("{} is {:?}, not a number", COLUMNS[at], cells[at]))?;
    Ok((seconds * 1e6).round() as u64)
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
