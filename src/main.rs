//! Parse, dispatch, exit code.

use clap::Parser;
use posthaste::cli::{Cli, Command};
use posthaste::commands;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.command {
        Command::Serve(args) => commands::serve::run(args),
    }
}
