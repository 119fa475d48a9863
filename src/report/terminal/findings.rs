//! CORRECTNESS: every finding that is not zero, and one line for all that are.

use super::{Ink, Style, TEXT_MAX, joined};
use crate::judge::{FindingClass, FindingSummary, RunSummary, Verdict};
use crate::report::figures::{count, instant};
use crate::report::phrases::{example_parts, examples_shown, finding_sentence, findings_in_order, zero_line};
use crate::report::safe_text::plain;
use std::collections::BTreeMap;

/// Longest piece of an example.
const PIECE_MAX: usize = 60;

pub(super) fn section(summary: &RunSummary, style: Style) -> String {
    if summary.findings.is_empty() {
        return String::new();
    }
    let mut text = style.heading("CORRECTNESS");
    let found = findings_in_order(summary);
    for (name, finding) in found.iter().filter(|(_, finding)| finding.count > 0) {
        text.push_str(&one(name, finding, style));
    }
    for (reason, names) in unchecked(&found) {
        if names.len() == found.len() {
            let line = format!("none of {} findings checked: {}", names.len(), plain(reason, TEXT_MAX));
            return text + &style.marked("?", Ink::Open, &line, 5);
        }
        let line = format!("not checked, {}: {}", plain(reason, TEXT_MAX), names.join(", "));
        text.push_str(&style.marked("?", Ink::Open, &line, 5));
    }
    // Zeroes prove nothing where the verdict says that they do not.
    let (mark, ink) = match summary.correctness.verdict {
        Verdict::Pass => ("✓", Ink::Good),
        Verdict::Inconclusive => ("?", Ink::Open),
        Verdict::Fail => ("✗", Ink::Bad),
    };
    text.push_str(&style.marked(mark, ink, &zero_line(summary), 5));
    text
}

fn one(name: &str, finding: &FindingSummary, style: Style) -> String {
    /// Names of findings have up to 16 letters, but for one.
    const NAME: usize = 16;
    let (mark, ink) = match finding.class {
        FindingClass::Zero => ("✗", Ink::Bad),
        FindingClass::Rate | FindingClass::Info => ("·", Ink::Faint),
    };
    let sentence = plain(&finding_sentence(name, finding), 2 * TEXT_MAX);
    let name = plain(name, PIECE_MAX);
    // The head of the list is wider than the mark alone; a narrow terminal has
    // no column for it.
    let mut text = if style.width < 60 {
        style.marked(mark, ink, &format!("{name} {sentence}"), 5)
    } else {
        let padded = format!("{name:NAME$}").replace(' ', "\u{a0}");
        style.marked(mark, ink, &format!("{padded} {sentence}"), 3 + NAME + 1)
    };
    let most = examples_shown(finding.class);
    for example in finding.examples.iter().take(most) {
        let parts = example_parts(example).into_iter().map(|part| plain(&part, PIECE_MAX));
        text.push_str(&style.marked(" ", Ink::Faint, &format!("  {}", joined(parts)), 7));
    }
    if most > 0 {
        let mut rest = Vec::new();
        let more = finding.count.saturating_sub(finding.examples.len().min(most) as u64);
        if more > 0 && !finding.examples.is_empty() {
            rest.push(format!("{} more", count(more)));
        }
        if let Some(span) = finding.span_us.filter(|_| finding.count > 1) {
            rest.push(format!("from {} to {}", instant(span.first), instant(span.last)));
        }
        if !rest.is_empty() {
            text.push_str(&style.marked(" ", Ink::Faint, &format!("  {}", joined(rest)), 7));
        }
    }
    text
}

/// Findings that were not checked, by reason.
fn unchecked<'s>(found: &[(&'s str, &'s FindingSummary)]) -> BTreeMap<&'s str, Vec<&'s str>> {
    let mut reasons = BTreeMap::<&str, Vec<&str>>::new();
    for (name, finding) in found.iter().filter(|(_, finding)| !finding.checked) {
        let reason = finding.unchecked_because.as_deref().unwrap_or("without a reason");
        reasons.entry(reason).or_default().push(name);
    }
    reasons
}
