//! The short check of posthaste itself before a run.

use crate::cli::RunArgs;
use crate::engine::{Stop, available_descriptors};
use crate::ledger::ShortCheck;
use crate::plan::{Metric, RunPlan, Threshold};
use crate::report::{Progress, ProgressMode};
use crate::study::self_check::Bench;
use std::cell::RefCell;
use tokio::sync::watch;

/// A load that is shorter is not held up, unless a latency decides about it.
const LEAST_LOAD_US: u64 = 20_000_000;

/// Makes the check, or says why not. A check that cannot be made stops no run.
pub fn make(
    args: &RunArgs,
    plan: &RunPlan,
    workers: usize,
    mode: ProgressMode,
    stop: &watch::Receiver<Stop>,
) -> ShortCheck {
    let skipped = |because: String| ShortCheck { skipped: Some(because), ..ShortCheck::default() };
    if let Some(because) = why_not(args.no_self_check, plan) {
        return skipped(because.to_owned());
    }
    let progress = RefCell::new(Progress::new(mode));
    let told = |words: &str| progress.borrow_mut().note(words);
    let made = std::env::current_exe().and_then(|program| {
        let folder = tempfile::Builder::new().prefix("posthaste-self-check-").tempdir()?;
        let descriptors = available_descriptors();
        let bench = Bench { program, workers, descriptors, folder: folder.path(), stop: stop.clone(), told: &told };
        bench.short(plan).map_err(std::io::Error::other)
    });
    progress.borrow_mut().finish();
    made.unwrap_or_else(|error| skipped(format!("it could not be made: {error}")))
}

fn why_not(flag: bool, plan: &RunPlan) -> Option<&'static str> {
    let judges_latency =
        |expr: &String| matches!(Threshold::parse(expr), Ok(Threshold { metric: Metric::Latency { .. }, .. }));
    if flag {
        Some("--no-self-check")
    } else if !plan.measurement.self_check {
        Some("measurement.self_check is false")
    } else if plan.arrival.duration_us() < LEAST_LOAD_US && !plan.thresholds.iter().any(judges_latency) {
        Some("the load is short, and no threshold is about a latency")
    } else {
        None
    }
}
