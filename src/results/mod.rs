//! The files of a run: written while it runs, read back by `report`.
//!
//! Whole files are written under a temporary name and renamed; growing files
//! are written line by line as things happen, so that a kill at any moment
//! leaves a folder that can be read. Everything is for its owner only. It must
//! not know how a summary looks to a reader.

mod environment;
mod error;
mod events;
mod files;
mod findings;
mod folder;
mod history;
mod intervals;
mod latency_log;
mod ledger_files;
mod run_list;
mod spill;
mod study;
mod summary;

pub use environment::Environment;
pub use error::ResultsError;
pub use events::{Event, EventLog, read_events};
pub use files::private_file;
pub use folder::{RunFolder, new_run_id};
pub use history::{History, HistoryError, Names, read_history, write_history};
pub use intervals::{IntervalLog, read_intervals};
pub use latency_log::{LatencyLog, read_latencies, read_latencies_of};
pub use ledger_files::{Checkpoints, read_ledger};
pub use spill::SpillFile;
pub use study::StudyFolder;

#[cfg(test)]
mod tests;
