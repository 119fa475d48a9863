//! Parse, dispatch, exit code.

use clap::Parser;
use posthaste::cli::Cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {}
}
