//! The history format: one JSON object a line, in which anybody can tell what
//! happened to every message. A run writes it ([`HistoryWriter`]), and the
//! judge reads it back to the same findings ([`read_history`]); a script or
//! another tool may write it too. `results/history-format.md` describes it.

mod changes;
mod lines;
mod promises;
mod ranges;
mod reader;
mod sends;
mod sightings;
mod writer;

pub use reader::{History, HistoryError, Names, read_history};
pub use writer::write_history;

#[cfg(test)]
mod tests;
