//! `summary.json` and its published schemas.

use super::{ResultsError, RunFolder};
use crate::judge::capacity::CapacitySummary;
use crate::judge::compare::CompareSummary;
use crate::judge::{MatrixSummary, RunSummary};

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

/// The JSON schemas of `summary.json` and of what the studies write, by name: what
/// the files `NAME.schema.json` beside the runs say.
pub fn schemas() -> [(&'static str, serde_json::Value); 4] {
    [
        ("summary", schemars::schema_for!(RunSummary).to_value()),
        ("compare", schemars::schema_for!(CompareSummary).to_value()),
        ("matrix", schemars::schema_for!(MatrixSummary).to_value()),
        ("capacity", schemars::schema_for!(CapacitySummary).to_value()),
    ]
}
