//! The summary as Markdown: for a pull request, or a CI job's summary page.
//!
//! Everything that a server or a profile may have written is escaped: it is
//! text, never a link, a tag, a table cell or a mention.

use super::figures::{count, duration, instant, memory, percent, rate};
use super::phrases::{
    Column, delivery_sum, example_parts, examples_shown, finding_sentence, findings_in_order, message_sum, plan_parts,
    reasons, verdict, verdict_parts, zero_line,
};
use super::safe_text::markdown as safe;
use crate::judge::{FindingClass, RunSummary, Verdict};
use crate::model::LatencyKind;

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 200;

/// The report of a run in GitHub's Markdown.
pub fn markdown(summary: &RunSummary) -> String {
    let mut sections = vec![header(summary), thresholds(summary), findings(summary), latencies(summary)];
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
        text.push_str(&format!("  \n{}", plan.join(" · ")));
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
            text.push_str(&format!("- {}\n", safe(&example_parts(example).join(" · "), 2 * TEXT_MAX)));
        }
        text.push_str("\n</details>\n");
    }
    text
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
    format!(
        "{}{}- offered {} · achieved {} · delivered {} · {} retries\n- generator: CPU {}{lag} · {} descriptors · {}\n",
        sum("intended", message_sum(summary)),
        sum("entitled", delivery_sum(summary)),
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
    use crate::report::example_summary::{failed, inconclusive};

    #[test]
    fn a_failed_run_is_told_with_its_evidence() {
        println!("{}", markdown(&failed()));
    }
}
