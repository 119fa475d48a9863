//! `posthaste matrix`: every design against every failure.

use crate::cli::MatrixArgs;
use crate::commands::complain;
use crate::commands::report::stdout_style;
use crate::commands::run::{inputs, print};
use crate::exit_code;
use crate::judge::{MatrixAbout, MatrixCell, MatrixSummary};
use crate::plan::near::nearest;
use crate::plan::{RunPlan, SendDesign};
use crate::report::{Style, matrix_html, matrix_markdown, matrix_terminal};
use crate::results::{MatrixFolder, new_run_id};
use crate::study::matrix::{CellEvent, Failure, Settings, send_failures, send_table};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Width of a table that no terminal shows.
const FILE_WIDTH: usize = 120;

/// Runs the cells, prints the table and returns the exit code.
pub fn run(args: &MatrixArgs) -> anyhow::Result<u8> {
    let asked = match read(args) {
        Ok(asked) => asked,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(exit_code::USAGE);
        }
    };
    let now = jiff::Timestamp::now();
    let matrix_id = format!("matrix-{}", new_run_id(now, uuid::Uuid::new_v4().as_u64_pair().0));
    let folder = MatrixFolder::create(&args.results, &matrix_id)?;
    let settings = Settings {
        common: common(args),
        built_in: args.url.is_none(),
        folder: &folder,
        jobs: args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
    };
    let stop = Arc::new(AtomicBool::new(false));
    catch_signals(stop.clone())?;
    let progress = Progress::new(args, asked.designs.len() * asked.failures.len());
    let tables = vec![send_table(&settings, &asked.designs, &asked.failures, &stop, &|event| progress.tell(&event))];
    progress.bar.finish_and_clear();
    let about = MatrixAbout {
        matrix_id,
        started_at: now.to_string(),
        workload: asked.plan.workload.clone(),
        target: asked.plan.target.clone(),
        url: args.url.clone(),
        seed: asked.plan.seed,
        interrupted: stop.load(Ordering::Relaxed),
    };
    let summary = MatrixSummary::new(about, tables);
    let shown = folder.path().display().to_string();
    folder.write_summary(&summary)?;
    folder.write_text("matrix.md", &matrix_markdown(&summary))?;
    folder.write_text("matrix.html", &matrix_html(&summary))?;
    let plain = Style { colour: false, width: FILE_WIDTH };
    folder.write_text("matrix.txt", &matrix_terminal(&summary, &shown, plain))?;
    if args.json {
        print(&(serde_json::to_string_pretty(&summary)? + "\n"))?;
    } else {
        let style = stdout_style();
        print(&matrix_terminal(&summary, &shown, Style { width: style.width.max(60), ..style }))?;
    }
    Ok(summary.exit_code)
}

/// What is to be run, valid.
struct Asked {
    plan: RunPlan,
    designs: Vec<SendDesign>,
    failures: Vec<Failure>,
}

fn read(args: &MatrixArgs) -> anyhow::Result<Asked> {
    for value in &args.set {
        for taken in ["send.design", "faults"] {
            if value.starts_with(&format!("{taken}=")) {
                bail!("--set {taken}: the matrix sets it in each cell; choose with --designs and --failures");
            }
        }
    }
    let plan = inputs::plan_of(&args.workload, &args.target, &args.set, args.seed)?;
    if !plan.faults.is_empty() {
        bail!("the workload {} has faults of its own, and the matrix sets them in each cell", plan.workload);
    }
    if plan.population.subscribers < plan.population.users {
        bail!("population.subscribers must be all users: the designs over sockets send over them");
    }
    let names: Vec<&str> = SendDesign::ALL.iter().map(|design| design.name()).collect();
    let designs = chosen("--designs", &args.designs, &names)?;
    let failures = send_failures(plan.arrival.duration_us());
    let names: Vec<&str> = failures.iter().map(|failure| failure.name).collect();
    let wanted = chosen("--failures", &args.failures, &names)?;
    Ok(Asked {
        plan,
        designs: designs.into_iter().map(|rank| SendDesign::ALL[rank]).collect(),
        failures: wanted.into_iter().map(|rank| failures[rank].clone()).collect(),
    })
}

/// The ranks of the wanted names; all where none is named.
fn chosen(flag: &str, wanted: &[String], names: &[&str]) -> anyhow::Result<BTreeSet<usize>> {
    if wanted.is_empty() {
        return Ok((0..names.len()).collect());
    }
    let rank = |name: &String| match names.iter().position(|known| known == name) {
        Some(rank) => Ok(rank),
        None => match nearest(name, names.iter().copied(), 1).first() {
            Some(near) => bail!("{flag} {name}: did you mean {near:?}?"),
            None => bail!("{flag} {name}: there are {}", names.join(", ")),
        },
    };
    wanted.iter().map(rank).collect()
}

/// What `posthaste run` is given in every cell.
fn common(args: &MatrixArgs) -> Vec<String> {
    let mut common = vec![args.workload.clone()];
    let mut add = |flag: &str, value: String| common.extend([flag.to_owned(), value]);
    add("--target", args.target.clone());
    if let Some(url) = &args.url {
        add("--url", url.clone());
    }
    for host in &args.allow_host {
        add("--allow-host", host.clone());
    }
    for value in &args.set {
        add("--set", value.clone());
    }
    if let Some(seed) = args.seed {
        add("--seed", seed.to_string());
    }
    common
}

/// After the first signal no further cell begins; those that run drain and
/// judge, because the terminal sends it to them too. The second leaves at once.
fn catch_signals(stop: Arc<AtomicBool>) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watching = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for last in [false, true] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                stop.store(true, Ordering::Relaxed);
                if last {
                    std::process::exit(exit_code::INTERRUPTED.into());
                }
                complain("no further cell begins; once more to leave at once");
            }
        });
    });
    watching.map(|_| ()).context("cannot start a thread for signals")
}

/// A bar on a terminal, a line a cell elsewhere.
struct Progress {
    bar: ProgressBar,
    lines: bool,
    under_way: Mutex<Vec<String>>,
}

impl Progress {
    fn new(args: &MatrixArgs, cells: usize) -> Self {
        let quiet = args.quiet || args.json;
        let terminal = stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(cells as u64) };
        let look = ProgressStyle::with_template("{bar:24} {pos} of {len} cells · {elapsed} · {eta} left · {wide_msg}");
        bar.set_style(look.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(std::time::Duration::from_millis(250));
        Self { bar, lines: !quiet && !terminal, under_way: Mutex::default() }
    }

    fn tell(&self, event: &CellEvent<'_>) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CellEvent::Begins { design, failure } => under_way.push(format!("{design} × {failure}")),
            CellEvent::Done(cell) => {
                let name = format!("{} × {}", cell.design, cell.failure);
                under_way.retain(|one| *one != name);
                self.bar.inc(1);
                if self.lines {
                    complain(&format!("{name}: {}", in_words(cell)));
                }
            }
        }
        self.bar.set_message(under_way.join(", "));
    }
}

fn in_words(cell: &MatrixCell) -> String {
    if let Some(because) = &cell.silent_because {
        return because.clone();
    }
    let counts: Vec<String> = cell.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") }
}
