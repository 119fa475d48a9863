//! The command line: clap's structs, and nothing else.

mod capacity;
mod check;
mod compare;
mod reach;
mod run;
mod serve;

pub use capacity::{CapacityArgs, FindArg};
pub use check::CheckArgs;
pub use compare::CompareArgs;
pub use reach::ReachArgs;
pub use run::{Annotations, RunArgs};
pub use serve::{CommitArg, ServeArgs, SynchronousArg};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Load generator and delivery-correctness benchmark for chat servers.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One run: load, drain, judge, report
    ///
    /// Without a workload: ten seconds against the built-in server. The exit
    /// code is 0 for a pass, 97 for a lost or duplicated message, 99 for a
    /// broken threshold, 3 for an inconclusive run.
    Run(RunArgs),
    /// Every design against every failure: two tables of measured counts
    ///
    /// Each cell is a run with the same workload and seed. The exit code is 97
    /// only where a design broke a promise that it made.
    Matrix(MatrixArgs),
    /// Whether B is worse than A: two finished runs, or runs in pairs
    ///
    /// `compare results/RUN-A results/RUN-B` shows two runs side by side.
    /// `compare --pairs` decides: it runs both sides in turn, on the same
    /// machine with fresh servers, until the difference is clear or the pairs are
    /// used up. The exit code is 99 for a regression, 3 where nothing could be
    /// shown, 97 for a lost or duplicated message.
    Compare(CompareArgs),
    /// The highest load that keeps an objective, confirmed, and what it costs
    ///
    /// Runs the workload at one load after the other: up until the objective
    /// fails, halfway back, then three holds and an overload. The exit code is 0
    /// for a confirmed capacity, 99 where no load keeps the objective, 97 for a
    /// lost or duplicated message, 3 where nothing was confirmed.
    Capacity(CapacityArgs),
    /// What a profile means, and whether a target is what its profile says
    ///
    /// Reads a workload or a target profile, and shows the plan or the promises.
    /// With --url, a target is asked with about 170 messages: the same key
    /// again in six ways, small pages, odd texts, a wrong token. The table shows
    /// declared against observed; the exit code is 97 where a promise does not
    /// hold. With --self, posthaste checks itself; the exit code is 3 where its
    /// latencies cannot be believed on this machine.
    Check(CheckArgs),
    /// List the built-in profiles, or print one
    Profiles(ProfilesArgs),
    /// Judge and render again from the files of a run
    ///
    /// Returns what the run returned. Reads the folder of a killed run too.
    Report(ReportArgs),
    /// Judge a history: a file in which a line tells each thing that happened
    ///
    /// Any tool can write one; results/history-format.md describes it. The
    /// exit code is 0 for a pass, 97 for a lost or duplicated message, 3 for a
    /// history that does not prove enough.
    Judge(JudgeArgs),
    /// The reference server: Slack-compatible, over SQLite or PostgreSQL.
    Serve(ServeArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(ManArgs),
}

/// The target, and the values of the workload that are replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct AimArgs {
    /// Built-in target profile, or the path of one
    #[arg(long, default_value = "reference")]
    pub target: String,
    /// Where the target is, such as http://127.0.0.1:8080; without it the
    /// built-in server is started
    #[arg(long)]
    pub url: Option<String>,
    /// How it is reached
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Replaces a value of the workload, such as send.attempts=1
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Seed of the schedule, the membership and the disconnects
    #[arg(long)]
    pub seed: Option<u64>,
    /// Gives the built-in server an option of posthaste serve, such as
    /// max-rate=1000; may be repeated
    #[arg(long, value_name = "OPTION[=VALUE]")]
    pub serve: Vec<String>,
    /// Gives a variable of the target profile a value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// Users from a CSV file, whose columns are variables of the target profile
    #[arg(long, value_name = "FILE")]
    pub users_from: Option<PathBuf>,
    /// Keeps the users and channels that a target profile sets up in this file,
    /// and uses those that stand there; tokens are in it
    #[arg(long, value_name = "FILE")]
    pub setup: Option<PathBuf>,
    /// Makes the clean-up steps of the target profile at the end
    #[arg(long)]
    pub clean: bool,
    /// Reads how much the target's process uses: pid=NUMBER, cgroup=FOLDER, or
    /// prometheus=URL of an instant query for its CPU seconds; the built-in
    /// server is observed by itself
    #[arg(long, value_name = "SOURCE")]
    pub observe: Option<String>,
}

/// Arguments of `posthaste matrix`.
#[derive(Debug, Args)]
pub struct MatrixArgs {
    /// Built-in workload, or the path of a workload profile, that every cell
    /// runs
    #[arg(default_value = "matrix")]
    pub workload: String,
    /// What every cell is aimed at
    #[command(flatten)]
    pub aim: AimArgs,
    /// Only these designs, such as http,ws-ack
    #[arg(long, value_name = "DESIGN", value_delimiter = ',')]
    pub designs: Vec<String>,
    /// Only these failures, such as "clean,half-open"
    #[arg(long, value_name = "FAILURE", value_delimiter = ',')]
    pub failures: Vec<String>,
    /// Cells side by side; as many as cores by default
    #[arg(long)]
    pub jobs: Option<usize>,
    /// The send table alone
    #[arg(long)]
    pub quick: bool,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// No progress
    #[arg(long)]
    pub quiet: bool,
    /// Print matrix.json on stdout, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `posthaste profiles`.
#[derive(Debug, Args)]
pub struct ProfilesArgs {
    /// Prints this profile
    pub name: Option<String>,
}

/// Arguments of `posthaste report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Folder of the run
    #[arg(value_name = "DIR", default_value = "results/latest")]
    pub folder: PathBuf,
    /// How to print the summary
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// Write everything that happened into a file, as posthaste judge reads it
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// Write summary.json, summary.md, summary.txt and findings.csv anew
    #[arg(long)]
    pub write: bool,
}

/// Arguments of `posthaste judge`.
#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// The history; - is standard input
    pub file: PathBuf,
    /// Print the verdict as JSON
    #[arg(long)]
    pub json: bool,
}

/// How a summary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    Text,
    /// For a pull request or a CI job's summary
    Markdown,
    /// A page with charts, in one file
    Html,
    /// JUnit XML: a test for each threshold and each finding that must be zero
    Junit,
    /// Workflow commands of GitHub Actions, shown as annotations
    Github,
    /// The contents of summary.json
    Json,
}

/// Arguments of `posthaste completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Whose
    pub shell: clap_complete::Shell,
}

/// Arguments of `posthaste man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Folder for the pages of all commands
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `500ms`, `30s`, `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|signed| signed.try_into().ok());
    parsed.ok_or_else(|| "write a duration such as 500ms, 30s or 5m".to_owned())
}
