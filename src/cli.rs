//! The command line: clap's structs, and nothing else.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

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
    /// Judge and render again from the files of a run
    ///
    /// Returns what the run returned. Reads the folder of a killed run too.
    Report(ReportArgs),
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
    /// Write summary.json, summary.md, summary.txt and findings.csv anew
    #[arg(long)]
    pub write: bool,
}

/// How a summary is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal
    Text,
    /// For a pull request or a CI job's summary
    Markdown,
    /// The contents of summary.json
    Json,
}
