//! `posthaste completions` and `posthaste man`: what a package installs.

use super::run::print;
use crate::cli::{Cli, CompletionsArgs, ManArgs};
use crate::exit_code;
use anyhow::Context;
use clap::CommandFactory;

/// Prints the completions of a shell.
pub fn completions(args: &CompletionsArgs) -> anyhow::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "posthaste", &mut text);
    print(&String::from_utf8(text).context("completions are text")?)?;
    Ok(exit_code::PASS)
}

/// Prints the manual page of posthaste, or writes those of all commands.
pub fn man(args: &ManArgs) -> anyhow::Result<u8> {
    match &args.dir {
        Some(dir) => {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            clap_mangen::generate_to(Cli::command(), dir)
                .with_context(|| format!("cannot write to {}", dir.display()))?;
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            print(&String::from_utf8(text).context("a manual page is text")?)?;
        }
    }
    Ok(exit_code::PASS)
}
