//! What a target profile needs from the user: variables, users from a file, and
//! a workload that it can be given.

use crate::cli::AimArgs;
use crate::engine::CastingOptions;
use crate::plan::near::nearest;
use crate::plan::{ReceiveDesign, RunPlan};
use crate::target::{Described, GivenFrom, TargetProfile, Transport};
use anyhow::{Context, bail};
use std::path::Path;

/// Reads them; every error is the user's to mend.
pub fn options(aim: &AimArgs, target: &TargetProfile) -> anyhow::Result<CastingOptions> {
    let Some(described) = &target.described else {
        let given = [("--var", !aim.var.is_empty()), ("--users-from", aim.users_from.is_some())];
        let given = given.into_iter().chain([("--setup", aim.setup.is_some()), ("--clean", aim.clean)]);
        if let Some((flag, _)) = given.into_iter().find(|(_, is_given)| *is_given) {
            bail!("{flag} is for targets that a profile describes; {} has a native wire", target.name);
        }
        return Ok(CastingOptions::default());
    };
    if aim.clean && aim.setup.is_some() {
        bail!("--clean removes the channels that --setup keeps for the next run; give one of them");
    }
    if aim.clean && described.cleanup.is_empty() {
        bail!("--clean: the profile {} has no [[cleanup]]", target.name);
    }
    Ok(CastingOptions {
        given: variables(&aim.var, described, &target.name)?,
        users: aim.users_from.as_deref().map_or(Ok(Vec::new()), |path| users(path, described))?,
        kept: aim.setup.clone(),
        clean: aim.clean,
    })
}

fn variables(given: &[String], described: &Described, target: &str) -> anyhow::Result<Vec<String>> {
    let pairs: Vec<(&str, &str)> = given
        .iter()
        .map(|pair| pair.split_once('=').with_context(|| format!("--var {pair}: write NAME=VALUE")))
        .collect::<Result<_, _>>()?;
    let names: Vec<&str> = described.given.iter().map(|variable| variable.name.as_str()).collect();
    for (name, _) in &pairs {
        let Some(variable) = described.given.iter().find(|variable| variable.name == *name) else {
            let near = nearest(name, names.iter().copied(), 1);
            let hint = match (&near[..], names.is_empty()) {
                ([near], _) => format!("; did you mean {near}?"),
                (_, true) => " at all".to_owned(),
                _ => format!("; it has {}", names.join(", ")),
            };
            bail!("--var {name}: the profile {target} has no such variable{hint}");
        };
        if !matches!(variable.from, GivenFrom::Flag(_)) {
            bail!(
                "--var {name}: this is a secret, and has no place on a command line; {}",
                secret_from(&variable.from)
            );
        }
    }
    let value = |variable: &crate::target::GivenVariable| {
        let flag = pairs.iter().rev().find(|(name, _)| *name == variable.name).map(|(_, value)| (*value).to_owned());
        let help = variable.help.as_deref().map_or_else(String::new, |help| format!(" ({help})"));
        match &variable.from {
            GivenFrom::Flag(default) => flag
                .or_else(|| default.clone())
                .with_context(|| format!("the profile {target} needs --var {}=VALUE{help}", variable.name)),
            GivenFrom::Env(name) => std::env::var(name)
                .with_context(|| format!("the profile {target} needs the environment variable {name}{help}")),
            GivenFrom::File(path) => {
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| format!("the profile {target} needs the file {path}{help}"))?;
                Ok(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        }
    };
    described.given.iter().map(value).collect()
}

fn secret_from(from: &GivenFrom) -> String {
    match from {
        GivenFrom::Env(name) => format!("set the environment variable {name}"),
        GivenFrom::File(path) => format!("write it into the file {path}"),
        GivenFrom::Flag(_) => String::new(),
    }
}

/// The profile's columns of each row, in their order.
fn users(path: &Path, described: &Described) -> anyhow::Result<Vec<Vec<String>>> {
    let shown = path.display();
    if described.columns.is_empty() {
        bail!("--users-from {shown}: the profile takes no columns; its [users] columns would name them");
    }
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("--users-from {shown}"))?;
    let headers = reader.headers().with_context(|| format!("--users-from {shown}"))?.clone();
    let places = described.columns.iter().map(|column| {
        headers.iter().position(|header| header.trim() == column).with_context(|| {
            let found: Vec<&str> = headers.iter().collect();
            format!("--users-from {shown}: there is no column {column}; the file has {}", found.join(", "))
        })
    });
    let places: Vec<usize> = places.collect::<Result<_, _>>()?;
    let mut users = Vec::new();
    for row in reader.records() {
        let row = row.with_context(|| format!("--users-from {shown}"))?;
        users.push(places.iter().map(|place| row.get(*place).unwrap_or_default().to_owned()).collect());
    }
    Ok(users)
}

/// What a workload cannot have at such a target.
pub fn check(plan: &RunPlan, target: &TargetProfile, has_url: bool, casting: &CastingOptions) -> anyhow::Result<()> {
    let Some(described) = &target.described else { return Ok(()) };
    let name = &target.name;
    if !has_url {
        bail!("--target {name} needs --url: where is the server?");
    }
    if !described.columns.is_empty() {
        let (users, given) = (plan.population.users as usize, casting.users.len());
        if given < users {
            bail!(
                "the profile {name} takes its users from a file, and there are {given} of {users}: give --users-from \
                   a CSV with the columns {}",
                described.columns.join(", ")
            );
        }
    }
    let design = plan.send.design;
    if design.is_over_socket() && described.send.frame.is_none() {
        bail!("send.design = \"{}\": the profile {name} sends over HTTP; add --set send.design=http", design.name());
    }
    if !design.is_over_socket() && described.send.request.is_none() {
        bail!("the profile {name} sends over the socket; add --set send.design=ws-ack");
    }
    let receive = plan.receive.design;
    let known =
        [ReceiveDesign::Ws, ReceiveDesign::WsTrusting, ReceiveDesign::WsHint, ReceiveDesign::Rtm, ReceiveDesign::Poll];
    if !known.contains(&receive) {
        bail!(
            "receive.design = \"{}\" is of the native wire; the profile {name} has ws, ws-trusting, ws-hint, rtm and poll",
            receive.name()
        );
    }
    if receive == ReceiveDesign::Rtm && described.receive.resume.is_none() {
        bail!("receive.design = \"rtm\": the profile {name} has no [receive.resume]; add --set receive.design=ws");
    }
    if receive.holds_socket() && described.receive.transport == Transport::None {
        bail!("the profile {name} has no live transport; add --set receive.design=poll");
    }
    if receive.fetches() && described.history.is_none() {
        bail!("receive.design = \"{}\" reads history, and the profile {name} has none", receive.name());
    }
    if plan.hints.any() || plan.actions.any() {
        bail!("[hints] and [actions] are of the native wire; remove them from the workload for the target {name}");
    }
    if plan.changes.share > 0.0 {
        bail!("[changes] are of the native wire; remove them from the workload for the target {name}");
    }
    if plan.members.churn_per_minute > 0.0 && (described.join.is_empty() || described.leave.is_empty()) {
        bail!("[members] has users leave channels, and the profile {name} has no [[join]] and [[leave]]");
    }
    Ok(())
}
