//! The verdict: incorrect, then inconclusive, then threshold broken, then
//! pass. A run that cannot show that nothing is wrong does not pass.

use super::Input;
use super::faults;
use super::summary::{Correctness, FindingClass, FindingSummary, LedgerCounts, ThresholdOutcome, Verdict};
use super::truth::Truth;
use crate::exit_code;
use crate::model::FindingKind;
use std::collections::BTreeMap;

/// What the verdict on correctness rests on.
pub(super) struct Evidence<'e> {
    /// Every finding.
    pub(super) findings: &'e BTreeMap<FindingKind, FindingSummary>,
    /// Counts of messages and deliveries.
    pub(super) counts: &'e LedgerCounts,
    /// Identities of the ledger that do not hold.
    pub(super) contradictions: Vec<String>,
    /// Messages that were pushed and are absent, attempted too shortly before
    /// the final reads to be called phantoms.
    pub(super) unsettled: u64,
}

/// The ledger's verdict. The reasons name what is wrong first, then what is
/// not known.
pub(super) fn correctness(input: &Input, truth: &Truth, evidence: &Evidence) -> Correctness {
    let mut reasons = violations(evidence);
    let incorrect = !reasons.is_empty();
    reasons.extend(evidence.contradictions.iter().cloned());
    reasons.extend(endings(input));
    reasons.extend(gaps(input, truth, evidence));
    let verdict = match (incorrect, reasons.is_empty()) {
        (true, _) => Verdict::Fail,
        (false, false) => Verdict::Inconclusive,
        (false, true) => Verdict::Pass,
    };
    Correctness { verdict, reasons }
}

/// The overall verdict and the exit code: the first of incorrect, interrupted,
/// inconclusive, threshold broken.
pub(super) fn overall(correctness: Verdict, interrupted: bool, thresholds: &[ThresholdOutcome]) -> (Verdict, u8) {
    let without_data = thresholds.iter().any(|threshold| threshold.passed.is_none());
    let broken = thresholds.iter().any(|threshold| threshold.passed == Some(false));
    if correctness == Verdict::Fail {
        (Verdict::Fail, exit_code::INCORRECT)
    } else if interrupted {
        (Verdict::Inconclusive, exit_code::INTERRUPTED)
    } else if correctness == Verdict::Inconclusive || without_data {
        (Verdict::Inconclusive, exit_code::INCONCLUSIVE)
    } else if broken {
        (Verdict::Fail, exit_code::THRESHOLD)
    } else {
        (Verdict::Pass, exit_code::PASS)
    }
}

/// A number with its thousands apart: "5,236".
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (rank, digit) in digits.chars().enumerate() {
        if rank > 0 && (digits.len() - rank).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn violations(evidence: &Evidence) -> Vec<String> {
    let violated = |(_, finding): &(&FindingKind, &FindingSummary)| {
        finding.checked && finding.class == FindingClass::Zero && finding.count > 0
    };
    let sentence = |(kind, finding): (&FindingKind, &FindingSummary)| {
        let (count, of) = (grouped(finding.count), grouped(finding.of));
        format!("{count} of {of} {} {} ({})", finding.of_what, predicate(*kind), kind.name())
    };
    evidence.findings.iter().filter(violated).map(sentence).collect()
}

/// What is said of the instances of a finding: "… acknowledged messages are
/// not in history".
pub fn predicate(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Vanished => "are gone from the final reads",
        FindingKind::AckedLost | FindingKind::SilentLoss => "are not in history",
        FindingKind::Phantom => "are stored nowhere",
        FindingKind::RejectedStored => "are in history all the same",
        FindingKind::StoreDuplicates => "are surplus copies in history",
        FindingKind::AckIdentity => "were acknowledged with an id that is not theirs",
        FindingKind::Foreign => "were never sent",
        FindingKind::Corrupt => "have another body than the one that was sent",
        FindingKind::Leaked => "went to subscribers that are not entitled to them",
        FindingKind::Unhealed => "were passed over by catch-up",
        FindingKind::PageAnomaly => "contradict each other",
        FindingKind::SenderOrder => "stand before a message that had been acknowledged earlier",
        FindingKind::StaleRead => "were not on a page that had to show them",
        FindingKind::EditLost => "are not what history shows",
        FindingKind::DeleteResurrected => "are of messages that history shows",
        FindingKind::OrphanReply => "are not in their thread",
        FindingKind::LiveMissed => "did not come live",
        FindingKind::Healed => "were obtained from history only",
        FindingKind::Unresolved => "were not obtained",
        FindingKind::LiveDuplicates => "are further copies",
        FindingKind::LiveReordered => "arrived out of order",
        FindingKind::UnknownStored => "are in history",
        FindingKind::UnknownAbsent => "are not in history",
        FindingKind::Unverifiable => "lie in a range that the target declares truncated",
    }
}

/// How the run ended, where it did not end as planned.
fn endings(input: &Input) -> Vec<String> {
    let record = input.record;
    let mut reasons = Vec::new();
    if record.killed {
        reasons.push("posthaste was killed during the run: the ledger is its last checkpoint".to_owned());
    }
    if record.interrupted {
        reasons.push("the run was interrupted".to_owned());
    }
    if let Some(reason) = &record.stopped {
        reasons.push(format!("the run ended itself early: {reason}"));
    }
    reasons.extend(record.drain.failures.iter().map(|failure| format!("the drain is not complete: {failure}")));
    reasons
}

/// What the run leaves open.
fn gaps(input: &Input, truth: &Truth, evidence: &Evidence) -> Vec<String> {
    let mut reasons = Vec::new();
    let counts = evidence.counts;
    if counts.acknowledged + counts.written == 0 {
        reasons.push("nothing was acknowledged: there is nothing that could have been lost".to_owned());
    }
    let (unread, channels) = truth.unread_channels();
    if unread > 0 {
        reasons.push(format!(
            "{} of {} channels lack two complete final reads: what they store is not known",
            grouped(unread),
            grouped(channels)
        ));
    } else if input.plan.population.subscribers > 0 && counts.entitled_deliveries == 0 {
        reasons.push("no subscriber was entitled to any message: delivery was not tested".to_owned());
    }
    for kind in [FindingKind::Unresolved, FindingKind::Unverifiable] {
        if let Some(finding) = evidence.findings.get(&kind).filter(|finding| finding.count > 0) {
            let (count, of) = (grouped(finding.count), grouped(finding.of));
            reasons.push(format!("{count} of {of} {} {} ({})", finding.of_what, predicate(kind), kind.name()));
        }
    }
    let too_late = truth.too_late();
    if too_late > 0 {
        reasons.push(format!(
            "{} messages were acknowledged when the last final read had begun, and it lacks them: whether they are stored \
             is not known",
            grouped(too_late)
        ));
    }
    reasons.extend(faults::never_hit(input));
    if evidence.unsettled > 0 {
        reasons.push(format!(
            "{} messages were delivered live and are absent, and the final reads came too soon after their last \
             attempt to call them phantoms; lengthen drain.quiet",
            grouped(evidence.unsettled)
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (number, shown) in [(0, "0"), (999, "999"), (1_000, "1,000"), (5_236, "5,236"), (30_005_700, "30,005,700")]
        {
            assert_eq!(grouped(number), shown);
        }
    }

    #[test]
    fn the_first_code_that_applies_counts() {
        use Verdict::{Fail, Inconclusive, Pass};
        let threshold = |passed| ThresholdOutcome { expr: String::new(), value: None, shown: String::new(), passed };
        let all: [(&[Option<bool>], _); 4] = [
            (&[], "none"),
            (&[Some(true), Some(false)], "broken"),
            (&[Some(true), None], "without data"),
            (&[Some(false), None], "both"),
        ];
        for (correctness, interrupted, codes) in [
            (Pass, false, [0, 99, 3, 3]),
            (Pass, true, [130; 4]),
            (Inconclusive, false, [3; 4]),
            (Inconclusive, true, [130; 4]),
            (Fail, false, [97; 4]),
            (Fail, true, [97; 4]),
        ] {
            for ((passed, reason), code) in all.iter().zip(codes) {
                let thresholds: Vec<_> = passed.iter().copied().map(threshold).collect();
                let verdict = match code {
                    0 => Pass,
                    97 | 99 => Fail,
                    _ => Inconclusive,
                };
                let found = overall(correctness, interrupted, &thresholds);
                assert_eq!(found, (verdict, code), "{correctness:?}, interrupted {interrupted}, thresholds {reason}");
            }
        }
    }
}
