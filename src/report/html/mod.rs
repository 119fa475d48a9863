//! A run as one page of HTML.

mod charts;
mod traces;

use super::figures::{count, duration, instant, memory, percent, rate};
use super::page;
use super::phrases::{
    Column, FAULT_MAX, delivery_sum, fault_sentence, finding_sentence, findings_in_order, message_sum, plan_parts,
    reasons, send_parts, verdict, verdict_parts, zero_line,
};
use super::safe_text::{self, plain};
use crate::judge::{Example, FindingClass, FindingSummary, RunSummary, Verdict};
use crate::ledger::{Latencies, MeasuredInterval};
use crate::model::LatencyKind;
use minijinja::context;
use serde::Serialize;
use traces::{Traced, slowest, traced};

const PAGE: &str = include_str!("report.html");

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 300;

/// How many examples of a finding are shown; `findings.csv` has all.
const EXAMPLES_MAX: usize = 25;

/// What the charts are drawn from.
pub struct Figures<'a> {
    /// `intervals.csv`; may be empty.
    pub intervals: &'a [MeasuredInterval],
    /// `latency.hlog`, summed up.
    pub latencies: &'a Latencies,
}

#[derive(Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    tone: &'static str,
}

#[derive(Serialize)]
struct Threshold {
    tone: &'static str,
    mark: &'static str,
    expr: String,
    shown: String,
}

#[derive(Serialize)]
struct Finding {
    tone: &'static str,
    name: String,
    sentence: String,
    examples: Vec<ExampleRow>,
    is_traced: bool,
    more: String,
}

/// An example: its cells, and its trace where messages were traced.
#[derive(Serialize)]
struct ExampleRow {
    cells: [String; 6],
    trace: Option<Traced>,
}

/// One bar of the picture of the ledger.
#[derive(Serialize)]
struct Bar {
    title: &'static str,
    total: String,
    parts: Vec<Part>,
}

#[derive(Serialize)]
struct Part {
    name: &'static str,
    tone: &'static str,
    number: u64,
    shown: String,
    note: String,
}

#[derive(Serialize)]
struct LatencyRow {
    name: &'static str,
    cells: Vec<String>,
    is_withheld: bool,
}

/// The page. Every text in it is escaped.
pub fn html(summary: &RunSummary, figures: &Figures<'_>) -> String {
    let name = |text: &str| plain(text, TEXT_MAX);
    let word = verdict(summary.verdict);
    let (found, zeros): (Vec<_>, Vec<_>) = findings(summary).into_iter().partition(|finding| finding.tone != "zero");
    page::render(
        "report.html",
        PAGE,
        context! {
            title => format!("{} · {} on {} · posthaste", word.to_uppercase(), name(&summary.workload), name(&summary.target)),
            verdict => word,
            headline => headline(summary),
            parts => verdict_parts(summary),
            reasons => reasons(summary).into_iter().map(|reason| plain(reason, 2 * TEXT_MAX)).collect::<Vec<_>>(),
            workload => name(&summary.workload),
            target => name(&summary.target),
            url => name(&summary.url),
            run_id => name(&summary.run_id),
            started_at => second_of(&summary.started_at),
            version => name(&summary.posthaste_version),
            plan => plan_parts(&summary.plan),
            plan_json => safe_text::lines(&serde_json::to_string_pretty(&summary.plan).unwrap_or_default()),
            tiles => tiles(summary),
            thresholds => thresholds(summary),
            bars => [messages(summary), deliveries(summary)],
            sends => send_parts(&summary.sends),
            charts => charts::charts(summary, figures),
            found,
            zeros,
            zero_line => zero_line(summary),
            columns => Column::ALL.map(Column::head),
            latencies => latency_rows(summary),
            slowest => slowest(&summary.slowest),
            is_traced => summary.slowest.iter().any(|message| message.trace.is_some()),
            faults => summary.faults.iter().map(|fault| plain(&fault_sentence(fault), FAULT_MAX)).collect::<Vec<_>>(),
            generator => generator(summary),
        },
    )
}

/// An RFC 3339 instant without the digits behind the second.
fn second_of(instant: &str) -> String {
    let whole = instant.split_once('.').map_or(instant, |(whole, _)| whole);
    plain(&whole.trim_end_matches('Z').replace('T', " "), TEXT_MAX) + " UTC"
}

/// The one sentence at the top.
fn headline(summary: &RunSummary) -> String {
    let violated = |finding: &FindingSummary| finding.count > 0 && finding.class == FindingClass::Zero;
    let mut violations: Vec<_> =
        findings_in_order(summary).into_iter().filter(|(_, finding)| violated(finding)).collect();
    violations.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.count));
    if let Some((name, finding)) = violations.first() {
        let others = match violations.len() - 1 {
            0 => String::new(),
            1 => ", and 1 other finding".to_owned(),
            several => format!(", and {several} other findings"),
        };
        return format!("{}{others}.", finding_sentence(name, finding));
    }
    let broken: Vec<_> = summary.thresholds.iter().filter(|threshold| threshold.passed == Some(false)).collect();
    match (summary.verdict, broken.first()) {
        (_, Some(threshold)) => {
            format!("{} does not hold: {}.", plain(&threshold.expr, TEXT_MAX), plain(&threshold.shown, TEXT_MAX))
        }
        (Verdict::Pass, None) => format!(
            "{} messages, {} deliveries: nothing was lost, doubled or invented.",
            count(summary.ledger.intended),
            count(summary.ledger.entitled_deliveries)
        ),
        _ if summary.correctness.verdict == Verdict::Pass && !summary.measurement.valid => {
            "Nothing was lost, doubled or invented; how long it took cannot be said.".to_owned()
        }
        _ => "This run does not prove enough.".to_owned(),
    }
}

fn tiles(summary: &RunSummary) -> Vec<Tile> {
    let ledger = &summary.ledger;
    let mut tiles = vec![
        Tile {
            label: "messages",
            value: count(ledger.intended),
            note: format!("{} acknowledged", count(ledger.acknowledged)),
            tone: "",
        },
        Tile {
            label: "deliveries",
            value: count(ledger.entitled_deliveries),
            note: format!("{} live, {} healed", count(ledger.live_deliveries), count(ledger.healed)),
            tone: "",
        },
    ];
    for kind in [LatencyKind::Ack, LatencyKind::Delivery, LatencyKind::Heal] {
        let Some(latency) = summary.latency_us.get(kind.name()).filter(|latency| latency.count > 0) else { continue };
        let column = [Column::P99, Column::P90, Column::P50].into_iter().find(|column| column.cell(latency) != "n/a");
        let column = column.unwrap_or(Column::Max);
        let withheld = if latency.withheld { ", withheld" } else { "" };
        tiles.push(Tile {
            label: kind.name(),
            value: column.cell(latency),
            note: format!("{}{withheld}, from intended time", column.head()),
            tone: if latency.withheld { "withheld" } else { "" },
        });
    }
    if let Some(heal) = tiles.iter_mut().find(|tile| tile.label == LatencyKind::Heal.name()) {
        heal.note = heal.note.replace("from intended time", "until caught up");
    }
    tiles.push(Tile {
        label: "load",
        value: rate(summary.rates.achieved_per_s),
        note: format!("achieved of {}", rate(summary.rates.offered_per_s)),
        tone: "",
    });
    tiles
}

fn thresholds(summary: &RunSummary) -> Vec<Threshold> {
    let row = |outcome: &crate::judge::ThresholdOutcome| {
        let (tone, mark) = match outcome.passed {
            Some(true) => ("clean", "✓"),
            Some(false) => ("known", "✗"),
            None => ("open", "?"),
        };
        Threshold { tone, mark, expr: plain(&outcome.expr, TEXT_MAX), shown: plain(&outcome.shown, TEXT_MAX) }
    };
    summary.thresholds.iter().map(row).collect()
}

fn bar(title: &'static str, sum: (u64, Vec<(&'static str, u64, String)>), tone: fn(&str) -> &'static str) -> Bar {
    let (total, parts) = sum;
    let part = |(name, number, note): (&'static str, u64, String)| {
        let note = note.trim_matches(['(', ')']).to_owned();
        Part { name, tone: tone(name), number, shown: count(number), note }
    };
    Bar { title, total: count(total), parts: parts.into_iter().map(part).collect() }
}

/// As the ledger's line, but for what was acknowledged and is not in history.
fn messages(summary: &RunSummary) -> Bar {
    let (total, mut parts) = message_sum(summary);
    let lost = summary.findings.get("acked_lost").filter(|lost| lost.checked).map_or(0, |lost| lost.count);
    if let Some(acknowledged) = parts.first_mut().filter(|_| lost > 0) {
        acknowledged.1 = acknowledged.1.saturating_sub(lost);
        parts.insert(1, ("acknowledged and lost", lost, String::new()));
    }
    bar("messages intended", (total, parts), |name| match name {
        "acknowledged" => "good",
        "written" => "fair",
        "unattempted" => "none",
        _ => "bad",
    })
}

fn deliveries(summary: &RunSummary) -> Bar {
    bar("deliveries that somebody was entitled to", delivery_sum(summary), |name| match name {
        "live" => "good",
        "healed" => "fair",
        _ => "bad",
    })
}

/// Those that make the run incorrect first, then what else was counted, then
/// what could not be checked; what is zero has the tone "zero".
fn findings(summary: &RunSummary) -> Vec<Finding> {
    let rank = |tone: &str| ["known", "open", "info", "unchecked", "zero"].iter().position(|one| *one == tone);
    let mut all: Vec<Finding> =
        findings_in_order(summary).into_iter().map(|(name, finding)| row(name, finding)).collect();
    all.sort_by_key(|finding| rank(finding.tone));
    all
}

fn row(name: &str, finding: &FindingSummary) -> Finding {
    let tone = match (finding.checked, finding.count, finding.class) {
        (false, ..) => "unchecked",
        (_, 0, _) => "zero",
        (_, _, FindingClass::Zero) => "known",
        (_, _, FindingClass::Rate) => "open",
        (_, _, FindingClass::Info) => "info",
    };
    let sentence = match &finding.unchecked_because {
        Some(because) => format!("not checked: {because}"),
        None => finding_sentence(name, finding),
    };
    let span = finding.span_us.map(|span| format!("From {} to {}.", instant(span.first), instant(span.last)));
    let examples: Vec<_> = finding.examples.iter().take(EXAMPLES_MAX).map(example).collect();
    let left = finding.count.saturating_sub(examples.len() as u64);
    let left =
        if left > 0 && !examples.is_empty() { format!("{} more are not shown.", count(left)) } else { String::new() };
    Finding {
        tone,
        name: plain(name, TEXT_MAX),
        sentence: plain(&sentence, TEXT_MAX),
        is_traced: examples.iter().any(|example| example.trace.is_some()),
        examples,
        more: [span.unwrap_or_default(), left].join(" ").trim().to_owned(),
    }
}

/// Key, where, who, server ids, when, note.
fn example(example: &Example) -> ExampleRow {
    let numbered = |what: &str, number: Option<u32>| number.map(|number| format!("{what} {number}"));
    let listed = |parts: [Option<String>; 3]| parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let at = |what: &str, us: Option<u64>| us.map(|us| format!("{what}\u{a0}{}", instant(us).replace(' ', "\u{a0}")));
    let cells = [
        plain(example.key.as_deref().unwrap_or_default(), TEXT_MAX),
        listed([numbered("channel", example.channel), numbered("index", example.index), None]),
        listed([
            example.sender.map(|sender| format!("sender u{sender}")),
            example.subscriber.map(|subscriber| format!("subscriber u{subscriber}")),
            None,
        ]),
        plain(&example.server_ids.join(", "), TEXT_MAX),
        listed([
            at("intended", example.intended_us),
            at("acknowledged", example.acknowledged_us),
            at("seen", example.seen_us),
        ]),
        plain(&example.note, TEXT_MAX),
    ];
    ExampleRow { cells, trace: example.trace.as_ref().map(traced) }
}

fn latency_rows(summary: &RunSummary) -> Vec<LatencyRow> {
    let measured = LatencyKind::ALL.into_iter().filter_map(|kind| Some((kind, summary.latency_us.get(kind.name())?)));
    let row = |(kind, latency): (LatencyKind, &crate::judge::LatencySummary)| LatencyRow {
        name: kind.name(),
        cells: Column::ALL.into_iter().map(|column| column.cell(latency)).collect(),
        is_withheld: latency.withheld,
    };
    measured.filter(|(_, latency)| latency.count > 0).map(row).collect()
}

fn generator(summary: &RunSummary) -> Vec<String> {
    let own = &summary.generator;
    let lag = own.lag_p99_us.map(|lag| format!("lag p99 {}", duration(lag)));
    let canary = own.workers.iter().map(|worker| worker.canary_worst_us).max();
    let canary = canary.map(|worst| format!("a tick was {} late at worst", duration(worst)));
    let parts = [
        Some(format!("CPU {} of a core", percent(own.cpu_fraction))),
        lag,
        canary,
        Some(format!("{} descriptors", count(own.descriptors))),
        Some(memory(own.rss_bytes)),
    ];
    parts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
