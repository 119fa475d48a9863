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
    let code = done.unwrap_or_else(|why| {
        #[allow(clippy::print_stderr, reason = "the error is the answer")]
        {
            eprintln!("error: {why:#}");
        }
        exit_code::INTERNAL
    });
    ExitCode::from(code)
}
