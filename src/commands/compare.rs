//! `posthaste compare`: whether B is worse than A.

use super::complain;
use super::report::{judge_again, stdout_style};
use super::run::{inputs, print};
use super::signals::stop_of_study;
use super::store;
use crate::cli::{AimArgs, CompareArgs};
use crate::exit_code;
use crate::judge::RunSummary;
use crate::judge::compare::{
    CompareSide, CompareSummary, CompareVerdict, Decision, GATES_MAX, Gate, LOOKS, PairRow, default_gates, looks,
    noise, parse_gate,
};
use crate::plan::RunPlan;
use crate::plan::profile::parse_duration;
use crate::report::{
    Style, long_duration, pairs_html, pairs_markdown, pairs_so_far, pairs_terminal, two_runs, two_runs_html,
};
use crate::results::{RunFolder, StudyFolder, new_run_id, private_file};
use crate::study::launched::PORT;
use crate::study::pairs::{Compared, Ended, PairEvent, Settings, compare};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;

/// Width of a text that no terminal shows.
const FILE_WIDTH: usize = 100;

/// What a run takes beside its load, in µs: to start, connect, drain and judge.
const AROUND_A_RUN_US: u64 = 4_000_000;

/// Compares, prints what came of it and returns the exit code.
pub fn run(args: &CompareArgs) -> anyhow::Result<u8> {
    if args.pairs.is_none() && !args.aa {
        return match finished_runs(args) {
            Ok((a, b)) => show_two(args, &a, &b),
            Err(error) => {
                complain(&format!("{error:#}"));
                Ok(exit_code::USAGE)
            }
        };
    }
    match read(args) {
        Ok(wanted) => run_pairs(args, &wanted),
        Err(error) => {
            complain(&format!("{error:#}"));
            Ok(exit_code::USAGE)
        }
    }
}

fn finished_runs(args: &CompareArgs) -> anyhow::Result<(RunSummary, RunSummary)> {
    let [a, b] = args.what.as_slice() else {
        bail!("compare takes the folders of two finished runs, or --pairs to make runs of its own");
    };
    let of_pairs = [
        ("--exec", !args.exec.is_empty()),
        ("--url", !args.url.is_empty()),
        ("--target", !args.target.is_empty()),
        ("--set", !(args.set.is_empty() && args.set_a.is_empty() && args.set_b.is_empty())),
        ("--gate", !args.gate.is_empty()),
        ("--budget", args.budget.is_some()),
    ];
    if let Some((flag, _)) = of_pairs.iter().find(|(_, is_given)| *is_given) {
        bail!("{flag} is for --pairs; two finished runs are compared as they are");
    }
    let read = |folder: &str| -> anyhow::Result<RunSummary> {
        let folder = RunFolder::open(Path::new(folder))?;
        // A killed run has no summary, and can be judged all the same.
        folder.read_summary().or_else(|_| judge_again(&folder))
    };
    let (a, b) = (read(a)?, read(b)?);
    if !args.force && what_ran(&a) != what_ran(&b) {
        bail!(
            "{} and {} are runs of different workloads ({} and {}), whose figures do not compare; --force shows \
             them all the same",
            a.run_id,
            b.run_id,
            a.workload,
            b.workload
        );
    }
    Ok((a, b))
}

/// The plan without what may differ between two builds: where it went, what it
/// may cost, and the seed.
fn what_ran(run: &RunSummary) -> serde_json::Value {
    let mut plan = run.plan.clone();
    if let Some(plan) = plan.as_object_mut() {
        ["target", "thresholds", "seed", "capabilities", "measurement", "observe"].iter().for_each(|key| {
            plan.shift_remove(*key);
        });
    }
    plan
}

/// Correctness is never statistical: a B that lost something fails.
fn show_two(args: &CompareArgs, a: &RunSummary, b: &RunSummary) -> anyhow::Result<u8> {
    if let Some(path) = &args.html {
        let written = private_file(path).and_then(|mut file| file.write_all(two_runs_html(a, b).as_bytes()));
        written.with_context(|| format!("--html {}", path.display()))?;
    }
    if args.json {
        print(&(serde_json::to_string_pretty(&serde_json::json!({ "a": a, "b": b }))? + "\n"))?;
    } else {
        print(&two_runs(a, b, stdout_style()))?;
    }
    Ok(if b.exit_code == exit_code::INCORRECT { exit_code::INCORRECT } else { exit_code::PASS })
}

/// What is to be run, valid.
struct Wanted {
    sides: [CompareSide; 2],
    gates: Vec<Gate>,
    looks: Vec<usize>,
    seed: u64,
    /// How long a pair takes, about, in µs.
    pair_us: u64,
}

fn read(args: &CompareArgs) -> anyhow::Result<Wanted> {
    let most = args.pairs.unwrap_or(if args.aa { LOOKS[0] } else { LOOKS[2] });
    if !(LOOKS[0]..=LOOKS[2]).contains(&most) {
        bail!("--pairs {most}: fewer than 8 pairs show nothing, and more than 20 are not foreseen");
    }
    if args.html.is_some() {
        bail!("--html is for two finished runs; --pairs and --aa write compare.html into their folder");
    }
    if args.aa && !(args.set_b.is_empty() && args.serve_b.is_empty()) {
        bail!("--set-b, --serve-b: with --aa both sides are A");
    }
    if !args.exec.is_empty() && !args.url.is_empty() {
        bail!("--exec starts a server, and --url names one that runs: give either");
    }
    if let Some(command) = args.exec.iter().find(|command| !command.contains(PORT)) {
        bail!("--exec {command:?} has no {PORT}, in whose place stands the port that the server is to listen on");
    }
    let of_a = (&args.set_a[..], &args.serve_a[..]);
    let of_b = if args.aa { of_a } else { (&args.set_b[..], &args.serve_b[..]) };
    let (a, a_plan) = side(args, 0, of_a).context("A")?;
    let (b, b_plan) = side(args, usize::from(!args.aa), of_b).context("B")?;
    if !args.aa && a == b {
        bail!("A and B are the same; give --exec, --url, --target or a workload twice, --set-b or --serve-b, or --aa");
    }
    let mut gates = args.gate.iter().map(|gate| parse_gate(gate)).collect::<Result<Vec<_>, _>>();
    if let Ok(gates) = &mut gates
        && gates.is_empty()
    {
        *gates = default_gates();
    }
    let gates = gates.map_err(|error| anyhow::anyhow!("--gate: {error}"))?;
    if gates.len() > GATES_MAX {
        bail!("--gate: at most {GATES_MAX} metrics may decide; more need more pairs than there are");
    }
    let pair_us = [&a_plan, &b_plan].map(|plan| plan.arrival.duration_us() + AROUND_A_RUN_US).iter().sum();
    let looks = within_budget(args, looks(most), pair_us)?;
    Ok(Wanted { sides: [a, b], gates, looks, seed: a_plan.seed, pair_us })
}

/// The looks that the budget has time for, the warm-up pair included.
fn within_budget(args: &CompareArgs, looks: Vec<usize>, pair_us: u64) -> anyhow::Result<Vec<usize>> {
    let Some(budget) = &args.budget else { return Ok(looks) };
    let budget_us = parse_duration(budget).map_err(|error| anyhow::anyhow!("--budget: {error}"))?;
    let most = usize::try_from(budget_us / pair_us.max(1)).unwrap_or(usize::MAX).saturating_sub(1);
    let fit: Vec<usize> = looks.into_iter().filter(|look| *look <= most).collect();
    if fit.is_empty() {
        bail!(
            "--budget {budget}: 8 pairs and a warm-up take about {}; give more time, or a shorter workload",
            long_duration(9 * pair_us)
        );
    }
    Ok(fit)
}

/// One side: the value that is given for it, or the one for both.
fn of_side(values: &[String], side: usize) -> Option<&String> {
    values.get(side).or_else(|| values.first())
}

fn side(
    args: &CompareArgs,
    which: usize,
    (own_set, own_serve): (&[String], &[String]),
) -> anyhow::Result<(CompareSide, RunPlan)> {
    for (flag, values) in
        [("workloads", &args.what), ("--exec", &args.exec), ("--url", &args.url), ("--target", &args.target)]
    {
        if values.len() > 2 {
            bail!("{flag}: there are two sides, and {} were given", values.len());
        }
    }
    let workload = of_side(&args.what, which).map_or("pair", String::as_str);
    let target = of_side(&args.target, which).map_or("reference", String::as_str);
    let (url, exec) = (of_side(&args.url, which), of_side(&args.exec, which));
    let set: Vec<String> = args.set.iter().chain(own_set).cloned().collect();
    let aim = AimArgs {
        target: target.to_owned(),
        url: url.cloned(),
        reach: args.reach.clone(),
        set: set.clone(),
        seed: args.seed,
        serve: args.serve.iter().chain(own_serve).cloned().collect(),
        var: args.var.clone(),
        users_from: None,
        setup: None,
        clean: args.clean,
        observe: None,
    };
    let is_built_in = args.url.is_empty() && args.exec.is_empty();
    if !(is_built_in || aim.serve.is_empty()) {
        bail!("--serve is for the built-in server; remove --url and --exec, or give its options to your own command");
    }
    let plan = inputs::plan_of(workload, &aim)?;
    let run = inputs::args_of(workload, &aim);
    Ok((CompareSide { label: label(args, which, own_set, own_serve), args: run, exec: exec.cloned() }, plan))
}

/// What tells the sides apart, as it was typed.
fn label(args: &CompareArgs, which: usize, own_set: &[String], own_serve: &[String]) -> String {
    let given = |values: &[String]| (values.len() > 1 || which == 0).then(|| values.get(which).cloned()).flatten();
    let parts = [given(&args.exec), given(&args.url), given(&args.target), given(&args.what)];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.extend(own_set.iter().cloned());
    parts.extend(own_serve.iter().map(|option| store::shown(option).to_owned()));
    if parts.is_empty() { "as it is".to_owned() } else { parts.join(" ") }
}

fn run_pairs(args: &CompareArgs, wanted: &Wanted) -> anyhow::Result<u8> {
    let now = jiff::Timestamp::now();
    let compare_id = format!("compare-{}", new_run_id(now, uuid::Uuid::new_v4().as_u64_pair().0));
    let folder = StudyFolder::create(&args.results, &compare_id)?;
    let (stop, children) = stop_of_study("no further run begins; once more to leave at once".to_owned())?;
    let progress = Progress::new(args, wanted);
    let [a, b] = &wanted.sides;
    let compared = compare(&Settings {
        sides: [a, b],
        gates: &wanted.gates,
        looks: &wanted.looks,
        all: args.aa,
        seed: wanted.seed,
        children: &children,
        folder: &folder,
        stop: &stop,
        told: &|event| progress.tell(&event),
    });
    progress.bar.finish_and_clear();
    if let Some(Ended::NoRun(no_run)) = &compared.ended {
        complain(&no_run.said);
        return Ok(no_run.code.unwrap_or(exit_code::INTERNAL));
    }
    let (verdict, mut reasons, exit_code) = verdict(args, &compared);
    reasons.extend(args.reach.warnings());
    let summary = CompareSummary {
        schema_version: 1,
        posthaste_version: env!("CARGO_PKG_VERSION").to_owned(),
        compare_id,
        started_at: now.to_string(),
        aa: args.aa,
        a: a.clone(),
        b: b.clone(),
        seed: wanted.seed,
        gates: wanted.gates.clone(),
        looks: wanted.looks.clone(),
        pairs: compared.pairs,
        outcomes: compared.outcomes,
        verdict,
        reasons,
        exit_code,
    };
    let shown = folder.path().display().to_string();
    folder.write_json("compare.json", &summary)?;
    folder.write_text("compare.html", &pairs_html(&summary))?;
    folder.write_text("compare.md", &pairs_markdown(&summary))?;
    folder.write_text("compare.txt", &pairs_terminal(&summary, &shown, Style { colour: false, width: FILE_WIDTH }))?;
    if args.json {
        print(&(serde_json::to_string_pretty(&summary)? + "\n"))?;
    } else {
        print(&pairs_terminal(&summary, &shown, stdout_style()))?;
    }
    Ok(summary.exit_code)
}

fn verdict(args: &CompareArgs, compared: &Compared) -> (CompareVerdict, Vec<String>, u8) {
    match &compared.ended {
        Some(Ended::Incorrect(side, run)) => {
            let reason = format!("a run of {} lost, doubled or invented something: {run}", side.to_uppercase());
            return (CompareVerdict::Incorrect, vec![reason], exit_code::INCORRECT);
        }
        Some(Ended::Interrupted) => {
            return (CompareVerdict::Inconclusive, vec!["interrupted".to_owned()], exit_code::INTERRUPTED);
        }
        Some(Ended::TooManyDiscarded) => {
            let last = compared.pairs.iter().rev().find_map(|pair| pair.discarded_because.clone());
            let reason = format!("too many pairs do not count, the last because of {}", last.unwrap_or_default());
            return (CompareVerdict::Inconclusive, vec![reason], exit_code::INCONCLUSIVE);
        }
        Some(Ended::NoRun(_)) | None => {}
    }
    if args.aa {
        let too_narrow = compared.outcomes.iter().filter_map(|outcome| match noise(outcome) {
            Some(noise) if noise <= outcome.margin => None,
            Some(_) => Some(format!(
                "the margin of {:.1} % of {} is below this machine's noise: widen it, or find a quieter machine",
                outcome.margin * 100.0,
                outcome.metric
            )),
            None => Some(format!("{} was not measured often enough", outcome.metric)),
        });
        let reasons: Vec<String> = too_narrow.collect();
        let is_wide = reasons.is_empty();
        let code = if is_wide { exit_code::PASS } else { exit_code::INCONCLUSIVE };
        return (if is_wide { CompareVerdict::Pass } else { CompareVerdict::Inconclusive }, reasons, code);
    }
    match compared.decision {
        Some(Decision::Regression) => (CompareVerdict::Regression, Vec::new(), exit_code::THRESHOLD),
        Some(Decision::NoRegression) => (CompareVerdict::Pass, Vec::new(), exit_code::PASS),
        _ => (CompareVerdict::Inconclusive, not_valid(compared), exit_code::INCONCLUSIVE),
    }
}

/// What kept pairs from showing that nothing is worse.
fn not_valid(compared: &Compared) -> Vec<String> {
    let counted: Vec<_> = compared.pairs.iter().filter(|pair| pair.discarded_because.is_none()).collect();
    let reasons: Vec<&String> = counted.iter().filter_map(|pair| pair.not_valid_because.as_ref()).collect();
    let Some(last) = reasons.last() else { return Vec::new() };
    vec![format!(
        "{} of {} pairs cannot show that nothing is worse, the last because of {last}",
        reasons.len(),
        counted.len()
    )]
}

/// A bar on a terminal, a line a pair elsewhere.
struct Progress {
    bar: ProgressBar,
    lines: bool,
}

impl Progress {
    fn new(args: &CompareArgs, wanted: &Wanted) -> Self {
        let quiet = args.quiet || args.json;
        let most = wanted.looks.last().copied().unwrap_or(0);
        if !quiet {
            let first = wanted.looks.first().copied().unwrap_or(0);
            let least = if args.aa { most } else { first };
            let time = |pairs: usize| long_duration((pairs as u64 + 1) * wanted.pair_us);
            let long = if least == most { time(most) } else { format!("{} to {}", time(least), time(most)) };
            complain(&format!("a pair takes about {}; with the warm-up, {long}", long_duration(wanted.pair_us)));
        }
        let terminal = stderr().is_terminal();
        let bar = if quiet || !terminal { ProgressBar::hidden() } else { ProgressBar::new(most as u64 + 1) };
        let look = ProgressStyle::with_template("{bar:24} {pos} of at most {len} pairs · {elapsed} · {wide_msg}");
        bar.set_style(look.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(std::time::Duration::from_millis(250));
        Self { bar, lines: !quiet && !terminal }
    }

    fn tell(&self, event: &PairEvent<'_>) {
        match event {
            PairEvent::Begins(0, side) => self.bar.set_message(format!("warm-up, {}", side.to_uppercase())),
            PairEvent::Begins(..) => {}
            PairEvent::Done(pair, outcomes) => {
                self.bar.inc(1);
                let so_far = match &pair.discarded_because {
                    Some(because) => format!("does not count: {because}"),
                    None => pairs_so_far(outcomes),
                };
                if self.lines {
                    complain(&format!("pair {}: {so_far}", number_of(pair)));
                }
                self.bar.set_message(so_far);
            }
        }
    }
}

/// "3" of `pair-03/a/…`.
fn number_of(pair: &PairRow) -> &str {
    let folder = pair.a_run.split('/').next().unwrap_or_default();
    let number = folder.trim_start_matches("pair-");
    number.strip_prefix('0').unwrap_or(number)
}
