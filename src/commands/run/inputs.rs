//! What a run is asked to do: profiles read, flags applied, addresses checked.

use crate::cli::{AimArgs, RunArgs};
use crate::plan::profile::{Override, Resolved, find_built_in, load};
use crate::plan::{Fault, RunPlan, Touches};
use crate::server::DefectSpec;
use crate::target::{Address, TargetProfile, built_in_targets};
use anyhow::{Context, bail};
use std::path::Path;

/// Everything that a run needs, valid.
pub struct Inputs {
    /// The plan with its origins.
    pub resolved: Resolved,
    /// The target's profile.
    pub target: TargetProfile,
    /// Where the target is; `None` for the built-in server.
    pub address: Option<Address>,
}

/// Reads the inputs of a run. Every error is the user's to mend.
pub fn read(args: &RunArgs) -> anyhow::Result<Inputs> {
    if args.aim.url.is_some() && !(args.defect.is_empty() && args.lose_ack.is_none() && args.defect_log.is_none()) {
        bail!(
            "--defect, --defect-log and --lose-ack are for the built-in server; remove --url, or give them to posthaste serve"
        );
    }
    let defects = args.defect.iter().map(|text| text.parse()).collect::<Result<Vec<DefectSpec>, _>>();
    defects.context("--defect")?;
    let address = args.aim.url.as_deref().map(Address::parse).transpose()?;
    let target = target(&args.aim.target)?;
    let overrides = overrides(args)?;
    let (text, file) = workload(&args.workload)?;
    let resolved = load(&text, &file, &overrides, target.capabilities.clone(), &target.name)?;
    let needs_own_server = |fault: &&Fault| match fault.kind.touches() {
        Touches::Process => true,
        Touches::Store => fault.settings.begin.is_empty(),
        _ => false,
    };
    if let Some(fault) = resolved.plan.faults.iter().find(needs_own_server).filter(|_| address.is_some()) {
        let else_give = match fault.kind.touches() {
            Touches::Store => ", or give it the commands begin and end",
            _ => "",
        };
        bail!(
            "the fault {} needs a process that posthaste started; remove --url, or the fault from the \
             workload{else_give}",
            fault.kind.name()
        );
    }
    Ok(Inputs { resolved, target, address })
}

/// The plan of a workload, and where it would go.
pub fn plan_of(workload_name: &str, aim: &AimArgs) -> anyhow::Result<RunPlan> {
    aim.url.as_deref().map(Address::parse).transpose()?;
    let target = target(&aim.target)?;
    let (text, file) = workload(workload_name)?;
    Ok(load(&text, &file, &replaced(aim)?, target.capabilities.clone(), &target.name)?.plan)
}

fn target(name: &str) -> anyhow::Result<TargetProfile> {
    if let Some((_, text)) = built_in_targets().iter().find(|(built_in, _)| *built_in == name) {
        return Ok(TargetProfile::parse(text, name)?);
    }
    if !looks_like_path(name) {
        let names: Vec<&str> = built_in_targets().iter().map(|(name, _)| *name).collect();
        bail!("--target {name}: no such profile; built in: {}; a file is given by its path", names.join(", "));
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("--target {name}"))?;
    Ok(TargetProfile::parse(&text, name)?)
}

/// Text and file name of a workload.
fn workload(name: &str) -> anyhow::Result<(String, String)> {
    if looks_like_path(name) {
        let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the workload {name}"))?;
        return Ok((text, name.to_owned()));
    }
    let built_in = find_built_in(name).map_err(anyhow::Error::msg)?;
    Ok((built_in.text.to_owned(), built_in.file()))
}

fn looks_like_path(name: &str) -> bool {
    name.contains('/') || name.ends_with(".toml") || Path::new(name).is_file()
}

fn overrides(args: &RunArgs) -> anyhow::Result<Vec<Override>> {
    let mut all = Vec::new();
    for (flag, path, value) in [
        ("--users", "population.users", args.users.map(|value| value.to_string())),
        ("--rate", "arrival.rate", args.rate.map(|value| value.to_string())),
        ("--duration", "arrival.duration", args.duration.clone()),
    ] {
        all.extend(value.map(|value| Override::flag(flag, path, value)));
    }
    all.extend(replaced(&args.aim)?);
    Ok(all)
}

/// The values that `--seed` and `--set` replace.
fn replaced(aim: &AimArgs) -> anyhow::Result<Vec<Override>> {
    let seed = aim.seed.map(|seed| Override::flag("--seed", "seed", seed.to_string()));
    let mut all: Vec<Override> = seed.into_iter().collect();
    for assignment in &aim.set {
        all.push(Override::set(assignment)?);
    }
    Ok(all)
}
