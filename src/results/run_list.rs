//! `history.csv`: a row for each run of a folder of results, for spreadsheets
//! and trends. Rows are appended whole, so that runs side by side may share it.

use super::findings::safe_cell;
use super::{ResultsError, RunFolder};
use crate::judge::RunSummary;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

const COLUMNS: [&str; 20] = [
    "run_id",
    "started_at",
    "posthaste_version",
    "workload",
    "target",
    "url",
    "verdict",
    "exit_code",
    "measurement_valid",
    "intended",
    "acknowledged",
    "entitled_deliveries",
    "violations",
    "achieved_per_s",
    "delivered_per_s",
    "ack_p50_us",
    "ack_p99_us",
    "delivery_p50_us",
    "delivery_p99_us",
    "heal_p99_us",
];

impl RunFolder {
    /// Appends the run to `history.csv` beside its folder, and makes that file
    /// where there is none. `violations` are all findings of class zero.
    pub fn append_to_history(&self, summary: &RunSummary) -> Result<(), ResultsError> {
        let Some(results) = self.path().parent() else { return Ok(()) };
        let path = results.join("history.csv");
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(ResultsError::io("open", &path))?;
        let is_new = file.metadata().map_err(ResultsError::io("read", &path))?.len() == 0;
        let mut rows = Vec::new();
        if is_new {
            rows.push(COLUMNS.map(str::to_owned));
        }
        rows.push(row(summary));
        let mut writer = csv::Writer::from_writer(Vec::new());
        let in_memory = "a vector takes all, and every row has the same columns";
        rows.iter().for_each(|row| writer.write_record(row).expect(in_memory));
        let lines = writer.into_inner().expect(in_memory);
        file.write_all(&lines).map_err(ResultsError::io("write", &path))
    }
}

fn row(summary: &RunSummary) -> [String; COLUMNS.len()] {
    let latency = |name: &str| summary.latency_us.get(name).filter(|latency| !latency.withheld);
    let us = |value: Option<u64>| value.map_or_else(String::new, |us| us.to_string());
    let verdict = serde_json::to_value(summary.verdict).ok();
    let ledger = &summary.ledger;
    let findings = summary.findings.values().filter(|finding| finding.class == crate::judge::FindingClass::Zero);
    [
        safe_cell(&summary.run_id),
        safe_cell(&summary.started_at),
        safe_cell(&summary.posthaste_version),
        safe_cell(&summary.workload),
        safe_cell(&summary.target),
        safe_cell(&summary.url),
        verdict.as_ref().and_then(|verdict| verdict.as_str()).unwrap_or_default().to_owned(),
        summary.exit_code.to_string(),
        summary.measurement.valid.to_string(),
        ledger.intended.to_string(),
        ledger.acknowledged.to_string(),
        ledger.entitled_deliveries.to_string(),
        findings.map(|finding| finding.count).sum::<u64>().to_string(),
        format!("{:.1}", summary.rates.achieved_per_s),
        format!("{:.1}", summary.rates.delivered_per_s),
        us(latency("ack").and_then(|latency| latency.p50)),
        us(latency("ack").and_then(|latency| latency.p99)),
        us(latency("delivery").and_then(|latency| latency.p50)),
        us(latency("delivery").and_then(|latency| latency.p99)),
        us(latency("heal").and_then(|latency| latency.p99)),
    ]
}
