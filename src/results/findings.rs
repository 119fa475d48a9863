//! `findings.csv`: the examples of every finding, a row each.
//!
//! Server ids and notes carry what a server said, and a spreadsheet runs cells
//! that look like formulas: such cells are neutralised.

use super::files::write_whole;
use super::{ResultsError, RunFolder};
use crate::judge::{Example, FindingSummary, RunSummary};

const COLUMNS: [&str; 14] = [
    "finding",
    "class",
    "key",
    "channel",
    "index",
    "sender",
    "subscriber",
    "server_ids",
    "intended_us",
    "acknowledged_us",
    "seen_us",
    "note",
    "trace_id",
    "trace_url",
];

impl RunFolder {
    pub(super) fn write_findings(&self, summary: &RunSummary) -> Result<(), ResultsError> {
        write_whole(&self.file("findings.csv"), &findings_csv(summary))
    }
}

fn findings_csv(summary: &RunSummary) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let in_memory = "a vector takes all, and every row has the same columns";
    writer.write_record(COLUMNS).expect(in_memory);
    for (name, finding) in &summary.findings {
        for example in &finding.examples {
            writer.write_record(row(name, finding, example)).expect(in_memory);
        }
    }
    writer.into_inner().expect(in_memory)
}

fn row(name: &str, finding: &FindingSummary, example: &Example) -> [String; 14] {
    let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let trace = example.trace.as_ref();
    let class = serde_json::to_value(finding.class).ok();
    [
        safe_cell(name),
        class.as_ref().and_then(|class| class.as_str()).unwrap_or_default().to_owned(),
        safe_cell(example.key.as_deref().unwrap_or_default()),
        number(example.channel.map(u64::from)),
        number(example.index.map(u64::from)),
        number(example.sender.map(u64::from)),
        number(example.subscriber.map(u64::from)),
        safe_cell(&example.server_ids.join(" ")),
        number(example.intended_us),
        number(example.acknowledged_us),
        number(example.seen_us),
        safe_cell(&example.note),
        safe_cell(trace.map_or("", |trace| &trace.id)),
        safe_cell(trace.and_then(|trace| trace.url.as_deref()).unwrap_or_default()),
    ]
}

/// A cell without control characters that no spreadsheet takes for a formula.
/// Tab and carriage return, which some skip before they look, are control
/// characters too; blanks are skipped by some as well.
pub(super) fn safe_cell(text: &str) -> String {
    let clean: String = text.chars().filter(|letter| !letter.is_control()).collect();
    match clean.trim_start().starts_with(['=', '+', '-', '@']) {
        true => format!("'{clean}"),
        false => clean,
    }
}

#[cfg(test)]
mod tests {
    use super::safe_cell;

    #[test]
    fn formulas_are_neutralised() {
        for (cell, safe, reason) in [
            ("1700000000.000100", "1700000000.000100", "an id stays"),
            ("=HYPERLINK(\"x\")", "'=HYPERLINK(\"x\")", "a formula"),
            ("+1", "'+1", "plus"),
            ("-1", "'-1", "minus"),
            ("@SUM(A1)", "'@SUM(A1)", "an old spreadsheet's formula"),
            ("\t=1", "'=1", "behind a tab"),
            ("\r\n=1", "'=1", "behind a line end"),
            (" =1", "' =1", "behind a blank"),
            ("a\u{1b}[31mb\u{0}", "a[31mb", "control characters"),
            ("a=b", "a=b", "in the middle"),
        ] {
            assert_eq!(safe_cell(cell), safe, "{reason}");
        }
    }
}
