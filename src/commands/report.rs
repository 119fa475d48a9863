//! `posthaste report`: judge and render again from the files of a run.

use super::complain;
use crate::cli::{ReportArgs, ReportFormat};
use crate::exit_code;
use crate::judge::{FaultPart, Input, RunSummary, TimedLatencies, confined, is_of, judge, part_of, times_of};
use crate::ledger::{FaultRecord, Latencies, RunRecord};
use crate::model::LatencyKind;
use crate::plan::profile::load_effective;
use crate::plan::{During, RunPlan};
use crate::report::{Figures, Style, bench, github_annotations, html, junit, markdown, terminal};
use crate::results::{
    ResultsError, RunFolder, private_file, read_intervals, read_latencies, read_latencies_of, read_ledger,
    write_history,
};
use anyhow::Context;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

/// Width of a report that no terminal shows.
const FILE_WIDTH: usize = 100;

/// Prints the summary to stdout and returns the exit code of the run, or
/// [`exit_code::USAGE`] where there is no run.
pub fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    let folder = match RunFolder::open(&args.folder) {
        Ok(folder) => folder,
        Err(error) => {
            complain(&error.to_string());
            return Ok(exit_code::USAGE);
        }
    };
    let summary = judge_again(&folder)?;
    if let Some(file) = &args.history {
        write_history_file(&folder, file)?;
    }
    let shown = shown_path(&args.folder, &folder);
    if args.write {
        write_summary_files(&folder, &summary, &shown)?;
    }
    let format = if args.json { ReportFormat::Json } else { args.format };
    let text = match format {
        ReportFormat::Text => terminal(&summary, Some(&shown), stdout_style()),
        ReportFormat::Markdown => markdown(&summary),
        ReportFormat::Html => page_of(&folder, &summary)?,
        ReportFormat::Junit => junit(&summary),
        ReportFormat::Github => github_annotations(&summary),
        ReportFormat::Json => serde_json::to_string_pretty(&summary)? + "\n",
    };
    match io::stdout().write_all(text.as_bytes()) {
        // `posthaste report | head` is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(summary.exit_code),
    }
}

/// Writes what happened, a line for each thing.
fn write_history_file(folder: &RunFolder, path: &Path) -> anyhow::Result<()> {
    let (ledger, record) = read_ledger(folder)?;
    let named = || path.display().to_string();
    let mut out = BufWriter::new(private_file(path).with_context(named)?);
    write_history(&mut out, &plan_of(folder)?, &record, &ledger).and_then(|()| out.flush()).with_context(named)
}

fn plan_of(folder: &RunFolder) -> anyhow::Result<RunPlan> {
    Ok(load_effective(&folder.read_plan()?, &folder.file("plan.toml").display().to_string())?)
}

/// Judges the files of a run: finished, interrupted or killed.
pub fn judge_again(folder: &RunFolder) -> anyhow::Result<RunSummary> {
    let plan = plan_of(folder)?;
    let (ledger, record) = read_ledger(folder)?;
    let latencies = latencies_of(folder, &record)?;
    let timed = timed_latencies(folder, &plan, &record)?;
    Ok(judge(&Input { plan: &plan, record: &record, ledger: &ledger, latencies: &latencies, timed: &timed }))
}

/// The latencies while faults were in force, for the thresholds that are
/// confined to them, and by the parts of each fault.
pub fn timed_latencies(folder: &RunFolder, plan: &RunPlan, record: &RunRecord) -> Result<TimedLatencies, ResultsError> {
    let log = folder.file("latency.hlog");
    let of = |during: During| {
        let times = times_of(plan, record, during);
        let read = read_latencies_of(&log, |kind, start_us, end_us| is_of(&times, kind, start_us, end_us));
        Ok((during, or_nothing(read)?))
    };
    let during: Result<_, ResultsError> = confined(&plan.thresholds).into_iter().map(of).collect();
    let deliveries: Result<_, ResultsError> = record.faults.iter().map(|fault| by_parts(&log, fault)).collect();
    Ok(TimedLatencies { during: during?, deliveries: deliveries? })
}

/// `delivery` before, during and after a fault.
fn by_parts(log: &Path, fault: &FaultRecord) -> Result<BTreeMap<FaultPart, Histogram<u64>>, ResultsError> {
    let of = |part| {
        let read = read_latencies_of(log, |kind, start_us, end_us| {
            kind == LatencyKind::Delivery && part_of(fault, start_us, end_us) == Some(part)
        });
        Ok((part, or_nothing(read)?.histogram(LatencyKind::Delivery).clone()))
    };
    [FaultPart::Before, FaultPart::During, FaultPart::After].into_iter().map(of).collect()
}

/// A run that was killed before its first second may have no latencies.
fn latencies_of(folder: &RunFolder, record: &RunRecord) -> Result<Latencies, ResultsError> {
    match read_latencies(&folder.file("latency.hlog")) {
        Err(error) if record.killed && error.is_not_found() => Ok(Latencies::default()),
        read => read,
    }
}

/// Writes what people and pipelines read of a run, at its end and by `report
/// --write`. `shown` is the folder as the user would type it.
pub fn write_summary_files(folder: &RunFolder, summary: &RunSummary, shown: &str) -> Result<(), ResultsError> {
    folder.write_summary(summary)?;
    folder.write_text("summary.md", &markdown(summary))?;
    folder.write_text("summary.txt", &terminal(summary, Some(shown), Style { colour: false, width: FILE_WIDTH }))?;
    folder.write_text("junit.xml", &junit(summary))?;
    folder.write_text("bench.json", &bench(summary))?;
    folder.write_text("report.html", &page_of(folder, summary)?)
}

/// The page, with as many charts as there are files for: a run that was killed
/// early has none.
fn page_of(folder: &RunFolder, summary: &RunSummary) -> Result<String, ResultsError> {
    let intervals = or_nothing(read_intervals(&folder.file("intervals.csv")))?;
    let latencies = or_nothing(read_latencies(&folder.file("latency.hlog")))?;
    Ok(html(summary, &Figures { intervals: &intervals, latencies: &latencies }))
}

fn or_nothing<T: Default>(read: Result<T, ResultsError>) -> Result<T, ResultsError> {
    match read {
        Err(error) if error.is_not_found() => Ok(T::default()),
        read => read,
    }
}

/// Colour and width of stdout: colour only on a terminal, and not where
/// `NO_COLOR` is set to anything (no-color.org).
pub fn stdout_style() -> Style {
    let is_terminal = io::stdout().is_terminal();
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0));
    Style { colour: is_terminal && !refused, width: width.unwrap_or(FILE_WIDTH) }
}

/// `results/latest` as the run that it points at, and everything else as
/// typed.
fn shown_path(typed: &Path, folder: &RunFolder) -> String {
    let is_link = typed.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    match folder.path().file_name().filter(|_| is_link) {
        Some(name) => typed.with_file_name(name).display().to_string(),
        None => typed.display().to_string(),
    }
}
