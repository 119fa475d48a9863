//! Arguments of `posthaste check`.

use super::{AimArgs, ReachArgs};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `posthaste check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Workload or target profile: the name of a built-in one, or a path
    pub what: Option<String>,
    /// Asks the target at this address whether its profile is true
    #[arg(long)]
    pub url: Option<String>,
    /// Checks posthaste itself, on this machine, in under a minute: known delays,
    /// a known stall, and how many messages a second can be measured, or as many
    /// as a workload asks for
    #[arg(long = "self", conflicts_with_all = ["url", "schema"])]
    pub of_itself: bool,
    /// Gives a variable of the target profile a value; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub var: Vec<String>,
    /// Users from a CSV file, whose columns are variables of the target profile
    #[arg(long, value_name = "FILE")]
    pub users_from: Option<PathBuf>,
    /// How it is reached
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How long is waited at most until a key is used again
    #[arg(long, value_name = "TIME", default_value = "36s")]
    pub patience: String,
    /// Messages with which the depth of a history is looked for, and that a connection
    /// misses before it is resumed
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    pub messages: u32,
    /// Replaces a value of the workload that is checked
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print what was found as JSON on stdout, and nothing else
    #[arg(long)]
    pub json: bool,
    /// No progress
    #[arg(long)]
    pub quiet: bool,
    /// Print a JSON Schema of target profiles, for editors
    #[arg(long)]
    pub schema: bool,
}

impl CheckArgs {
    /// The same as a run is aimed.
    pub fn aim(&self) -> AimArgs {
        AimArgs {
            target: "reference".to_owned(),
            url: self.url.clone(),
            reach: self.reach.clone(),
            set: self.set.clone(),
            seed: None,
            serve: Vec::new(),
            var: self.var.clone(),
            users_from: self.users_from.clone(),
            setup: None,
            clean: false,
            observe: None,
        }
    }
}
