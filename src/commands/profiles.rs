//! `posthaste profiles`: lists the built-in profiles, or prints one.

use super::complain;
use crate::cli::ProfilesArgs;
use crate::exit_code;
use crate::plan::profile::{built_ins, find_built_in};
use crate::target::{TargetProfile, built_in_targets};
use std::fmt::Write as _;
use std::io::Write as _;

/// Prints to stdout and returns the exit code.
pub fn run(args: &ProfilesArgs) -> anyhow::Result<u8> {
    let text = match args.name.as_deref() {
        None => list()?,
        Some(name) => match built_in_targets().iter().find(|(target, _)| *target == name) {
            Some((_, text)) => (*text).to_owned(),
            None => match find_built_in(name) {
                Ok(workload) => workload.text.to_owned(),
                Err(error) => {
                    complain(&error);
                    return Ok(exit_code::USAGE);
                }
            },
        },
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(exit_code::PASS)
}

fn list() -> anyhow::Result<String> {
    let mut text = String::from("workloads (posthaste run NAME)\n");
    for workload in built_ins() {
        writeln!(text, "  {:<12} {}", workload.name, workload.description())?;
    }
    text.push_str("targets (posthaste run --target NAME --url URL)\n");
    for (name, profile) in built_in_targets() {
        writeln!(text, "  {name:<12} {}", TargetProfile::parse(profile, name)?.description)?;
    }
    Ok(text)
}
