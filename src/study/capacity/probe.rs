//! One probe as a run: its arguments, and what is read of its folder.

use super::{Search, WORKLOAD};
use crate::judge::capacity::{
    CapacityProbe, Measured, Outcome, Phase, Purpose, Recovery, SearchSettings, Second, probe_of, recovery,
};
use crate::ledger::{IntervalLatency, MeasuredInterval};
use crate::results::{ResultsError, RunFolder, read_intervals};
use crate::study::NoRun;
use std::path::Path;
use std::time::Instant;

/// Makes a probe; what an overload did, where it was one.
pub(super) fn make(
    search: &Search<'_>,
    number: u32,
    purpose: Purpose,
    load: f64,
    started: Instant,
) -> Result<(CapacityProbe, Option<Recovery>), NoRun> {
    let name = format!("{number:02}-{}-{}", purpose.name().replace(' ', "-"), load);
    let ended = search.children.run(&args(search, purpose, load), &search.folder.path().join("probes").join(name))?;
    let run = search.folder.relative(&ended.folder);
    let took_s = started.elapsed().as_secs_f64();
    let measured = Measured { run: &run, summary: &ended.summary, took_s };
    let mut probe = probe_of(&search.settings, number, purpose, load, &measured);
    let is_overload = purpose == Purpose::Overload && probe.outcome == Outcome::Held;
    let found = is_overload.then(|| seconds(&ended.folder)).transpose().unwrap_or_else(|error| {
        probe.because = format!("the recovery is not known: {error}");
        None
    });
    let found = found.map(|seconds| recovery(&search.settings, number, load, &seconds));
    Ok((probe, found))
}

fn args(search: &Search<'_>, purpose: Purpose, load: f64) -> Vec<String> {
    let settings = &search.settings;
    let mut args = vec![search.folder.path().join(WORKLOAD).display().to_string()];
    args.extend(search.about.run_args.iter().cloned());
    let mut set = |key: &str, value: String| args.extend(["--set".to_owned(), format!("{key}={value}")]);
    set("arrival.phases", phases(&settings.phases(purpose, load)));
    set("thresholds", objective(settings));
    let [users, channels, senders, subscribers] = settings.population_of(load);
    let subscribers = if purpose == Purpose::CostOfPosts { 0 } else { subscribers };
    set("population.users", users.to_string());
    set("population.channels", channels.to_string());
    set("population.senders", senders.to_string());
    set("population.subscribers", subscribers.to_string());
    args
}

/// As TOML.
fn phases(phases: &[Phase]) -> String {
    let one = |phase: &Phase| {
        let kind = if phase.is_warm_up { "warm-up" } else { "steady" };
        let duration_us = (phase.seconds * 1e6) as u64;
        format!("{{kind=\"{kind}\",duration=\"{duration_us}us\",rate={:?}}}", phase.rate_per_s)
    };
    format!("[{}]", phases.iter().map(one).collect::<Vec<_>>().join(","))
}

/// As TOML.
fn objective(settings: &SearchSettings) -> String {
    let quoted: Vec<String> = settings.objective.iter().map(|expr| format!("{expr:?}")).collect();
    format!("[{}]", quoted.join(","))
}

/// What each second of a run brought.
fn seconds(folder: &Path) -> Result<Vec<Second>, ResultsError> {
    let folder = RunFolder::open(folder)?;
    let start_s = folder.read_record()?.load_start_us as f64 / 1e6;
    let quantiles = |of: &IntervalLatency| [of.p50_us, of.p90_us, of.p99_us, of.max_us];
    let of_second = |interval: &MeasuredInterval| {
        let (figures, latencies) = (&interval.figures, &interval.latencies);
        Second {
            start_s: figures.at_us as f64 / 1e6 - start_s,
            length_s: figures.length_us as f64 / 1e6,
            acknowledged: figures.acknowledged,
            backlog: figures.in_flight + figures.queued,
            latency_us: latencies.iter().map(|(kind, of)| (kind.name().to_owned(), quantiles(of))).collect(),
        }
    };
    Ok(read_intervals(&folder.file("intervals.csv"))?.iter().map(of_second).collect())
}
