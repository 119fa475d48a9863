//! How a target is reached: the same for every command that reaches one.

use clap::Args;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// How a target is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct ReachArgs {
    /// Sends load to this host although it is neither loopback nor private
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// The most attempts to send a second, retries included, by all users
    /// together; --allow-host needs it
    #[arg(long, value_name = "RATE")]
    pub ceiling: Option<NonZeroU32>,
    /// Addresses of this machine that connections leave from in turn, such as
    /// 127.0.0.2-9: each has ports of its own; may be repeated
    #[arg(long, value_name = "ADDRESSES")]
    pub source: Vec<String>,
    /// Believes the authorities in this PEM file, beside those that the machine
    /// knows; may be repeated
    #[arg(long, value_name = "FILE")]
    pub ca: Vec<PathBuf>,
    /// Believes any certificate; every output says so
    #[arg(long)]
    pub insecure: bool,
}

impl ReachArgs {
    /// What every reader of the results is to be told.
    pub fn warnings(&self) -> Vec<String> {
        self.insecure.then(|| "certificates were not verified (--insecure)".to_owned()).into_iter().collect()
    }
}
