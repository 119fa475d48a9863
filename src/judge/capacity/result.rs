//! What the probes come to.

use super::cost;
use super::least_squares::non_negative;
use super::lengths::HOLDS;
use super::search::State;
use super::summary::{
    CapacityAbout, CapacityProbe, CapacityResult, CapacitySummary, CapacityVerdict, GeneratorCeiling, Outcome,
    Recovery, SearchSettings,
};
use super::usl;
use crate::exit_code;
use crate::plan::{Metric, Threshold};

/// Version of the format of `capacity.json`.
const SCHEMA_VERSION: u32 = 1;
/// A result above this share of the generator's own ceiling is only a lower
/// bound.
const SURE_SHARE: f64 = 0.7;

/// How a search stands or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It goes on.
    UnderWay,
    /// It is at its end.
    Finished,
    /// A signal ended it.
    Interrupted,
}

/// The summary of a search as far as it went.
pub fn concluded(
    about: CapacityAbout,
    settings: SearchSettings,
    probes: Vec<CapacityProbe>,
    recovery: Option<Recovery>,
    ending: Ending,
) -> CapacitySummary {
    let state = State::new(&settings, &probes);
    let mut result = result(&settings, &probes, &state);
    let generator = result.as_ref().and_then(|result| generator(&probes, result));
    if let (Some(result), Some(generator)) = (&mut result, &generator) {
        result.at_least |= generator.share > SURE_SHARE;
    }
    let verdict = verdict(&probes, result.as_ref(), ending);
    let says_something =
        |probe: &&CapacityProbe| probe.purpose.is_search() && matches!(probe.outcome, Outcome::Held | Outcome::Failed);
    let points: Vec<(f64, f64)> =
        probes.iter().filter(says_something).map(|probe| (probe.load, probe.achieved_per_s)).collect();
    let source = if about.url.is_some() { "the target's process" } else { "the built-in server" };
    CapacitySummary {
        schema_version: SCHEMA_VERSION,
        posthaste_version: env!("CARGO_PKG_VERSION").to_owned(),
        verdict,
        exit_code: match verdict {
            CapacityVerdict::Found => exit_code::PASS,
            CapacityVerdict::NoneHolds => exit_code::THRESHOLD,
            CapacityVerdict::Incorrect => exit_code::INCORRECT,
            CapacityVerdict::Interrupted => exit_code::INTERRUPTED,
            _ => exit_code::INCONCLUSIVE,
        },
        usl: usl::fit(&points, state.failed()),
        egress: cost::egress(&probes),
        cost: cost::fit(&probes, result.as_ref().map_or(0.0, |result| result.load), source),
        notes: notes(&about.run_args, &settings, &state, result.as_ref()),
        recovery,
        generator,
        result,
        about,
        settings,
        probes,
    }
}

fn verdict(probes: &[CapacityProbe], result: Option<&CapacityResult>, ending: Ending) -> CapacityVerdict {
    let has = |outcome: Outcome| probes.iter().any(|probe| probe.outcome == outcome);
    match (ending, result) {
        _ if has(Outcome::Incorrect) => CapacityVerdict::Incorrect,
        (Ending::Interrupted, _) => CapacityVerdict::Interrupted,
        (Ending::UnderWay, _) => CapacityVerdict::Unfinished,
        (Ending::Finished, Some(result)) if result.holds >= result.of_holds => CapacityVerdict::Found,
        (Ending::Finished, Some(_)) => CapacityVerdict::Unconfirmed,
        (Ending::Finished, None) if has(Outcome::Failed) => CapacityVerdict::NoneHolds,
        (Ending::Finished, None) => CapacityVerdict::Inconclusive,
    }
}

fn result(settings: &SearchSettings, probes: &[CapacityProbe], state: &State<'_>) -> Option<CapacityResult> {
    let held = state.held()?;
    let candidate = state.candidate().filter(|load| state.holds_at(*load).next().is_some());
    let load = candidate.unwrap_or(held);
    let holds: Vec<&CapacityProbe> = state.holds_at(load).collect();
    let at_load =
        |probe: &&CapacityProbe| probe.purpose.is_search() && probe.load == load && probe.outcome == Outcome::Held;
    let basis = if holds.is_empty() { probes.iter().filter(at_load).collect() } else { holds.clone() };
    let failed = state.failed();
    // What stopped the search below was no failure of the target.
    let at_least = match (failed, state.limited()) {
        (None, _) => true,
        (Some(failed), Some(limited)) => limited < failed,
        (Some(_), None) => false,
    };
    let limit = limit(probes, failed);
    let values = limit.as_ref().and_then(|limit| {
        let of = |probe: &&CapacityProbe| probe.thresholds.iter().find(|one| one.expr == *limit)?.value;
        let all: Vec<f64> = basis.iter().filter_map(of).collect();
        Some((all.iter().copied().min_by(f64::total_cmp)?, all.iter().copied().max_by(f64::total_cmp)?))
    });
    Some(CapacityResult {
        load,
        at_least,
        holds: holds.len() as u32,
        of_holds: HOLDS,
        hold_s: settings.hold_s,
        failed,
        limit,
        values,
        goodput: basis.iter().filter_map(|probe| probe.goodput).min_by(f64::total_cmp),
        lag_p99_us: basis.iter().filter_map(|probe| probe.lag_p99_us).max(),
        probes: basis.iter().map(|probe| probe.number).collect(),
    })
}

/// The latency threshold that broke where the objective failed; otherwise the
/// first latency of the objective.
fn limit(probes: &[CapacityProbe], failed: Option<f64>) -> Option<String> {
    let is_latency = |expr: &str| {
        Threshold::parse(expr).is_ok_and(|threshold| {
            matches!(threshold.metric, Metric::Latency { .. }) && threshold.metric.needs_latencies()
        })
    };
    let at_failure = probes.iter().find(|probe| Some(probe.load) == failed && probe.outcome == Outcome::Failed);
    let broken = at_failure.and_then(|probe| {
        let broke = |expr: &str, value: Option<f64>| {
            Threshold::parse(expr).is_ok_and(|threshold| value.is_some_and(|value| !threshold.holds(value)))
        };
        probe.thresholds.iter().find(|one| is_latency(&one.expr) && broke(&one.expr, one.value))
    });
    let first = || probes.first()?.thresholds.iter().find(|one| is_latency(&one.expr));
    broken.or_else(first).map(|one| one.expr.clone())
}

/// A line through the CPU time of the busiest worker over the loads that held.
fn generator(probes: &[CapacityProbe], result: &CapacityResult) -> Option<GeneratorCeiling> {
    let held =
        |probe: &&CapacityProbe| probe.purpose.is_search() && probe.outcome == Outcome::Held && probe.worker_cpu > 0.0;
    let held: Vec<&CapacityProbe> = probes.iter().filter(held).collect();
    let limit = held.first()?.worker_cpu_limit;
    let rows: Vec<([f64; 2], f64)> = held.iter().map(|probe| ([1.0, probe.load], probe.worker_cpu)).collect();
    let [constant, per_load] = non_negative(&rows)?;
    let load = (limit - constant) / per_load;
    let worker_cpu = constant + per_load * result.load;
    let ceiling = GeneratorCeiling { load, share: result.load / load, worker_cpu, worker_cpu_limit: limit };
    Some(ceiling).filter(|ceiling| ceiling.load.is_finite() && ceiling.load > 0.0)
}

fn notes(
    run_args: &[String],
    settings: &SearchSettings,
    state: &State<'_>,
    result: Option<&CapacityResult>,
) -> Vec<String> {
    let mut notes = Vec::new();
    if run_args.iter().any(|arg| arg == "--insecure") {
        notes.push("certificates were not verified (--insecure)".to_owned());
    }
    if settings.shortened {
        notes.push(format!(
            "the budget of {:.0} s made the probes shorter: {:.1} s counted behind {:.1} s of warm-up instead of 30 s \
             behind 15 s, holds of {:.0} s instead of five minutes, an overload of {:.0} s instead of 30 s",
            settings.budget_s, settings.probe_s, settings.warm_up_s, settings.hold_s, settings.overload_s
        ));
    }
    let Some(result) = result else { return notes };
    match (result.failed, state.limited()) {
        (None, Some(_)) => notes.push("no load failed: what stopped the search was the generator".to_owned()),
        (None, None) if settings.max.is_some_and(|max| result.load >= max) => {
            notes.push("no load failed up to --max".to_owned());
        }
        (None, None) => {
            notes.push("no load failed twice before the budget was used up; give more with --budget".to_owned())
        }
        (Some(failed), _) if state.fell().is_empty() && failed > result.load * 1.06 => notes.push(format!(
            "what lies between {:.0} and {failed:.0} was not tried: the budget was used up; go on with --resume",
            result.load
        )),
        (Some(_), _) => {}
    }
    if let Some(least) = state.fell().first() {
        notes.push(format!("{least:.0} and more was kept by short probes, and not through a hold"));
    }
    if result.holds < result.of_holds {
        notes.push(format!("{} of {} holds: the budget was used up", result.holds, result.of_holds));
    }
    notes
}
