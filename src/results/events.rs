//! `events.ndjson`: what happened to the run as a whole, a line an event.

use super::files::{GrowingFile, read_whole, whole_lines};
use super::{ResultsError, RunFolder};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// One line: a phase that began, a fault, a summary of reconnects, a notice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, in µs since the start of the run.
    pub at_us: u64,
    /// What: "phase", "fault", "reconnects", "notice", …
    pub kind: String,
    /// What else is known, an object by convention.
    pub data: serde_json::Value,
}

/// Writes the events as they happen.
#[derive(Debug)]
pub struct EventLog {
    file: GrowingFile,
}

impl EventLog {
    /// Creates `events.ndjson`.
    pub fn create(folder: &RunFolder) -> Result<Self, ResultsError> {
        Ok(Self { file: GrowingFile::create(folder.file("events.ndjson"))? })
    }

    /// Appends one event. It is in the file when this returns.
    pub fn append(&mut self, at_us: u64, kind: &str, data: serde_json::Value) -> Result<(), ResultsError> {
        let event = Event { at_us, kind: kind.to_owned(), data };
        let mut line = serde_json::to_vec(&event).expect("strings, numbers and a value are JSON");
        line.push(b'\n');
        self.file.append(&line)
    }
}

/// Reads the events of a run; a last line that a killed run did not finish is
/// left out.
pub fn read_events(path: &Path) -> Result<Vec<Event>, ResultsError> {
    let bytes = read_whole(path)?;
    let lines = whole_lines(&bytes).split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(rank, line)| {
            serde_json::from_slice(line)
                .map_err(|error| ResultsError::malformed(path, format!("line {}: {error}", rank + 1)))
        })
        .collect()
}
