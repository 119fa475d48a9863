//! Parse, dispatch, exit code.

use clap::Parser;
use posthaste::cli::{Cli, Command};
use posthaste::{commands, exit_code};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Profiles(args) => commands::profiles::run(&args),
    };
    match done {
        Ok(()) => ExitCode::from(exit_code::PASS),
        Err(why) => {
            #[allow(clippy::print_stderr, reason = "the error is the answer")]
            {
                eprintln!("error: {why}");
            }
            ExitCode::from(exit_code::USAGE)
        }
    }
}
