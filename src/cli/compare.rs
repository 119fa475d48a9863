//! `posthaste compare`.

use super::ReachArgs;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `posthaste compare`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  posthaste compare results/20261124-031502-k7q2 results/latest --html compare.html
  posthaste compare --pairs --exec './old --port {port}' --exec './new --port {port}'
  posthaste compare steady --pairs --url http://127.0.0.1:8065 --url http://127.0.0.1:8066
  posthaste compare --pairs --set-b send.design=ws-ack
  posthaste compare --aa                      # how far equal builds differ here")]
pub struct CompareArgs {
    /// Folders of two finished runs; with --pairs, the workload, or a workload
    /// for each side
    #[arg(value_name = "RUN or WORKLOAD")]
    pub what: Vec<String>,
    /// Runs in pairs, at most so many (8 to 20)
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "20")]
    pub pairs: Option<usize>,
    /// Runs A against itself, to measure how far equal builds differ here
    #[arg(long)]
    pub aa: bool,
    /// Command that starts a server on {port}, for each run anew; once, or for A
    /// and for B
    #[arg(long, value_name = "COMMAND")]
    pub exec: Vec<String>,
    /// Where the target is; once, or for A and for B
    #[arg(long)]
    pub url: Vec<String>,
    /// Target profile; once, or for A and for B
    #[arg(long)]
    pub target: Vec<String>,
    /// How the targets are reached
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Gives a variable of the target profiles a value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// Makes the clean-up steps of the target profiles after each run
    #[arg(long)]
    pub clean: bool,
    /// Replaces a value of the workload for both sides
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// For A only
    #[arg(long, value_name = "KEY=VALUE")]
    pub set_a: Vec<String>,
    /// For B only
    #[arg(long, value_name = "KEY=VALUE")]
    pub set_b: Vec<String>,
    /// Gives the built-in server of both sides an option of posthaste serve
    #[arg(long, value_name = "OPTION[=VALUE]")]
    pub serve: Vec<String>,
    /// That of A only
    #[arg(long, value_name = "OPTION[=VALUE]")]
    pub serve_a: Vec<String>,
    /// That of B only
    #[arg(long, value_name = "OPTION[=VALUE]")]
    pub serve_b: Vec<String>,
    /// Seed of the runs, and of the order within pairs
    #[arg(long)]
    pub seed: Option<u64>,
    /// What decides, with how much worse B may be, such as ack.p99=10%; at most
    /// four
    #[arg(long, value_name = "METRIC[=PERCENT]")]
    pub gate: Vec<String>,
    /// Ends within this time, with fewer pairs if need be
    #[arg(long, value_name = "DURATION")]
    pub budget: Option<String>,
    /// Compares runs of different workloads all the same
    #[arg(long)]
    pub force: bool,
    /// Writes two finished runs side by side as a page, too
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// No live progress
    #[arg(long)]
    pub quiet: bool,
    /// Print the result as JSON on stdout, and nothing else
    #[arg(long)]
    pub json: bool,
}
