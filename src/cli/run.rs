//! `posthaste run`.

#![allow(rustdoc::bare_urls, reason = "these texts are shown in a terminal")]

use super::AimArgs;
use clap::{Args, ValueEnum};
use std::num::NonZeroU64;
use std::path::PathBuf;

/// Arguments of `posthaste run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  posthaste run                                        # ten seconds, the built-in server
  posthaste run steady --url http://127.0.0.1:8065 --users 500 --rate 300 --duration 60s
  posthaste run churn --set churn.reset_share=1 --seed 7
  posthaste run mine.toml --explain                    # what it would do, in words
  posthaste run --defect ack-before-persist=100        # watch a lost message be found")]
pub struct RunArgs {
    /// Built-in workload, or the path of a workload profile
    #[arg(default_value = "quickstart")]
    pub workload: String,
    /// What a run is aimed at
    #[command(flatten)]
    pub aim: AimArgs,
    /// Virtual users
    #[arg(long)]
    pub users: Option<u32>,
    /// Messages a second, of all users together
    #[arg(long)]
    pub rate: Option<f64>,
    /// How long messages are sent, such as 30s or 5m
    #[arg(long)]
    pub duration: Option<String>,
    /// Worker threads of the generator
    #[arg(long)]
    pub workers: Option<u16>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// Tell the CI server, too, what is broken
    #[arg(long, value_name = "WHOSE")]
    pub annotations: Option<Annotations>,
    /// Serves the run's metrics to Prometheus at http://ADDRESS/metrics while it
    /// goes on, such as 127.0.0.1:9464; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    pub prometheus: Option<std::net::SocketAddr>,
    /// Pushes the run's metrics to an OpenTelemetry collector while it goes on, such
    /// as http://127.0.0.1:4318; in a build with the feature otlp
    #[arg(long, value_name = "ENDPOINT")]
    pub otlp: Option<String>,
    /// Tells the target's tracing of each attempt, in the header traceparent: slow
    /// asks it to keep every trace, a share such as 0.01 that of so many messages.
    /// The slowest messages and the examples of findings are then named by trace
    #[arg(long, value_name = "slow|SHARE")]
    pub trace: Option<String>,
    /// Links each trace to where it is looked at, such as
    /// https://jaeger.example/trace/{trace_id}
    #[arg(long, value_name = "TEMPLATE")]
    pub trace_url: Option<String>,
    /// No live progress
    #[arg(long)]
    pub quiet: bool,
    /// Print summary.json on stdout, and nothing else
    #[arg(long)]
    pub json: bool,
    /// Does not check posthaste itself before the run, which takes a second or two
    #[arg(long)]
    pub no_self_check: bool,
    /// Show the effective plan and send nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Tell in words what the run would do and need, and send nothing
    #[arg(long, conflicts_with = "dry_run")]
    pub explain: bool,
    /// Has the clients connect through the fault proxy even where no fault of
    /// the workload needs it, so that runs with and without faults compare
    #[arg(long)]
    pub through_proxy: bool,
    /// Plants a bug in the built-in server, and may be repeated; posthaste serve
    /// --defect list names them
    #[arg(long, value_name = "NAME[=every]")]
    pub defect: Vec<String>,
    /// Has the built-in server lose the answer to every n-th stored message
    #[arg(long, value_name = "every")]
    pub lose_ack: Option<NonZeroU64>,
    /// Has the built-in server log every instance of a planted bug
    #[arg(long, value_name = "FILE")]
    pub defect_log: Option<PathBuf>,
}

/// Where annotations are to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Annotations {
    /// GitHub Actions
    Github,
}
