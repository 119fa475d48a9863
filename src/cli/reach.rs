//! How a target is reached: the same for every command that reaches one.

use clap::Args;
use std::path::PathBuf;

/// How a target is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ReachArgs {
    /// Sends load to this host although it is neither loopback nor private
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// Believes the authorities in this PEM file, beside those that the machine
    /// knows; may be repeated
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// Believes any certificate; every output says so
    #[arg(long)]
    pub insecure: bool,
}
