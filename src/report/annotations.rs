//! The summary as GitHub's workflow commands, which show as annotations of a
//! job and of a pull request.

use super::phrases::{finding_sentence, findings_in_order, reasons};
use super::safe_text::plain;
use crate::judge::{FindingClass, RunSummary, Verdict};

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 400;

/// GitHub shows ten errors and ten warnings of a step at most.
const EACH_MAX: usize = 10;

/// A line for each finding of class zero and each broken threshold (errors),
/// and for each reason why something is not decided (warnings).
pub fn github_annotations(summary: &RunSummary) -> String {
    let mut errors: Vec<String> = findings_in_order(summary)
        .into_iter()
        .filter(|(_, finding)| finding.checked && finding.count > 0 && finding.class == FindingClass::Zero)
        .map(|(name, finding)| command("error", name, &finding_sentence(name, finding)))
        .collect();
    let mut warnings = Vec::new();
    for threshold in summary.thresholds.iter().filter(|threshold| threshold.passed != Some(true)) {
        let is_broken = threshold.passed == Some(false);
        let (level, list) = if is_broken { ("error", &mut errors) } else { ("warning", &mut warnings) };
        list.push(command(level, &threshold.expr, &threshold.shown));
    }
    warnings.extend(reasons(summary).into_iter().map(|reason| command("warning", "not proven", reason)));
    let mut lines: Vec<String> = errors.into_iter().take(EACH_MAX).collect();
    lines.extend(warnings.into_iter().take(EACH_MAX));
    if lines.is_empty() && summary.verdict == Verdict::Pass {
        let counts = &summary.ledger;
        let text = format!("{} messages, {} deliveries", counts.intended, counts.entitled_deliveries);
        lines.push(command("notice", "pass", &text));
    }
    lines.concat()
}

fn command(level: &str, title: &str, text: &str) -> String {
    let data = |text: &str| plain(text, TEXT_MAX).replace('%', "%25");
    // A property ends at a colon or a comma.
    let title = data(title).replace(':', "%3A").replace(',', "%2C");
    format!("::{level} title=posthaste {title}::{}\n", data(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_summary::{failed, inconclusive, passed};

    #[test]
    fn errors_for_what_is_broken_and_warnings_for_what_is_open() {
        let text = github_annotations(&failed());
        let first = "::error title=posthaste acked_lost::5 of 5,236 acknowledged messages are not in history";
        assert!(text.starts_with(first), "{text}");
        assert!(text.contains("::error title=posthaste delivery.p99 < 250ms::312 ms, 25 %25 over\n"), "{text}");
        let text = github_annotations(&inconclusive());
        assert!(text.contains("::warning title=posthaste not proven::") && !text.contains("::error"), "{text}");
        assert_eq!(github_annotations(&passed()).lines().count(), 1);
    }

    #[test]
    fn nothing_of_a_server_is_a_command() {
        let mut summary = failed();
        summary.thresholds[1].expr = "a::b,c".to_owned();
        summary.thresholds[1].shown = "x\n::set-output name=x::y\r::stop".to_owned();
        let text = github_annotations(&summary);
        assert!(text.contains("title=posthaste a%3A%3Ab%2Cc::x::set-output"), "{text}");
        assert!(text.lines().all(|line| line.starts_with("::error") || line.starts_with("::warning")), "{text}");
    }
}
