//! A comparison as one page of HTML that needs nothing else.

use super::lanes::{Dot, Lane, Lanes, lanes};
use super::{HEADS, TEXT_MAX, cells, extent, in_numbers, of_noise, side_rows, verdict_lines};
use crate::judge::RunSummary;
use crate::judge::compare::{
    CompareSide, CompareSummary, CompareVerdict, GateOutcome, PairRow, Reading, more_is_better, noise,
};
use crate::plan::Metric;
use crate::report::figures::{duration, memory, percent, rate};
use crate::report::page;
use crate::report::phrases::{plan_parts, reasons, verdict};
use crate::report::safe_text::plain;
use minijinja::context;
use serde::Serialize;

const PAIRS: &str = include_str!("pairs.html");
const TWO: &str = include_str!("two.html");
const LANES: &str = include_str!("lanes.html");

/// A pair as a row: its number, order, what became of it, and the figures by gate.
#[derive(Serialize)]
struct Row {
    number: String,
    order: String,
    runs: [String; 2],
    cells: Vec<String>,
    note: String,
    counts: bool,
}

/// Pairs of runs. Every text in it is escaped.
pub fn pairs_html(compared: &CompareSummary) -> String {
    let (tone, stamp) = stamp(compared);
    page::render(
        "pairs.html",
        &format!("{LANES}{PAIRS}"),
        context! {
            title => format!("{} · posthaste compare", stamp.to_uppercase()),
            tone,
            stamp,
            headline => headline(compared),
            about => extent(compared),
            lines => verdict_lines(compared).iter().map(|line| plain(line, 2 * TEXT_MAX)).collect::<Vec<_>>(),
            sides => sides(compared),
            picture => picture(compared),
            has_open_dots => counted(compared).any(|(_, pair)| pair.not_valid_because.is_some()),
            heads => HEADS,
            outcomes => compared.outcomes.iter().map(|outcome| cells(outcome).map(|cell| plain(&cell, TEXT_MAX))).collect::<Vec<_>>(),
            gates => compared.gates.iter().map(|gate| plain(&gate.metric, TEXT_MAX)).collect::<Vec<_>>(),
            rows => compared.pairs.iter().enumerate().map(|(rank, pair)| row(compared, rank, pair)).collect::<Vec<_>>(),
            looks => compared.looks.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
            aa => compared.aa,
            id => plain(&compared.compare_id, TEXT_MAX),
            started_at => plain(&compared.started_at, TEXT_MAX),
            version => plain(&compared.posthaste_version, TEXT_MAX),
        },
    )
}

fn stamp(compared: &CompareSummary) -> (&'static str, &'static str) {
    match compared.verdict {
        CompareVerdict::Incorrect => ("fail", "incorrect"),
        CompareVerdict::Regression => ("fail", "regression"),
        CompareVerdict::Inconclusive if compared.aa => ("inconclusive", "too noisy"),
        CompareVerdict::Inconclusive => ("inconclusive", "inconclusive"),
        CompareVerdict::Pass if compared.aa => ("pass", "quiet enough"),
        CompareVerdict::Pass => ("pass", "no regression"),
    }
}

/// The one sentence at the top.
fn headline(compared: &CompareSummary) -> String {
    let worse: Vec<&GateOutcome> = compared.outcomes.iter().filter(|outcome| outcome.verdict == "regression").collect();
    let pairs = counted(compared).count();
    match (compared.verdict, worse.first()) {
        (CompareVerdict::Incorrect, _) => "A run lost, doubled or invented something.".to_owned(),
        (CompareVerdict::Regression, Some(first)) => {
            let others = match worse.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            format!("B is worse: {} is {} the base{others}.", plain(&first.metric, TEXT_MAX), in_numbers(first).0)
        }
        _ if compared.aa => match compared.outcomes.iter().filter_map(noise).reduce(f64::max) {
            Some(noise) => format!("Equal builds stray from each other by up to {} here.", percent(noise)),
            None => "How far equal builds stray here is not known.".to_owned(),
        },
        (CompareVerdict::Pass, _) => "B is not worse by as much as the margins.".to_owned(),
        _ => format!("Neither a regression nor its absence could be shown in {pairs} pairs."),
    }
}

/// What ran on each side: its name, label and command line.
fn sides(compared: &CompareSummary) -> [[String; 3]; 2] {
    let side = |name: &str, side: &CompareSide| {
        let run = format!("posthaste run {}", side.args.join(" "));
        let command = side.exec.as_ref().map_or_else(|| run.clone(), |exec| format!("{exec}\n{run}"));
        [name.to_owned(), plain(&side.label, TEXT_MAX), crate::report::safe_text::lines(&command)]
    };
    let b = if compared.aa { "B, the same again" } else { "B" };
    [side("A, the base", &compared.a), side(b, &compared.b)]
}

/// The pairs that count, by their number.
fn counted(compared: &CompareSummary) -> impl Iterator<Item = (usize, &PairRow)> {
    compared.pairs.iter().enumerate().filter(|(_, pair)| pair.discarded_because.is_none())
}

fn picture(compared: &CompareSummary) -> Lanes {
    let lane = |outcome: &GateOutcome| {
        let (ratio, interval) = in_numbers(outcome);
        let dot = |(number, pair): (usize, &PairRow)| {
            let (a, b) = pair.values.get(&outcome.metric)?;
            let words = format!("pair {number}: {}", in_words(&outcome.metric, a, b));
            Some(Dot { ratio: b.value / a.value, is_valid: pair.not_valid_because.is_none(), words })
        };
        let margin = 1.0 + outcome.margin;
        Lane {
            name: plain(&outcome.metric, TEXT_MAX),
            tone: match outcome.verdict.as_str() {
                _ if compared.aa => "plain",
                "regression" => "known",
                "no regression" => "clean",
                _ => "open",
            },
            words: match compared.aa {
                true => of_noise(outcome).replacen("NOISE: ", "", 1),
                false => format!("{ratio} ({interval}), margin {} · {}", percent(outcome.margin), outcome.verdict),
            },
            ratio: outcome.ratio,
            interval: outcome.low.zip(outcome.high),
            margin: Some(if more_is_better(&outcome.metric) { 1.0 / margin } else { margin }),
            dots: counted(compared).filter_map(dot).collect(),
        }
    };
    lanes(compared.outcomes.iter().map(lane).collect())
}

/// "1.20 ms → 1.31 ms, 1.09×".
fn in_words(metric: &str, a: &Reading, b: &Reading) -> String {
    let value = |reading: &Reading| {
        let value = reading.value;
        let words = match Metric::parse(metric) {
            Ok(Metric::Latency { .. } | Metric::TargetCpu) => duration(value as u64),
            Ok(Metric::TargetMemory) => memory(value as u64),
            _ => rate(value),
        };
        format!("{}{words}", if reading.at_least { "≥" } else { "" })
    };
    format!("{} → {}, {:.2}×", value(a), value(b), b.value / a.value)
}

fn row(compared: &CompareSummary, rank: usize, pair: &PairRow) -> Row {
    let cell = |gate: &crate::judge::compare::Gate| {
        pair.values.get(&gate.metric).map_or_else(|| "–".to_owned(), |(a, b)| in_words(&gate.metric, a, b))
    };
    let note = match (&pair.discarded_because, &pair.not_valid_because) {
        (Some(why), _) => format!("does not count: {why}"),
        (None, Some(why)) => format!("may show a regression only: {why}"),
        (None, None) => String::new(),
    };
    Row {
        number: if rank == 0 { "warm-up".to_owned() } else { rank.to_string() },
        order: pair.order.to_uppercase(),
        runs: [&pair.a_run, &pair.b_run].map(|run| local(run)),
        cells: compared.gates.iter().map(cell).collect(),
        note: plain(&note, 2 * TEXT_MAX),
        counts: pair.discarded_because.is_none(),
    }
}

/// A path below the page's folder, and nothing else: a link leads to no scheme and
/// out of no folder.
fn local(path: &str) -> String {
    let is_local = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    };
    if path.split('/').all(is_local) { path.to_owned() } else { String::new() }
}

/// Two finished runs side by side. Every text in it is escaped.
pub fn two_runs_html(a: &RunSummary, b: &RunSummary) -> String {
    let side = |name: &str, run: &RunSummary| {
        context! {
            name,
            verdict => verdict(run.verdict),
            run_id => plain(&run.run_id, TEXT_MAX),
            what => plain(&format!("{} on {}", run.workload, run.target), TEXT_MAX),
            url => plain(&run.url, TEXT_MAX),
            plan => plan_parts(&run.plan),
            reasons => reasons(run).into_iter().map(|reason| plain(reason, 2 * TEXT_MAX)).collect::<Vec<_>>(),
        }
    };
    let rows = side_rows(a, b);
    let lane = |row: &super::SideRow| {
        let ratio = row.ratio?;
        let words = format!("{} {}", row.name, row.last);
        Some(Lane {
            name: row.name.clone(),
            tone: "plain",
            words: format!("{} → {}", row.a, row.b),
            ratio: None,
            // A bar from 1 on.
            interval: Some((ratio.min(1.0), ratio.max(1.0))),
            margin: None,
            dots: vec![Dot { ratio, is_valid: !row.is_withheld, words }],
        })
    };
    page::render(
        "two.html",
        &format!("{LANES}{TWO}"),
        context! {
            title => format!("{} against {} · posthaste compare", plain(&a.run_id, TEXT_MAX), plain(&b.run_id, TEXT_MAX)),
            sides => [side("A", a), side("B", b)],
            picture => lanes(rows.iter().filter_map(lane).collect()),
            has_open_dots => rows.iter().any(|row| row.is_withheld && row.ratio.is_some()),
            rows,
            version => env!("CARGO_PKG_VERSION"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::compare::tests::compared;
    use crate::report::example_summary::{failed, inconclusive, passed};

    fn with_pairs(verdict: &str) -> CompareSummary {
        let mut summary = compared(verdict);
        let reading = |value| Reading { value, at_least: false };
        for (rank, pair) in summary.pairs.iter_mut().enumerate() {
            pair.order = if rank % 2 == 0 { "ab" } else { "ba" }.to_owned();
            pair.a_run = format!("pair-{rank:02}/a/20261124-031502-k7q2");
            pair.b_run = format!("pair-{rank:02}/b/20261124-031502-k7q3");
            let values = (reading(10_000.0), reading(12_000.0 + 100.0 * rank as f64));
            pair.values = [("delivery.p99".to_owned(), values)].into();
        }
        summary.pairs[0].discarded_because = Some("the warm-up".to_owned());
        summary.pairs[3].not_valid_because = Some("a: lag p99 4.2 ms is above 1.1 ms".to_owned());
        summary.gates = vec![crate::judge::compare::Gate { metric: "delivery.p99".to_owned(), margin: 0.1 }];
        summary
    }

    #[test]
    fn the_page_has_the_verdict_the_interval_and_every_pair() {
        let page = pairs_html(&with_pairs("regression"));
        for piece in [
            "<span class=\"stamp\">regression</span><h1>B is worse: delivery.p99 is 1.23× the base.</h1>",
            "1.23× (1.14–1.33), margin 10 % · regression",
            "title=\"pair 5: 10.0 ms → 12.5 ms, 1.25×\"",
            "<a href=\"pair-05&#x2f;b&#x2f;20261124-031502-k7q3/report.html\">B</a>",
            "does not count: the warm-up",
            "may show a regression only: a: lag p99",
        ] {
            assert!(page.contains(piece), "{piece} is not in\n{page}");
        }
        assert_eq!(
            (page.matches("class=\"dot\" style").count(), page.matches("class=\"dot open\" style").count()),
            (11, 1)
        );
        let mut noise = with_pairs("open");
        (noise.aa, noise.verdict) = (true, CompareVerdict::Pass);
        let page = pairs_html(&noise);
        assert!(page.contains("Equal builds stray from each other by up to 33 % here."), "{page}");
        assert!(page.contains("quiet enough") && !page.contains("regression</span>"), "{page}");
    }

    #[test]
    fn more_is_better_for_a_rate_and_a_lane_knows() {
        let mut summary = with_pairs("open");
        summary.outcomes[0].metric = "rates.achieved_per_s".to_owned();
        let page = pairs_html(&summary);
        assert!(page.contains("<i class=\"beyond\" style=\"left:0.0%;"), "{page}");
    }

    #[test]
    fn two_runs_have_their_ratios_and_what_is_withheld_stands_out() {
        let page = two_runs_html(&passed(), &failed());
        for piece in
            ["Unpaired, descriptive only", "<code>delivery p99</code>", "title=\"delivery p99 1.47×\"", "acked_lost"]
        {
            assert!(page.contains(piece), "{piece} is not in\n{page}");
        }
        assert!(!page.contains("class=\"dot open\""));
        let page = two_runs_html(&passed(), &inconclusive());
        assert!(page.contains("class=\"dot open\"") && page.contains("withheld"), "{page}");
    }

    #[test]
    fn nothing_of_a_command_line_or_a_server_is_markup_and_no_link_leaves_the_folder() {
        let hostile = "</style></script><script>alert(1)</script><img src=x>\u{202e}";
        let mut summary = with_pairs("regression");
        summary.a.label = hostile.to_owned();
        summary.b.args = vec![hostile.to_owned()];
        summary.b.exec = Some(hostile.to_owned());
        summary.reasons = vec![hostile.to_owned()];
        summary.pairs[2].not_valid_because = Some(hostile.to_owned());
        summary.pairs[4].a_run = "javascript:alert(1)".to_owned();
        summary.pairs[5].a_run = "../../elsewhere".to_owned();
        summary.pairs[6].a_run = "/etc".to_owned();
        let mut run = failed();
        (run.workload, run.url, run.run_id) = (hostile.to_owned(), hostile.to_owned(), hostile.to_owned());
        run.plan = serde_json::json!({ "workload": hostile });
        for page in [pairs_html(&summary), two_runs_html(&run, &run)] {
            assert!(!page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'), "{page}");
            assert_eq!(page.matches("</style>").count(), 2);
        }
        let page = pairs_html(&summary);
        assert!(!["javascript:", "elsewhere", "etc"].iter().any(|path| page.contains(path)), "{page}");
        assert_eq!(page.matches("<a href=").count(), 2 * 13 - 3);
    }
}
