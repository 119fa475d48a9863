//! The summary as Markdown: for a pull request, or a CI job's summary page.
//!
//! Everything that a server or a profile may have written is escaped: it is
//! text, never a link, a tag, a table cell or a mention.

use super::figures::{count, duration, instant, memory, percent, rate};
use super::phrases::{
    Column, FAULT_MAX, change_parts, delivery_sum, example_parts, examples_shown, fault_sentence, finding_sentence,
    findings_in_order, hint_parts, message_sum, plan_parts, reasons, send_parts, verdict, verdict_parts, zero_line,
};
use super::safe_text::markdown as safe;
use crate::judge::{Example, FindingClass, RunSummary, Verdict};
use crate::model::LatencyKind;

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 200;

/// The report of a run in GitHub's Markdown.
pub fn markdown(summary: &RunSummary) -> String {
    let mut sections = vec![header(summary), thresholds(summary), findings(summary), latencies(summary)];
    sections.push(faults(summary));
    sections.push(totals(summary));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

fn header(summary: &RunSummary) -> String {
    let mark = match summary.verdict {
        Verdict::Pass => "✅",
        Verdict::Inconclusive => "❔",
        Verdict::Fail => "❌",
    };
    let name = |text: &str| safe(text, TEXT_MAX);
    let mut text = format!(
        "### {mark} posthaste: {}\n\n**{}** on **{}** ({}), run {}",
        verdict(summary.verdict),
        name(&summary.workload),
        name(&summary.target),
        name(&summary.url),
        name(&summary.run_id),
    );
    let plan = plan_parts(&summary.plan);
    if !plan.is_empty() {
        text.push_str(&format!("\n\n{}", plan.join(" · ")));
    }
    text.push_str(&format!("\n\n{}\n", verdict_parts(summary).join(" · ")));
    let reasons = reasons(summary);
    if !reasons.is_empty() {
        text.push('\n');
    }
    for reason in reasons {
        text.push_str(&format!("- {}\n", safe(reason, 2 * TEXT_MAX)));
    }
    text
}

fn thresholds(summary: &RunSummary) -> String {
    if summary.thresholds.is_empty() {
        return String::new();
    }
    let mut text = "| | threshold | measured |\n| --- | --- | --- |\n".to_owned();
    for threshold in &summary.thresholds {
        let mark = match threshold.passed {
            Some(true) => "✓",
            Some(false) => "✗",
            None => "?",
        };
        let (expr, shown) = (safe(&threshold.expr, TEXT_MAX), safe(&threshold.shown, TEXT_MAX));
        text.push_str(&format!("| {mark} | {expr} | {shown} |\n"));
    }
    text
}

/// What was done to the target and its clients.
fn faults(summary: &RunSummary) -> String {
    let line = |fault| format!("- fault at {}\n", safe(&fault_sentence(fault), FAULT_MAX));
    summary.faults.iter().map(line).collect()
}

fn findings(summary: &RunSummary) -> String {
    if summary.findings.is_empty() {
        return String::new();
    }
    let found = findings_in_order(summary);
    if let Some((_, first)) = found.iter().all(|(_, finding)| !finding.checked).then(|| found[0]) {
        let because = safe(first.unchecked_because.as_deref().unwrap_or_default(), TEXT_MAX);
        return format!("None of {} findings checked: {because}.\n", found.len());
    }
    let mut text = format!("{}.\n", zero_line(summary));
    let shown: Vec<_> = found.iter().filter(|(_, finding)| finding.count > 0 || !finding.checked).collect();
    if !shown.is_empty() {
        text.push_str("\n| | finding | |\n| --- | --- | --- |\n");
    }
    for (name, finding) in shown {
        let (mark, sentence) = match (&finding.unchecked_because, finding.checked, finding.class) {
            (because, false, _) => ("?", format!("not checked: {}", because.as_deref().unwrap_or_default())),
            (_, _, FindingClass::Zero) => ("✗", finding_sentence(name, finding)),
            _ => ("", finding_sentence(name, finding)),
        };
        text.push_str(&format!("| {mark} | {} | {} |\n", safe(name, TEXT_MAX), safe(&sentence, TEXT_MAX)));
    }
    for (name, finding) in found.iter().filter(|(_, finding)| finding.class == FindingClass::Zero) {
        if finding.count == 0 || finding.examples.is_empty() {
            continue;
        }
        let span = finding.span_us.map(|span| format!(", from {} to {}", instant(span.first), instant(span.last)));
        let title = format!("{}: first of {}{}", safe(name, TEXT_MAX), count(finding.count), span.unwrap_or_default());
        text.push_str(&format!("\n<details><summary>{title}</summary>\n\n"));
        for example in finding.examples.iter().take(examples_shown(finding.class)) {
            text.push_str(&format!("- {}\n", safe(&nameless(example).join(" · "), 2 * TEXT_MAX)));
        }
        text.push_str("\n</details>\n");
    }
    text
}

/// An example without who and where: a summary may be shown to people who may
/// not see the conversation.
fn nameless(example: &Example) -> Vec<String> {
    let nobody = Example { channel: None, sender: None, subscriber: None, server_ids: Vec::new(), ..example.clone() };
    example_parts(&nobody)
}

fn latencies(summary: &RunSummary) -> String {
    let mut rows = String::new();
    for kind in LatencyKind::ALL {
        let Some(latency) = summary.latency_us.get(kind.name()).filter(|latency| latency.count > 0) else { continue };
        let mark = if latency.withheld { " (withheld)" } else { "" };
        let cells: Vec<String> = Column::ALL.into_iter().map(|column| column.cell(latency)).collect();
        rows.push_str(&format!("| {}{mark} | {} |\n", kind.name(), cells.join(" | ")));
    }
    if rows.is_empty() {
        return rows;
    }
    let heads: Vec<&str> = Column::ALL.into_iter().map(Column::head).collect();
    format!("| latency | {} |\n| ---{} |\n{rows}", heads.join(" | "), " | ---:".repeat(heads.len()))
}

fn totals(summary: &RunSummary) -> String {
    let sum = |name: &str, (total, parts): (u64, Vec<(&'static str, u64, String)>)| {
        let parts: Vec<String> = parts
            .into_iter()
            .map(|(name, part, note)| format!("{name} {} {note}", count(part)).trim_end().to_owned())
            .collect();
        format!("- {name} {} = {}\n", count(total), parts.join(" + "))
    };
    let (rates, generator) = (&summary.rates, &summary.generator);
    let lag = generator.lag_p99_us.map(|lag| format!(" · lag p99 {}", duration(lag))).unwrap_or_default();
    let beside = [("changes", change_parts(summary)), ("hints", hint_parts(summary))];
    let beside = beside.iter().filter(|(_, parts)| !parts.is_empty());
    let beside: String = beside.map(|(name, parts)| format!("- {name}: {}\n", parts.join(" · "))).collect();
    format!(
        "{}{}- {}\n{beside}- offered {} · achieved {} · delivered {} · {} retries\n- generator: CPU {}{lag} · {} descriptors · {}\n",
        sum("intended", message_sum(summary)),
        sum("entitled", delivery_sum(summary)),
        safe(&send_parts(&summary.sends).join(" · "), TEXT_MAX),
        rate(rates.offered_per_s),
        rate(rates.achieved_per_s),
        rate(rates.delivered_per_s),
        count(summary.ledger.retries),
        percent(generator.cpu_fraction),
        count(generator.descriptors),
        memory(generator.rss_bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example_summary::{failed, inconclusive, killed};

    #[test]
    fn a_failed_run_is_told_with_its_evidence() {
        let mut summary = failed();
        summary
            .findings
            .retain(|name, _| ["acked_lost", "healed", "sender_order", "vanished"].contains(&name.as_str()));
        summary.findings.get_mut("acked_lost").unwrap().examples.remove(0);
        summary.latency_us.retain(|name, _| name == "heal");
        let expected = "\
### ❌ posthaste: fail

**steady** on **slack** (http://127.0.0.1:8065), run 20261124-031502-k7q2

open loop · 20 msg/s Poisson, seed 42 · 5,000 users · 100 channels × 50 · 1 min warm-up + 5 min

correctness fail · 2 of 3 thresholds broken · measurement valid

| | threshold | measured |
| --- | --- | --- |
| ✗ | findings.acked_lost == 0 | 5 of 5,236 acknowledged |
| ✗ | delivery.p99 &#60; 250ms | 312 ms, 25 % over |
| ✓ | ack.p99 &#60; 250ms | 88.1 ms |

3 of 4 findings checked; 1 of 2 of class zero are 0.

| | finding | |
| --- | --- | --- |
| ✗ | acked_lost | 5 of 5,236 acknowledged messages are not in history |
| ? | sender_order | not checked: the target does not promise an order |
|  | healed | 416 of 300,050 entitled deliveries were obtained from history only (away 404, missed 12) |

<details><summary>acked_lost: first of 5, from 12.300 s to 45.100 s</summary>

- key 01890a5d-ac96-874b-8b5e-000000000001 · index 18 · intended 12.300 s · acknowledged 12.400 s · in the middle of its sender's sequence
- key 01890a5d-ac96-874b-8b5e-000000000002 · index 19 · intended 12.300 s · acknowledged 12.400 s · in the middle of its sender's sequence

</details>

| latency | p50 | p90 | p99 | p99.9 | max | n |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |
| heal | 96.0 ms | 310 ms | n/a | n/a | 1.40 s | 120 |

- intended 5,260 = acknowledged 5,236 + rejected 0 + unknown 24 + written 0 + unattempted 0
- entitled 300,050 = live 299,634 + healed 416 (away 404, missed 12) + unhealed 0 + unresolved 0
- design http · 5,236 shown as sent, 5 of them not in history · 24 shown as failed, 7 of them in history
- offered 20.00/s · achieved 20.04/s · delivered 1,000.2/s · 55 retries
- generator: CPU 38 % · lag p99 400 µs · 5,211 descriptors · 212 MB
";
        let text = markdown(&summary);
        assert!(text == expected, "{text}");
    }

    #[test]
    fn a_run_without_figures_says_why() {
        let text = markdown(&killed());
        assert!(text.contains("\nNone of 25 findings checked: there is no final read.\n"), "{text}");
        assert!(text.contains("\n- no final read\n") && text.contains("| ? | delivery.p99 &#60; 250ms | no data |"));
        assert!(markdown(&inconclusive()).contains("| ack (withheld) | 11.2 ms | 24.0 ms | 88.1 ms | ≥301 ms |"));
    }
}
