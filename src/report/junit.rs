//! The summary as JUnit XML, which CI servers show as tests: a test for each
//! threshold, each finding of class zero, and each check of the measurement.

use super::phrases::{finding_sentence, findings_in_order};
use super::safe_text::plain;
use crate::judge::{FindingClass, FindingSummary, RunSummary, ThresholdOutcome};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 400;

/// `junit.xml`. What is broken is a failure; what could not be decided is an
/// error; a finding that the target rules out is skipped. The counts of the
/// document are what a pipeline sees, so a run that is not a pass has at least
/// one failure or error.
pub fn junit(summary: &RunSummary) -> String {
    let mut suites = vec![thresholds(summary), findings(summary), checks(summary)];
    suites.retain(|suite| suite.tests > 0);
    let mut report = Report::new(format!("posthaste {}", plain(&summary.workload, TEXT_MAX)));
    report.add_test_suites(suites);
    // It fails only where a writer does, and this one is memory.
    report.to_string().unwrap_or_default()
}

fn suite(summary: &RunSummary, part: &str, cases: impl IntoIterator<Item = TestCase>) -> TestSuite {
    let mut suite = TestSuite::new(format!("{}.{part}", plain(&summary.workload, TEXT_MAX)));
    suite.add_test_cases(cases);
    suite.add_properties(summary.warnings.iter().map(|warning| ("warning".to_owned(), plain(warning, TEXT_MAX))));
    suite
}

fn case(summary: &RunSummary, part: &str, name: &str, status: TestCaseStatus, shown: &str) -> TestCase {
    let mut case = TestCase::new(plain(name, TEXT_MAX), status);
    case.set_classname(format!("{}.{part}", plain(&summary.workload, TEXT_MAX)));
    case.set_system_out(plain(shown, TEXT_MAX));
    case
}

fn failed(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(plain(message, TEXT_MAX));
    status
}

fn thresholds(summary: &RunSummary) -> TestSuite {
    let case = |outcome: &ThresholdOutcome| {
        let status = match outcome.passed {
            Some(true) => TestCaseStatus::success(),
            Some(false) => failed(NonSuccessKind::Failure, &outcome.shown),
            None => failed(NonSuccessKind::Error, &outcome.shown),
        };
        case(summary, "thresholds", &outcome.expr, status, &outcome.shown)
    };
    suite(summary, "thresholds", summary.thresholds.iter().map(case))
}

fn findings(summary: &RunSummary) -> TestSuite {
    let case = |(name, finding): (&str, &FindingSummary)| {
        let sentence = finding_sentence(name, finding);
        let status = match (&finding.unchecked_because, finding.count) {
            (Some(because), _) => {
                let mut status = TestCaseStatus::skipped();
                status.set_message(plain(because, TEXT_MAX));
                status
            }
            (None, 0) => TestCaseStatus::success(),
            (None, _) => failed(NonSuccessKind::Failure, &sentence),
        };
        case(summary, "findings", name, status, &sentence)
    };
    let zero = findings_in_order(summary).into_iter().filter(|(_, finding)| finding.class == FindingClass::Zero);
    suite(summary, "findings", zero.map(case))
}

/// Whether the run proves anything: the correctness check, and the validity of
/// the measurement.
fn checks(summary: &RunSummary) -> TestSuite {
    let of = |name: &str, holds: bool, reasons: &[String]| {
        let reasons = reasons.join("; ");
        let status = if holds { TestCaseStatus::success() } else { failed(NonSuccessKind::Error, &reasons) };
        case(summary, "checks", name, status, &reasons)
    };
    let (correctness, measurement) = (&summary.correctness, &summary.measurement);
    let is_decided = correctness.verdict != crate::judge::Verdict::Inconclusive;
    let none = Vec::new();
    let why = if is_decided { &none } else { &correctness.reasons };
    suite(
        summary,
        "checks",
        [
            of("correctness is decided", is_decided, why),
            of("measurement is valid", measurement.valid, &measurement.reasons),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_summary::{failed, inconclusive, killed, passed};

    #[test]
    fn a_test_for_each_promise() {
        let text = junit(&passed());
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{text}");
        assert!(text.contains("failures=\"0\" errors=\"0\"") && text.contains("name=\"acked_lost\""), "{text}");
        assert!(!text.contains("name=\"healed\""), "information is no test");
        let text = junit(&failed());
        assert!(text.contains("<failure message=\"5 of 5,236 acknowledged messages are not in history"), "{text}");
        assert!(text.contains("<skipped message=\"the target does not promise an order\""), "{text}");
    }

    #[test]
    fn what_is_not_a_pass_is_never_green() {
        for summary in [inconclusive(), killed(), failed()] {
            let text = junit(&summary);
            let head = text.lines().nth(1).unwrap_or_default();
            assert!(!head.contains("failures=\"0\" errors=\"0\""), "{head}");
        }
    }

    #[test]
    fn hostile_text_stays_text() {
        let mut summary = failed();
        summary.workload = "\u{1b}[31m]]></testsuite>\u{0}&<b>".to_owned();
        let text = junit(&summary);
        assert!(!text.contains("<b>") && !text.contains('\u{1b}') && !text.contains('\u{0}'), "{text}");
    }
}
