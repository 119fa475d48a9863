//! `posthaste matrix`: every design against every failure.

use crate::cli::MatrixArgs;
use crate::commands::complain;
use crate::commands::report::stdout_style;
use crate::commands::run::{inputs, print};
use crate::commands::signals::stop_of_study;
use crate::exit_code;
use crate::judge::{Design, MatrixAbout, MatrixCell, MatrixSummary};
use crate::plan::near::nearest;
use crate::plan::{ReceiveDesign, RunPlan, SendDesign};
use crate::report::{Style, matrix_html, matrix_markdown, matrix_terminal};
use crate::results::{StudyFolder, new_run_id};
use crate::study::matrix::{CellEvent, Failure, Settings, receive_failures, send_failures, table};
use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, stderr};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

/// Width of a table that no terminal shows.
const FILE_WIDTH: usize = 120;

/// Runs the cells, prints the table and returns the exit code.
pub fn run(args: &MatrixArgs) -> anyhow::Result<u8> {
    let wanted = match read(args) {
        Ok(wanted) => wanted,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(exit_code::USAGE);
        }
    };
    let now = jiff::Timestamp::now();
    let matrix_id = format!("matrix-{}", new_run_id(now, uuid::Uuid::new_v4().as_u64_pair().0));
    let folder = StudyFolder::create(&args.results, &matrix_id)?;
    let (stop, children) = stop_of_study("no further cell begins; once more to leave at once".to_owned())?;
    let cells = wanted.tables.iter().map(|(designs, failures)| designs.len() * failures.len()).sum();
    let progress = Progress::new(args, cells);
    let settings = Settings {
        common: inputs::args_of(&args.workload, &args.aim),
        built_in: args.aim.url.is_none(),
        folder: &folder,
        children: &children,
        jobs: args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        stop: &stop,
        told: &|event| progress.tell(&event),
        unreachable: Mutex::default(),
    };
    let tables = wanted.tables.iter().map(|(designs, failures)| table(&settings, designs, failures)).collect();
    progress.bar.finish_and_clear();
    let unreachable = settings.unreachable.into_inner().unwrap_or_else(PoisonError::into_inner);
    let about = MatrixAbout {
        matrix_id,
        started_at: now.to_string(),
        workload: wanted.plan.workload.clone(),
        target: wanted.plan.target.clone(),
        url: args.aim.url.clone(),
        seed: wanted.plan.seed,
        interrupted: stop.load(Ordering::Relaxed),
        warnings: args.aim.reach.warnings(),
    };
    let summary = MatrixSummary::new(about, tables);
    if let Some(reason) = unreachable.filter(|_| !summary.speaks()) {
        complain(&reason);
        return Ok(exit_code::UNREACHABLE);
    }
    let shown = folder.path().display().to_string();
    folder.write_json("matrix.json", &summary)?;
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
struct Wanted {
    plan: RunPlan,
    tables: Vec<(Vec<Design>, Vec<Failure>)>,
}

fn read(args: &MatrixArgs) -> anyhow::Result<Wanted> {
    for value in &args.aim.set {
        for taken in ["send.design", "receive.design", "faults"] {
            if value.starts_with(&format!("{taken}=")) {
                bail!("--set {taken}: the matrix sets it in each cell; choose with --designs and --failures");
            }
        }
    }
    let plan = inputs::plan_of(&args.workload, &args.aim)?;
    if !plan.faults.is_empty() {
        bail!("the workload {} has faults of its own, and the matrix sets them in each cell", plan.workload);
    }
    if plan.population.subscribers < plan.population.users {
        bail!("population.subscribers must be all users: the designs over sockets send over them");
    }
    let load_us = plan.arrival.duration_us();
    let send: Vec<Design> = SendDesign::ALL.into_iter().map(Design::Send).collect();
    let mut tables = vec![(send, send_failures(load_us))];
    if !args.quick {
        let receive = ReceiveDesign::ALL.into_iter().map(Design::Receive).collect();
        tables.push((receive, receive_failures(load_us)));
    }
    let designs: Vec<&str> = tables.iter().flat_map(|(designs, _)| designs).map(|design| design.name()).collect();
    let failures: Vec<&str> = tables.iter().flat_map(|(_, failures)| failures).map(|failure| failure.name).collect();
    check_names("--designs", &args.designs, &designs)?;
    check_names("--failures", &args.failures, &failures)?;
    for (designs, failures) in &mut tables {
        designs.retain(|design| is_wanted(&args.designs, design.name()));
        failures.retain(|failure| is_wanted(&args.failures, failure.name));
    }
    tables.retain(|(designs, failures)| !designs.is_empty() && !failures.is_empty());
    if tables.is_empty() {
        bail!("--designs and --failures leave no cell");
    }
    Ok(Wanted { plan, tables })
}

fn is_wanted(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == name)
}

fn check_names(flag: &str, wanted: &[String], names: &[&str]) -> anyhow::Result<()> {
    let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) else { return Ok(()) };
    match nearest(unknown, names.iter().copied(), 1).first() {
        Some(near) => bail!("{flag} {unknown}: did you mean {near:?}?"),
        None => bail!("{flag} {unknown}: there are {}", names.join(", ")),
    }
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
            CellEvent::Begins { design, failure } => under_way.push(place(*design, failure)),
            CellEvent::Done(design, cell) => {
                let name = place(*design, &cell.failure);
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

fn place(design: Design, failure: &str) -> String {
    format!("{} {} × {failure}", design.table(), design.name())
}

fn in_words(cell: &MatrixCell) -> String {
    if let Some(because) = &cell.silent_because {
        return because.clone();
    }
    let counts: Vec<String> = cell.counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") }
}
