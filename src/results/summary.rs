//! `summary.json`; its published schema is `summary.schema.json` beside the runs.

use super::{ResultsError, RunFolder};
use crate::judge::RunSummary;

const SUMMARY: &str = "summary.json";

impl RunFolder {
    /// Writes `summary.json` and `findings.csv`.
    pub fn write_summary(&self, summary: &RunSummary) -> Result<(), ResultsError> {
        self.write_findings(summary)?;
        self.write_json(SUMMARY, summary)
    }

    /// Reads `summary.json`; a killed run has none.
    pub fn read_summary(&self) -> Result<RunSummary, ResultsError> {
        self.read_json(SUMMARY)
    }
}
