//! `posthaste profiles`: the built-in profiles, listed or printed.

use crate::cli::ProfilesArgs;
use crate::exit_code;
use crate::plan::profile::{built_ins, find_built_in};
use anyhow::Context;
use std::io::{ErrorKind, Write};

/// Prints the profile of the name, or lists all; returns the exit code. An
/// unknown name is a usage error.
pub fn run(args: &ProfilesArgs) -> anyhow::Result<u8> {
    let text = match text(args.name.as_deref()) {
        Ok(text) => text,
        Err(why) => {
            #[allow(clippy::print_stderr, reason = "the error is the answer")]
            {
                eprintln!("error: {why}");
            }
            return Ok(exit_code::USAGE);
        }
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // A reader such as `head` has seen enough.
        Err(why) if why.kind() == ErrorKind::BrokenPipe => Ok(exit_code::PASS),
        written => written.map(|()| exit_code::PASS).context("cannot write to stdout"),
    }
}

/// What is printed; the error names what is near an unknown name.
fn text(name: Option<&str>) -> Result<String, String> {
    match name {
        Some(name) => Ok(find_built_in(name)?.text.to_owned()),
        None => Ok(list("workloads", built_ins().iter().map(|one| (one.name, one.description())))),
    }
}

/// A heading, and a line for each profile with its description.
fn list<'a>(heading: &str, profiles: impl Iterator<Item = (&'a str, String)>) -> String {
    let lines: String = profiles.map(|(name, description)| format!("  {name:<16} {description}\n")).collect();
    format!("{heading}\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_each_workload_and_the_text_of_one() {
        let all = text(None).unwrap();
        assert_eq!(all.lines().count(), 1 + built_ins().len());
        assert!(all.starts_with("workloads\n  quickstart       ten seconds of chat"), "{all}");
        assert_eq!(text(Some("steady")).unwrap(), built_ins()[1].text);
        assert_eq!(text(Some("stedy")).unwrap_err(), "unknown workload \"stedy\"; did you mean \"steady\"?");
    }
}
