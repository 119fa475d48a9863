//! Parse, dispatch, exit code.

use clap::Parser;
use posthaste::cli::{Cli, Command};
use posthaste::{commands, exit_code};
use std::process::ExitCode;

/// What a connection needs while it is opened, some 20 KiB, lies among what stays:
/// glibc's allocator holds on to it, this one gives it back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Run(args) => commands::run::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Profiles(args) => commands::profiles::run(&args),
        Command::Report(args) => commands::report::run(&args),
        Command::Capacity(args) => commands::capacity::run(&args),
        Command::Matrix(args) => commands::matrix::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Judge(args) => commands::judge::run(&args),
        Command::Completions(args) => commands::manual::completions(&args),
        Command::Man(args) => commands::manual::man(&args),
        Command::Serve(args) => return commands::serve::run(args),
    };
    ExitCode::from(outcome.unwrap_or_else(|error| {
        commands::complain(&format!("{error:#}"));
        exit_code::INTERNAL
    }))
}
