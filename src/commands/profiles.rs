//! `posthaste profiles`: the built-in profiles, listed or printed.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use crate::cli::ProfilesArgs;
use crate::plan::profile::{built_ins, find_built_in};

/// Prints the profile of the name, or lists all. The error names what is near
/// the name; it is a usage error.
pub fn run(args: &ProfilesArgs) -> Result<(), String> {
    match &args.name {
        Some(name) => print!("{}", find_built_in(name)?.text),
        None => print!("{}", list("workloads", built_ins().iter().map(|one| (one.name, one.description())))),
    }
    Ok(())
}

/// A heading, and a line for each profile with its description.
pub(crate) fn list<'a>(heading: &str, profiles: impl Iterator<Item = (&'a str, String)>) -> String {
    let lines: String = profiles.map(|(name, description)| format!("  {name:<16} {description}\n")).collect();
    format!("{heading}\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_workload() {
        let text = list("workloads", built_ins().iter().map(|one| (one.name, one.description())));
        assert_eq!(text.lines().count(), 1 + built_ins().len());
        assert!(text.starts_with("workloads\n  quickstart       ten seconds of chat"), "{text}");
        let error = run(&ProfilesArgs { name: Some("stedy".to_owned()) }).unwrap_err();
        assert_eq!(error, "unknown workload \"stedy\"; did you mean \"steady\"?");
    }
}
