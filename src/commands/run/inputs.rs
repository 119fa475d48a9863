//! What a run is asked to do: profiles read, flags applied, addresses checked.

use super::built_in_server::replicas_of;
use super::casting;
use super::sources::sources;
use super::trust::trust;
use crate::cli::{AimArgs, Cli, ReachArgs, RunArgs};
use crate::commands::store;
use crate::engine::CastingOptions;
use crate::plan::near::nearest;
use crate::plan::profile::{Override, Resolved, find_built_in, load};
use crate::plan::{Fault, Observe, ReceiveDesign, RunPlan, Touches};
use crate::server::DefectSpec;
use crate::target::{Address, TargetProfile, built_in_targets};
use anyhow::{Context, bail};
use clap::Parser;
use std::path::Path;

/// Everything that a run needs, valid.
pub struct Inputs {
    /// The plan with its origins.
    pub resolved: Resolved,
    /// The target's profile.
    pub target: TargetProfile,
    /// Where the target is; `None` for the built-in server.
    pub address: Option<Address>,
    /// What the target profile needs from the user.
    pub casting: CastingOptions,
}

/// Reads the inputs of a run. Every error is the user's to mend.
pub fn read(args: &RunArgs) -> anyhow::Result<Inputs> {
    if args.aim.url.is_some() && !(args.defect.is_empty() && args.lose_ack.is_none() && args.defect_log.is_none()) {
        bail!(
            "--defect, --defect-log and --lose-ack are for the built-in server; remove --url, or give them to posthaste serve"
        );
    }
    check_serve(&args.aim)?;
    let defects = args.defect.iter().map(|text| text.parse()).collect::<Result<Vec<DefectSpec>, _>>();
    defects.context("--defect")?;
    let address = args.aim.url.as_deref().map(Address::parse).transpose()?;
    let target = target(&args.aim.target)?;
    let overrides = overrides(args)?;
    let casting = casting::options(&args.aim, &target)?;
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
    check_replicas(args, &resolved.plan)?;
    casting::check(&resolved.plan, &target, address.is_some(), &casting)?;
    check_reach(&args.aim.reach, &resolved.plan)?;
    Ok(Inputs { resolved, target, address, casting })
}

/// The plan of a workload, and where it would go.
pub fn plan_of(workload_name: &str, aim: &AimArgs) -> anyhow::Result<RunPlan> {
    resolved(workload_name, aim).map(|resolved| resolved.plan)
}

/// The same with the origin of each value.
pub fn resolved(workload_name: &str, aim: &AimArgs) -> anyhow::Result<Resolved> {
    check_serve(aim)?;
    aim.url.as_deref().map(Address::parse).transpose()?;
    let target = target(&aim.target)?;
    let (text, file) = workload(workload_name)?;
    let resolved = load(&text, &file, &replaced(aim)?, target.capabilities.clone(), &target.name)?;
    check_reach(&aim.reach, &resolved.plan)?;
    Ok(resolved)
}

/// A load tool is a weapon pointed by a typo: a host that is allowed by name has
/// a ceiling, and no plan goes above it.
fn check_reach(reach: &ReachArgs, plan: &RunPlan) -> anyhow::Result<()> {
    trust(reach, None)?;
    sources(&reach.source)?;
    let peak = plan.arrival.peak_per_s();
    match (reach.ceiling, reach.allow_host.first()) {
        (None, Some(host)) => {
            bail!("--allow-host {host} needs --ceiling RATE: so many attempts a second are the most that is ever made")
        }
        // Who waits for answers waits for the ceiling, too.
        (Some(ceiling), _) if !plan.arrival.is_closed() && peak > f64::from(ceiling.get()) => {
            bail!("the workload sends up to {peak} messages a second, and --ceiling is {ceiling}; lower its rate")
        }
        _ => Ok(()),
    }
}

/// Arguments of `posthaste run` for the same workload and aim.
pub fn args_of(workload_name: &str, aim: &AimArgs) -> Vec<String> {
    let mut args = vec![workload_name.to_owned()];
    let mut add = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
    add("--target", &aim.target);
    let hosts = &aim.reach.allow_host;
    let repeated = [("--allow-host", hosts), ("--set", &aim.set), ("--serve", &aim.serve), ("--var", &aim.var)];
    for (flag, values) in repeated {
        values.iter().for_each(|value| add(flag, value));
    }
    aim.reach.ceiling.iter().for_each(|ceiling| add("--ceiling", &ceiling.to_string()));
    aim.reach.source.iter().for_each(|source| add("--source", source));
    for (flag, value) in [("--url", &aim.url), ("--observe", &aim.observe)] {
        value.iter().for_each(|value| add(flag, value));
    }
    let authorities = aim.reach.ca.iter().map(|file| ("--ca", file));
    let files = aim.users_from.iter().map(|file| ("--users-from", file));
    for (flag, path) in authorities.chain(files).chain(aim.setup.iter().map(|file| ("--setup", file))) {
        add(flag, &path.display().to_string());
    }
    aim.seed.iter().for_each(|seed| add("--seed", &seed.to_string()));
    for (flag, _) in [("--clean", aim.clean), ("--insecure", aim.reach.insecure)].iter().filter(|(_, given)| *given) {
        args.push((*flag).to_owned());
    }
    args
}

/// Options of `posthaste serve` that posthaste sets itself.
const OWN_OPTIONS: [&str; 8] =
    ["shared", "host", "port", "db", "schema", "store-fail-while", "exit-with-stdin", "defect-log"];

fn check_serve(aim: &AimArgs) -> anyhow::Result<()> {
    for option in &aim.serve {
        let shown = store::shown(option);
        if aim.url.is_some() {
            bail!("--serve {shown} is for the built-in server; remove --url, or give it to posthaste serve");
        }
        let name = option.split('=').next().unwrap_or_default();
        if OWN_OPTIONS.contains(&name) {
            bail!("--serve {shown}: posthaste sets {name} itself");
        }
        let line = ["posthaste".to_owned(), "serve".to_owned(), serve_flag(option)];
        if let Err(error) = Cli::try_parse_from(line) {
            let first = error.to_string().lines().next().unwrap_or_default().replace("error: ", "");
            bail!("--serve {shown}: {first}; posthaste serve --help names the options, such as max-rate=1000");
        }
    }
    if let Some(store) = store::named_by(&aim.serve) {
        store::reach(&store::address(store, "posthaste")?)?;
    }
    Ok(())
}

/// What cannot be had where several processes serve one store.
fn check_replicas(args: &RunArgs, plan: &RunPlan) -> anyhow::Result<()> {
    let (count, _) = replicas_of(&args.aim.serve);
    let alone = [
        ("--defect", !args.defect.is_empty()),
        ("send.design ws-fanout-first", !plan.send.design.stores_first()),
        ("receive.design socket-mode", plan.receive.design == ReceiveDesign::SocketMode),
    ];
    match alone.into_iter().find(|(_, is_asked)| *is_asked && count > 1) {
        Some((what, _)) => bail!("{what} is of one process alone: remove it, or --serve replicas={count}"),
        None => Ok(()),
    }
}

/// `max-rate=1000` as `posthaste serve` is given it.
pub fn serve_flag(option: &str) -> String {
    format!("--{option}")
}

/// The target profile of a name, or of a path.
pub fn target(name: &str) -> anyhow::Result<TargetProfile> {
    if let Some((_, text)) = built_in_targets().iter().find(|(built_in, _)| *built_in == name) {
        return Ok(TargetProfile::parse(text, name)?);
    }
    if !looks_like_path(name) {
        let names: Vec<&str> = built_in_targets().iter().map(|(name, _)| *name).collect();
        if let [near] = nearest(name, names.iter().copied(), 1)[..] {
            bail!("--target {name}: no such profile; did you mean {near}?");
        }
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
        ("--trace", "trace.sample", args.trace.clone()),
        ("--trace-url", "trace.url", args.trace_url.clone()),
    ] {
        all.extend(value.map(|value| Override::flag(flag, path, value)));
    }
    all.extend(replaced(&args.aim)?);
    Ok(all)
}

/// The values that `--seed`, `--observe` and `--set` replace.
fn replaced(aim: &AimArgs) -> anyhow::Result<Vec<Override>> {
    let observe = aim.observe.as_deref().map(|observe| match observe.split_once('=') {
        Some((key, value)) if Observe::KEYS.contains(&key) => {
            Ok(Override::flag("--observe", &format!("observe.{key}"), value))
        }
        _ => bail!("--observe {observe}: write pid=NUMBER, cgroup=FOLDER or prometheus=URL of an instant query"),
    });
    let seed = aim.seed.map(|seed| Override::flag("--seed", "seed", seed.to_string()));
    let mut all: Vec<Override> = seed.into_iter().chain(observe.transpose()?).collect();
    for assignment in &aim.set {
        all.push(Override::set(assignment)?);
    }
    Ok(all)
}
