//! `posthaste check --self`: whether posthaste measures what it says it does, on
//! this machine.

use super::complain;
use super::report::stdout_style;
use super::run::inputs;
use super::run::print;
use super::signals::{Asked, on_signals};
use crate::cli::CheckArgs;
use crate::engine::{EngineError, Stop, raise_descriptor_limit};
use crate::exit_code;
use crate::report::{Progress, ProgressMode, self_checked};
use crate::study::self_check::{Bench, Extent, SelfCheckError};
use anyhow::Context;
use std::cell::RefCell;
use tokio::sync::watch;

/// Runs the check and returns the exit code.
pub fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    let wanted_per_s = args.what.as_deref().map(|what| {
        let plan = inputs::resolved(what, &args.aim())?.plan;
        anyhow::Ok(plan.arrival.peak_per_s())
    });
    let wanted_per_s = match wanted_per_s.transpose() {
        Ok(wanted_per_s) => wanted_per_s,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(exit_code::USAGE);
        }
    };
    let (stopper, stop) = watch::channel(Stop::No);
    on_signals(move |asked| {
        stopper.send_replace(match asked {
            Asked::Once | Asked::Twice => Stop::Now,
        });
    })?;
    let progress = RefCell::new(Progress::new(ProgressMode::of_stderr(args.quiet || args.json)));
    let told = |words: &str| progress.borrow_mut().note(words);
    let folder = tempfile::Builder::new().prefix("posthaste-self-check-").tempdir();
    let folder = folder.context("cannot make a folder for the null server's stamps")?;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let bench = Bench {
        program: std::env::current_exe().context("cannot find posthaste's own program")?,
        // As a run against a server on the same machine has.
        workers: cores.div_ceil(2).clamp(1, 8),
        descriptors: raise_descriptor_limit(),
        folder: folder.path(),
        stop,
        told: &told,
    };
    let checked = bench.check(&Extent::whole(), wanted_per_s);
    progress.borrow_mut().finish();
    let check = match checked {
        Ok(check) => check,
        Err(SelfCheckError::Engine(EngineError::Left)) => {
            complain("stopped; nothing is left behind");
            return Ok(exit_code::INTERRUPTED);
        }
        Err(error) => {
            complain(&format!("the self-check could not be made: {error}"));
            return Ok(exit_code::INTERNAL);
        }
    };
    if args.json {
        print(&(serde_json::to_string_pretty(&check)? + "\n"))?;
    } else {
        print(&self_checked(&check, stdout_style()))?;
    }
    Ok(if check.passed { exit_code::PASS } else { exit_code::INCONCLUSIVE })
}
