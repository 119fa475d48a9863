//! The command line: clap's structs, and nothing else.

use clap::{Parser, Subcommand};

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
pub enum Command {}
