//! The command line: clap's structs, and nothing else.

use clap::{Args, Parser, Subcommand};

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
    /// List the built-in profiles, or print one as a starting point of your own.
    Profiles(ProfilesArgs),
}

/// `posthaste profiles`
#[derive(Debug, Args)]
pub struct ProfilesArgs {
    /// The profile to print; without it, all are listed.
    pub name: Option<String>,
}
