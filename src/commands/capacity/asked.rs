//! What a search is asked to do: a new one, or one that goes on.

use crate::cli::{AimArgs, CapacityArgs, FindArg};
use crate::commands::run::inputs;
use crate::judge::capacity::{
    BaseLoad, CapacityAbout, CapacityProbe, CapacitySummary, Find, Lengths, Outcome, Recovery, SearchSettings,
    overhead_s,
};
use crate::plan::profile::{load_effective, to_toml};
use crate::plan::{Observe, RunPlan, Threshold};
use crate::results::{StudyFolder, new_run_id};
use crate::study::capacity::{SUMMARY, WORKLOAD};
use anyhow::{Context, bail};
use std::path::Path;

/// The least share of the offered messages that must be achieved.
const GOODPUT: f64 = 0.97;
/// A search may take so long in seconds, unless it is told otherwise.
const BUDGET_S: f64 = 600.0;
/// A search begins at this share of the workload's load.
const START_SHARE: f64 = 0.25;

/// A search to make, valid.
pub struct Asked {
    pub about: CapacityAbout,
    pub settings: SearchSettings,
    /// What was tried already.
    pub probes: Vec<CapacityProbe>,
    pub recovery: Option<Recovery>,
    /// Where the target's usage is read; `None` for the built-in server.
    pub observe: Option<Observe>,
    /// The workload of all probes; of a search that goes on it is in its folder.
    workload: Option<String>,
}

/// Reads what is asked for. Every error is the user's to mend.
pub fn read(args: &CapacityArgs) -> anyhow::Result<Asked> {
    for expr in &args.slo {
        Threshold::parse(expr).map_err(anyhow::Error::msg).context("--slo")?;
    }
    match &args.resume {
        Some(folder) => resumed(args, folder),
        None => fresh(args),
    }
}

impl Asked {
    /// The folder of the search: a new one, or the one that it was resumed from.
    pub fn folder(&self, args: &CapacityArgs) -> anyhow::Result<StudyFolder> {
        let Some(workload) = &self.workload else {
            return Ok(StudyFolder::open(args.resume.as_deref().unwrap_or(Path::new("."))));
        };
        let folder = StudyFolder::create(&args.results, &self.about.capacity_id)?;
        folder.write_text(WORKLOAD, workload)?;
        Ok(folder)
    }
}

fn fresh(args: &CapacityArgs) -> anyhow::Result<Asked> {
    for value in &args.aim.set {
        for taken in ["arrival.rate", "arrival.phases", "arrival.duration", "arrival.warm_up", "thresholds"] {
            if value.starts_with(&format!("{taken}=")) {
                bail!("--set {taken}: the search sets it in each probe; --start, --max, --budget and --slo say how");
            }
        }
    }
    let name = args.workload.as_deref().unwrap_or("capacity");
    let resolved = inputs::resolved(name, &args.aim)?;
    let plan = &resolved.plan;
    if !plan.faults.is_empty() {
        bail!("the workload {} has faults, and a capacity is searched for without; remove them", plan.workload);
    }
    if plan.arrival.is_closed() {
        bail!(
            "the workload {} is a closed loop, whose rate is whatever the target answers, and a capacity is searched \
             for by rates; take a workload that is an open loop",
            plan.workload
        );
    }
    let find = match args.find {
        Some(FindArg::Users) => Find::Users,
        Some(FindArg::Rate) | None => Find::Rate,
    };
    let base = base(plan);
    let objective = if args.slo.is_empty() { plan.thresholds.clone() } else { args.slo.clone() };
    let (start, max) = range(args, find, &base)?;
    let budget_s = args.budget.map_or(BUDGET_S, |budget| budget.as_secs_f64());
    if budget_s < 20.0 {
        bail!("--budget {budget_s:.0}s is too short for a single probe and its hold; give 60s or more");
    }
    let (lengths, shortened) = Lengths::within(budget_s, overhead_s(&base));
    let now = jiff::Timestamp::now();
    let capacity_id = format!("capacity-{}", new_run_id(now, uuid::Uuid::new_v4().as_u64_pair().0));
    let about = CapacityAbout {
        capacity_id,
        started_at: now.to_string(),
        workload: plan.workload.clone(),
        target: plan.target.clone(),
        url: args.aim.url.clone(),
        seed: plan.seed,
        run_args: run_args(&args.aim),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32,
    };
    let settings = SearchSettings {
        find,
        samples: SearchSettings::samples_of(&objective),
        objective,
        goodput: GOODPUT,
        start,
        max,
        budget_s,
        warm_up_s: lengths.warm_up_s,
        probe_s: lengths.probe_s,
        hold_s: lengths.hold_s,
        overload_s: lengths.overload_s,
        shortened,
        base,
        observed: plan.observe.is_some() || args.aim.url.is_none(),
    };
    let (observe, workload) = (plan.observe.clone(), Some(to_toml(&resolved)));
    Ok(Asked { about, settings, probes: Vec::new(), recovery: None, observe, workload })
}

/// The first and the highest load.
fn range(args: &CapacityArgs, find: Find, base: &BaseLoad) -> anyhow::Result<(f64, Option<f64>)> {
    let usual = match find {
        Find::Rate => base.rate_per_s,
        Find::Users => f64::from(base.users),
    };
    let start = args.start.unwrap_or((usual * START_SHARE).max(1.0).round());
    for (flag, load) in [("--start", Some(start)), ("--max", args.max)] {
        if load.is_some_and(|load| !(1.0..=1e7).contains(&load)) {
            bail!("{flag} must be from 1 to 10,000,000");
        }
    }
    // Above the ceiling no probe could be made.
    let ceiling = args.aim.reach.ceiling.map(|ceiling| match find {
        Find::Rate => f64::from(ceiling.get()),
        Find::Users => (f64::from(ceiling.get()) * f64::from(base.users) / base.rate_per_s.max(1.0)).floor(),
    });
    let max = args.max.into_iter().chain(ceiling).reduce(f64::min);
    if let Some(max) = max.filter(|max| *max < start) {
        let flag = if args.max == Some(max) { "--max" } else { "--ceiling: the most that may be sent," };
        bail!("{flag} {max} is below the first load, {start}; lower --start");
    }
    let whole = find == Find::Users;
    Ok((if whole { start.round() } else { start }, max.map(|max| if whole { max.round() } else { max })))
}

fn base(plan: &RunPlan) -> BaseLoad {
    let population = &plan.population;
    BaseLoad {
        rate_per_s: plan.arrival.peak_per_s().max(1.0),
        users: population.users,
        channels: population.channels,
        senders: population.senders,
        subscribers: population.subscribers,
        connect_per_s: plan.connect.rate_per_s,
        sends_over_sockets: plan.send.design.is_over_socket(),
    }
}

/// What the workload's file does not say: where to.
fn run_args(aim: &AimArgs) -> Vec<String> {
    let only_where = AimArgs { set: Vec::new(), seed: None, observe: None, ..aim.clone() };
    inputs::args_of("", &only_where).split_off(1)
}

fn resumed(args: &CapacityArgs, path: &Path) -> anyhow::Result<Asked> {
    let says_more = args.workload.is_some()
        || args.aim != AimArgs { target: args.aim.target.clone(), ..AimArgs::default() }
        || args.find.is_some()
        || args.start.is_some()
        || args.max.is_some()
        || !args.slo.is_empty();
    if says_more {
        bail!("--resume goes on as the search in {} was begun: beside it only --budget is taken", path.display());
    }
    let folder = StudyFolder::open(path);
    let summary: CapacitySummary = folder.read_json(SUMMARY).context("--resume: no search to go on with")?;
    let file = path.join(WORKLOAD);
    let text = std::fs::read_to_string(&file).with_context(|| format!("--resume: cannot read {}", file.display()))?;
    let plan = load_effective(&text, &file.display().to_string())?;
    let mut settings = summary.settings;
    if let Some(more) = args.budget {
        let used_s: f64 = summary.probes.iter().map(|probe| probe.took_s).sum();
        settings.budget_s = used_s + more.as_secs_f64();
    }
    let mut probes = summary.probes;
    // A target that could not be reached then may be there now.
    probes.retain(|probe| probe.outcome != Outcome::NoRun);
    let (about, recovery) = (summary.about, summary.recovery);
    Ok(Asked { about, settings, probes, recovery, observe: plan.observe, workload: None })
}
