//! Histories written by hand, each with what must be found in it and why.

mod absence;
mod bodies;
mod capacity;
mod changes;
mod compare;
mod counts;
mod deliveries;
mod faults;
mod figures;
mod history;
mod matrix;
mod oracle;
mod order;
mod pages;
mod plan;
mod stored;
mod thresholds;
mod verdicts;
mod whole;
mod withheld;

use super::RunSummary;
use history::History;

/// Tells a history and compares all findings above zero, by name: what is not
/// listed must not be found.
fn check(reason: &str, expected: &[(&str, u64)], tell: impl FnOnce(&mut History)) -> RunSummary {
    let mut history = History::new();
    tell(&mut history);
    let summary = history.judge();
    assert_eq!(found(&summary), expected, "{reason}");
    assert_eq!(summary.findings.len(), crate::model::FindingKind::ALL.len(), "{reason}: every finding stands there");
    let adds_up = !summary.correctness.reasons.iter().any(|reason| reason.contains("does not add up"));
    assert!(adds_up, "{reason}: {:?}", summary.correctness.reasons);
    summary
}

/// The findings above zero by name, sorted.
fn found(summary: &RunSummary) -> Vec<(&str, u64)> {
    let above_zero = summary.findings.iter().filter(|(_, finding)| finding.count > 0);
    above_zero.map(|(name, finding)| (name.as_str(), finding.count)).collect()
}

fn part(summary: &RunSummary, name: &str, part: &str) -> u64 {
    summary.findings[name].split[part]
}
