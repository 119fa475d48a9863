//! `posthaste run`: one run: load, drain, judge, report.

mod built_in_server;
pub mod casting;
mod diagnostics;
pub mod inputs;
mod metrics;
pub mod observed;
#[cfg(feature = "otlp")]
mod otlp;
mod recorder;
mod short_check;
pub mod sources;
pub mod trust;

use crate::cli::{Annotations, RunArgs};
use crate::commands::report::{stdout_style, timed_latencies, write_summary_files};
use crate::commands::signals::{Asked, on_signals};
use crate::engine::{self, EngineError, Job, Outcome, Stop, Trust};
use crate::judge::{Input, RunSummary, judge};
use crate::ledger::Ledger;
use crate::model::RunId;
use crate::plan::RunPlan;
use crate::plan::estimate::{descriptors_needed, memory_estimate_bytes, ports_needed};
use crate::plan::profile::{Resolved, to_toml};
use crate::report::{ProgressMode, explain, github_annotations, terminal};
use crate::results::{Environment, RunFolder, SpillFile, new_run_id};
use crate::target::Address;
use crate::{commands::complain, exit_code};
use anyhow::Context;
use built_in_server::{BUILT_IN_SECRET, BuiltInServer};
use inputs::Inputs;
use observed::{Observed, Source};
use recorder::Recorder;
use std::io::Write;
use std::sync::Arc;
use tokio::sync::watch;

/// Runs, prints the summary to stdout and returns the exit code.
pub fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let inputs = match inputs::read(args) {
        Ok(inputs) => inputs,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(exit_code::USAGE);
        }
    };
    let plan = &inputs.resolved.plan;
    if args.dry_run {
        print(&dry_run(&inputs.resolved))?;
        return Ok(exit_code::PASS);
    }
    if args.explain {
        let url = args.aim.url.as_deref().unwrap_or("the built-in server");
        print(&explain(plan, url, stdout_style()))?;
        return Ok(exit_code::PASS);
    }
    let (available, needed) = (engine::raise_descriptor_limit(), descriptors_needed(plan));
    if needed > available {
        complain(&format!(
            "the plan needs {needed} descriptors and the limit is {available}; raise it (ulimit -n {needed}) or lower population.subscribers"
        ));
        return Ok(exit_code::USAGE);
    }
    let ports = ports_needed(plan);
    if args.aim.reach.source.is_empty() && ports > engine::available_ports() {
        complain(&format!(
            "the plan needs about {ports} ports towards each address of the target, and there are {}: what finds \
             none is not sent; give more addresses to leave from with --source 127.0.0.2-9",
            engine::available_ports()
        ));
    }
    execute(args, inputs)
}

fn execute(args: &RunArgs, inputs: Inputs) -> anyhow::Result<u8> {
    let Inputs { resolved, target, address, casting } = inputs;
    let number = RunId(uuid::Uuid::new_v4().as_u64_pair().0);
    let now = jiff::Timestamp::now();
    let run_id = new_run_id(now, number.0);
    let folder = new_folder(args, &run_id, &resolved)?;
    let panics = diagnostics::count_panics();
    let shown = args.results.join(&run_id).display().to_string();

    let told = match metrics::Told::begin(args, &run_id, &resolved.plan) {
        Ok(told) => told,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(exit_code::USAGE);
        }
    };
    let (stopper, stop) = stop_on_signals()?;
    let mode = ProgressMode::of_stderr(args.quiet || args.json);
    let self_check = short_check::make(args, &resolved.plan, workers(args), mode, &stop);
    let (address, server) = target_at(args, &resolved.plan, &folder, address)?;
    let trust = trust::trust(&args.aim.reach, server.as_ref().and_then(BuiltInServer::authority))?;
    args.aim.reach.warnings().iter().for_each(|warning| complain(warning));
    let observed = observe(&resolved.plan, server.as_ref(), &trust)?;
    let spill = Arc::new(SpillFile::new(&folder));
    let job = Job {
        plan: resolved.plan.clone(),
        target,
        address,
        allowed_hosts: args.aim.reach.allow_host.clone(),
        trust,
        ceiling_per_s: args.aim.reach.ceiling.map(|ceiling| f64::from(ceiling.get())),
        sources: sources::sources(&args.aim.reach.source)?,
        run: number,
        run_id,
        started_at: now.to_string(),
        workers: workers(args),
        means: server.as_ref().map(BuiltInServer::means).unwrap_or_default(),
        always_proxy: args.through_proxy,
        signing_secret: signing_secret(),
        spill: spill.clone(),
        casting,
    };
    let mut recorder = Recorder::create(&folder, mode, stopper, observed)?;
    told.iter().for_each(|told| recorder.tell(told.metrics.clone()));
    let outcome = engine::run(job, &mut recorder, stop);
    told.into_iter().for_each(metrics::Told::end);
    recorder.finish()?;
    let target = recorder.target();
    server.into_iter().for_each(BuiltInServer::stop);
    let concluded = match outcome {
        Ok(mut outcome) => {
            (outcome.record.target, outcome.record.self_check) = (target, Some(self_check));
            outcome.record.drain.failures.extend(panics.failures());
            conclude(args, &folder, &shown, &resolved, outcome)
        }
        Err(error) => {
            complain(&format!("{error} ({shown})"));
            Ok(code_of(&error))
        }
    };
    spill.remove();
    concluded
}

/// The folder of a run, with what is known before it.
fn new_folder(args: &RunArgs, run_id: &str, resolved: &Resolved) -> anyhow::Result<RunFolder> {
    let folder = RunFolder::create(&args.results, run_id)?;
    folder.write_plan(&to_toml(resolved))?;
    folder.write_environment(&Environment::here())?;
    diagnostics::log_to(&folder)?;
    Ok(folder)
}

/// Where the target is: as the user says, or a built-in server that is started.
fn target_at(
    args: &RunArgs,
    plan: &RunPlan,
    folder: &RunFolder,
    address: Option<Address>,
) -> anyhow::Result<(Address, Option<BuiltInServer>)> {
    if let Some(address) = address {
        return Ok((address, None));
    }
    let server = BuiltInServer::start(args, plan, folder)?;
    Ok((Address::parse(&server.url)?, Some(server)))
}

/// What a Ctrl-C or a SIGTERM asks of the run.
fn stop_on_signals() -> anyhow::Result<(watch::Sender<Stop>, watch::Receiver<Stop>)> {
    let (stopper, stop) = watch::channel(Stop::No);
    let on_signal = stopper.clone();
    on_signals(move |asked| {
        on_signal.send_replace(match asked {
            Asked::Once => Stop::Intending,
            Asked::Twice => Stop::Now,
        });
    })?;
    Ok((stopper, stop))
}

/// The exit code of a run that came to nothing.
pub fn code_of(error: &EngineError) -> u8 {
    match error {
        EngineError::Unreachable(_) => exit_code::UNREACHABLE,
        EngineError::Address(_) | EngineError::Casting(_) => exit_code::USAGE,
        EngineError::Left => exit_code::INTERRUPTED,
        EngineError::Internal(_) | EngineError::System(_) => exit_code::INTERNAL,
    }
}

/// Begins to observe what the workload names, or else the built-in server.
fn observe(plan: &RunPlan, server: Option<&BuiltInServer>, trust: &Trust) -> anyhow::Result<Option<Observed>> {
    let source =
        plan.observe.clone().map(|named| Source::Named(named, trust.clone())).or(server.map(BuiltInServer::usage));
    source.map(Observed::begin).transpose().context("cannot start a thread to observe the target")
}

/// Merges, judges, writes and prints.
fn conclude(
    args: &RunArgs,
    folder: &RunFolder,
    shown: &str,
    resolved: &Resolved,
    outcome: Outcome,
) -> anyhow::Result<u8> {
    let Outcome { record, ledgers, latencies } = outcome;
    let ledger = ledgers.into_iter().fold(Ledger::default(), Ledger::merge);
    ledger.pages.check().map_err(anyhow::Error::msg).context("cannot read the history pages that were on disk")?;
    folder.write_ledger(&ledger, &record)?;
    let plan = &resolved.plan;
    let timed = timed_latencies(folder, plan, &record)?;
    let summary: RunSummary =
        judge(&Input { plan, record: &record, ledger: &ledger, latencies: &latencies, timed: &timed });
    write_summary_files(folder, &summary, shown)?;
    folder.append_to_history(&summary)?;
    if args.json {
        print(&(serde_json::to_string_pretty(&summary)? + "\n"))?;
    } else {
        print(&terminal(&summary, Some(shown), stdout_style()))?;
    }
    match args.annotations {
        // GitHub reads commands from both outputs, and stdout is the summary's.
        Some(Annotations::Github) if args.json => {
            std::io::stderr().write_all(github_annotations(&summary).as_bytes())?
        }
        Some(Annotations::Github) => print(&github_annotations(&summary))?,
        None => {}
    }
    Ok(summary.exit_code)
}

/// As many workers as cores, one of them left to the target where it shares
/// the machine; at most eight.
fn workers(args: &RunArgs) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shared = if args.aim.url.is_none() { cores.div_ceil(2) } else { cores };
    args.workers.map_or(shared.clamp(1, 8), |workers| usize::from(workers).max(1))
}

/// The key of the signatures of what a target posts to apps. It stands in no
/// file of the run.
fn signing_secret() -> String {
    std::env::var("POSTHASTE_SIGNING_SECRET").unwrap_or_else(|_| BUILT_IN_SECRET.to_owned())
}

/// The effective plan, and what it needs.
pub fn dry_run(resolved: &Resolved) -> String {
    let plan = &resolved.plan;
    format!(
        "{}\n# needs about {} descriptors, {} ports and {} MiB of memory; sends {} {:.0} messages\n",
        to_toml(resolved).trim_end(),
        descriptors_needed(plan),
        ports_needed(plan),
        memory_estimate_bytes(plan).div_ceil(1024 * 1024),
        if plan.arrival.is_closed() { "up to about" } else { "about" },
        crate::plan::expected_messages(plan),
    )
}

/// Prints to stdout; a reader that has seen enough is no failure.
pub fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot write to stdout"),
        _ => Ok(()),
    }
}
