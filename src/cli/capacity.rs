//! `posthaste capacity`.

use super::{AimArgs, duration};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `posthaste capacity`.
#[derive(Debug, Args)]
pub struct CapacityArgs {
    /// Built-in workload, or the path of a workload profile; "capacity" by
    /// default
    pub workload: Option<String>,
    /// What every probe is aimed at
    #[command(flatten)]
    pub aim: AimArgs,
    /// A threshold of the objective, such as "delivery.p99 < 250ms"; may be
    /// repeated; by default the thresholds of the workload
    #[arg(long, value_name = "THRESHOLD")]
    pub slo: Vec<String>,
    /// What is searched for
    #[arg(long, value_enum)]
    pub find: Option<FindArg>,
    /// The first load; by default a quarter of the workload's
    #[arg(long, value_name = "LOAD")]
    pub start: Option<f64>,
    /// The highest load that is tried
    #[arg(long, value_name = "LOAD")]
    pub max: Option<f64>,
    /// How long the search may take; what it takes from the lengths of the
    /// probes is said in the result. 10m by default
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub budget: Option<Duration>,
    /// Goes on with the search in this folder; --budget then adds to it
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,
    /// Folder for the results
    #[arg(long, value_name = "DIR", default_value = "results")]
    pub results: PathBuf,
    /// No progress
    #[arg(long)]
    pub quiet: bool,
    /// Print capacity.json on stdout, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// What a capacity is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FindArg {
    /// Messages a second, of the workload's users; the default
    Rate,
    /// Users, each of whom sends as much as in the workload
    Users,
}
