//! A comparison as text and as a page: of two finished runs, and of pairs of runs.

mod html;
mod lanes;

pub use html::{pairs_html, two_runs_html};

use super::figures::{count, percent, rate};
use super::phrases::{Column, findings_in_order, verdict};
use super::safe_text::{markdown as safe, plain};
use super::terminal::Style;
use super::wrap::wrap;
use crate::judge::compare::{CompareSummary, CompareVerdict, GateOutcome, noise};
use crate::judge::{LatencySummary, RunSummary};
use crate::model::LatencyKind;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use serde::Serialize;

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 200;

/// Two finished runs side by side: what was measured and counted, and their
/// ratio. It decides nothing, and says so.
pub fn two_runs(a: &RunSummary, b: &RunSummary, style: Style) -> String {
    let name = |run: &RunSummary| format!("{} ({}, {})", run.run_id, run.workload, verdict(run.verdict));
    let title = format!("A {} · B {}", plain(&name(a), TEXT_MAX), plain(&name(b), TEXT_MAX));
    let mut table = new_table(style, &["", "A", "B", "B / A"]);
    for row in side_rows(a, b) {
        table.add_row([row.name, row.a, row.b, row.last].map(Cell::new));
    }
    let note = "Unpaired, descriptive only: a machine's own noise makes such ratios. To decide, run \
                posthaste compare --pairs.";
    format!("{}\n\n{table}\n\n{}\n", wrap("", &title, style.width, 2), wrap("", note, style.width, 0))
}

/// A figure of two runs.
#[derive(Serialize)]
struct SideRow {
    name: String,
    a: String,
    b: String,
    /// The ratio in words; nothing for a count.
    last: String,
    /// B / A of what was measured.
    ratio: Option<f64>,
    /// Whether a measurement that is not valid stands behind it.
    is_withheld: bool,
}

impl SideRow {
    /// A figure that is measured, and has a ratio.
    fn measured(name: &str, (a, one): (String, Option<f64>), (b, other): (String, Option<f64>)) -> Self {
        let ratio = one.zip(other).filter(|(one, other)| *one > 0.0 && *other > 0.0).map(|(one, other)| other / one);
        let last = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
        Self { name: name.to_owned(), a, b, last, ratio, is_withheld: false }
    }

    fn counted(name: &str, a: u64, b: u64) -> Self {
        Self::measured(name, (count(a), None), (count(b), None))
    }
}

/// What was measured and counted on both sides.
fn side_rows(a: &RunSummary, b: &RunSummary) -> Vec<SideRow> {
    let mut rows = Vec::new();
    for kind in LatencyKind::ALL {
        let of = |run: &RunSummary| run.latency_us.get(kind.name()).filter(|latency| latency.count > 0).cloned();
        let (Some(one), Some(other)) = (of(a), of(b)) else { continue };
        for column in [Column::P50, Column::P99] {
            rows.push(latency_row(&format!("{} {}", kind.name(), column.head()), column, &one, &other));
        }
    }
    for (name, one, other) in [
        ("achieved", a.rates.achieved_per_s, b.rates.achieved_per_s),
        ("delivered", a.rates.delivered_per_s, b.rates.delivered_per_s),
    ] {
        rows.push(SideRow::measured(name, (rate(one), Some(one)), (rate(other), Some(other))));
    }
    let (one, other) = (&a.ledger, &b.ledger);
    for (name, one, other) in [
        ("intended", one.intended, other.intended),
        ("acknowledged", one.acknowledged, other.acknowledged),
        ("retries", one.retries, other.retries),
        ("deliveries", one.entitled_deliveries, other.entitled_deliveries),
        ("healed", one.healed, other.healed),
    ] {
        rows.push(SideRow::counted(name, one, other));
    }
    let findings = findings_in_order(a).into_iter().filter_map(|(name, finding)| {
        let theirs = b.findings.get(name)?;
        (name != "healed" && finding.count + theirs.count > 0).then_some((name, finding, theirs))
    });
    rows.extend(findings.map(|(name, one, other)| SideRow::counted(&plain(name, TEXT_MAX), one.count, other.count)));
    rows
}

fn latency_row(name: &str, column: Column, one: &LatencySummary, other: &LatencySummary) -> SideRow {
    let value = |latency: &LatencySummary| match column {
        Column::P50 => latency.p50,
        _ => latency.p99,
    };
    let side = |latency: &LatencySummary| (column.cell(latency), value(latency).map(|us| us as f64));
    let mut row = SideRow::measured(name, side(one), side(other));
    row.is_withheld = one.withheld || other.withheld;
    if row.is_withheld && row.ratio.is_some() {
        row.last = "withheld".to_owned();
    }
    row
}

fn new_table(style: Style, heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(style.width).unwrap_or(u16::MAX));
    table.set_header(heads.to_vec());
    for column in 1..heads.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// What came of pairs of runs. `folder` is where the files are, as the reader
/// would type it.
pub fn pairs_terminal(compared: &CompareSummary, folder: &str, style: Style) -> String {
    let mut text = format!("{}\n\n", wrap("", &title(compared), style.width, 2));
    for line in verdict_lines(compared) {
        text.push_str(&format!("{}\n", wrap("", &plain(&line, 2 * TEXT_MAX), style.width, 2)));
    }
    let mut table = new_table(style, &HEADS);
    for outcome in &compared.outcomes {
        table.add_row(cells(outcome).map(Cell::new));
    }
    if !compared.outcomes.is_empty() {
        text.push_str(&format!("\n{table}\n"));
    }
    text.push_str(&format!("\n{}/compare.html\n", plain(folder, TEXT_MAX)));
    text
}

/// The same for a pull request.
pub fn pairs_markdown(compared: &CompareSummary) -> String {
    let mark = match compared.verdict {
        CompareVerdict::Pass => "✅",
        CompareVerdict::Inconclusive => "❔",
        CompareVerdict::Regression | CompareVerdict::Incorrect => "❌",
    };
    let mut text = format!("### {mark} posthaste compare\n\n{}\n\n", safe(&title(compared), TEXT_MAX * 2));
    for line in verdict_lines(compared) {
        text.push_str(&format!("- {}\n", safe(&line, 2 * TEXT_MAX)));
    }
    if !compared.outcomes.is_empty() {
        text.push_str(&format!("\n| {} |\n|{}\n", HEADS.join(" | "), " --- |".repeat(HEADS.len())));
    }
    for outcome in &compared.outcomes {
        text.push_str(&format!("| {} |\n", cells(outcome).join(" | ")));
    }
    text
}

const HEADS: [&str; 6] = ["metric", "B / A", "95 % interval", "margin", "pairs", "verdict"];

fn cells(outcome: &GateOutcome) -> [String; 6] {
    let (ratio, interval) = in_numbers(outcome);
    [
        outcome.metric.clone(),
        ratio,
        interval,
        percent(outcome.margin),
        outcome.pairs.to_string(),
        outcome.verdict.clone(),
    ]
}

fn in_numbers(outcome: &GateOutcome) -> (String, String) {
    let ratio = outcome.ratio.map_or_else(|| "n/a".to_owned(), |ratio| format!("{ratio:.2}×"));
    let interval = match (outcome.low, outcome.high) {
        (Some(low), Some(high)) => format!("{low:.2}–{high:.2}"),
        _ => "too few pairs".to_owned(),
    };
    (ratio, interval)
}

fn title(compared: &CompareSummary) -> String {
    let sides = match compared.aa {
        true => format!("A against itself: {}", compared.a.label),
        false => format!("A {} · B {}", compared.a.label, compared.b.label),
    };
    format!("posthaste compare {} · {sides} · {}", compared.compare_id, extent(compared))
}

/// How many pairs there were.
fn extent(compared: &CompareSummary) -> String {
    let discarded = compared.pairs.iter().skip(1).filter(|pair| pair.discarded_because.is_some()).count();
    let pairs = compared.pairs.len().saturating_sub(1) - discarded.min(compared.pairs.len().saturating_sub(1));
    let most = compared.looks.last().copied().unwrap_or(0);
    let discarded = if discarded > 0 { format!(", {discarded} discarded") } else { String::new() };
    format!("{pairs} of at most {most} pairs after a warm-up{discarded}, seed {}", compared.seed)
}

/// A sentence for each gate that decides, the worst first, and the reasons.
fn verdict_lines(compared: &CompareSummary) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    if compared.verdict == CompareVerdict::Incorrect {
        lines.extend(compared.reasons.iter().map(|reason| format!("INCORRECT: {reason}")));
        return lines;
    }
    let rank = |verdict: &str| ["regression", "open", "no regression"].iter().position(|one| *one == verdict);
    let mut outcomes: Vec<&GateOutcome> = compared.outcomes.iter().collect();
    outcomes.sort_by_key(|outcome| rank(&outcome.verdict));
    lines.extend(outcomes.into_iter().map(|outcome| if compared.aa { of_noise(outcome) } else { sentence(outcome) }));
    lines.extend(compared.reasons.iter().cloned());
    lines
}

/// Never "no difference": an interval is what is known.
fn sentence(outcome: &GateOutcome) -> String {
    let (ratio, interval) = in_numbers(outcome);
    let (metric, pairs, margin) = (&outcome.metric, outcome.pairs, 1.0 + outcome.margin);
    match outcome.verdict.as_str() {
        "regression" => {
            format!("REGRESSION: {metric} is {ratio} the base (95 % CI {interval}, {pairs} pairs); margin {margin:.2}")
        }
        "no regression" => {
            format!("NO REGRESSION BEYOND {}: {metric} {ratio} ({interval}, {pairs} pairs)", percent(outcome.margin))
        }
        _ => format!("INCONCLUSIVE: {metric} {ratio} ({interval}) after {pairs} pairs; margin {margin:.2}"),
    }
}

fn of_noise(outcome: &GateOutcome) -> String {
    match noise(outcome) {
        Some(noise) => format!(
            "NOISE: {} of equal builds strays by up to {} here ({} pairs)",
            outcome.metric,
            percent(noise),
            outcome.pairs
        ),
        None => format!("NOISE: {} is not known: {} pairs are too few", outcome.metric, outcome.pairs),
    }
}

/// "ack.p99 1.02× · delivery.p99 0.98×": what can be said while it runs.
pub fn pairs_so_far(outcomes: &[GateOutcome]) -> String {
    let parts = outcomes.iter().map(|outcome| format!("{} {}", outcome.metric, in_numbers(outcome).0));
    parts.collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::compare::{CompareSide, PairRow};
    use crate::report::example_summary::{failed, passed};

    const PLAIN: Style = Style { colour: false, width: 100 };

    pub(super) fn compared(verdict: &str) -> CompareSummary {
        let side = |label: &str| CompareSide { label: label.to_owned(), args: Vec::new(), exec: None };
        CompareSummary {
            schema_version: 1,
            posthaste_version: "0.1.0".to_owned(),
            compare_id: "compare-1".to_owned(),
            started_at: String::new(),
            aa: false,
            a: side("./old"),
            b: side("./new <b>|@team"),
            seed: 42,
            gates: Vec::new(),
            looks: vec![8, 12, 20],
            pairs: vec![PairRow::default(); 13],
            outcomes: vec![GateOutcome {
                metric: "delivery.p99".to_owned(),
                margin: 0.1,
                pairs: 12,
                ratio: Some(1.231),
                low: Some(1.142),
                high: Some(1.329),
                p_worse: 0.001,
                p_not_worse: 1.0,
                verdict: verdict.to_owned(),
            }],
            verdict: CompareVerdict::Regression,
            reasons: Vec::new(),
            exit_code: 99,
        }
    }

    #[test]
    fn the_words_say_what_is_known() {
        for (verdict, words) in [
            ("regression", "REGRESSION: delivery.p99 is 1.23× the base (95 % CI 1.14–1.33, 12 pairs); margin 1.10"),
            ("no regression", "NO REGRESSION BEYOND 10 %: delivery.p99 1.23× (1.14–1.33, 12 pairs)"),
            ("open", "INCONCLUSIVE: delivery.p99 1.23× (1.14–1.33) after 12 pairs; margin 1.10"),
        ] {
            let text = pairs_terminal(&compared(verdict), "results/compare-1", PLAIN);
            assert!(text.contains(words), "{text}");
            assert!(text.contains("12 of at most 20 pairs after a warm-up"), "{text}");
        }
        let mut noise = compared("open");
        noise.aa = true;
        let text = pairs_terminal(&noise, "results/compare-1", PLAIN);
        assert!(text.contains("NOISE: delivery.p99 of equal builds strays by up to 33 % here (12 pairs)"), "{text}");
    }

    #[test]
    fn nothing_of_a_command_line_is_markup() {
        let text = pairs_markdown(&compared("regression"));
        assert!(
            text.contains("./new &#60;b&#62;&#124;&#64;team") && text.contains("| delivery.p99 | 1.23× |"),
            "{text}"
        );
    }

    #[test]
    fn two_runs_side_by_side_decide_nothing() {
        let text = two_runs(&passed(), &failed(), PLAIN);
        for part in ["ack p99", "acked_lost", "Unpaired, descriptive only", "B / A"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
