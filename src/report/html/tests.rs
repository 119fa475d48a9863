use super::*;
use crate::ledger::{IntervalFigures, IntervalLatency};
use crate::report::example_summary::{failed, inconclusive, killed, passed, slowest};

fn intervals(seconds: u64) -> Vec<MeasuredInterval> {
    let interval = |second: u64| {
        let us = 1_000 + 100 * second;
        MeasuredInterval {
            figures: IntervalFigures {
                at_us: second * 1_000_000,
                length_us: 1_000_000,
                phase: if second < 2 { "connect" } else { "load" }.to_owned(),
                intended: 20,
                acknowledged: 19,
                delivered: 1_000,
                cpu_us: second * 250_000,
                ..IntervalFigures::default()
            },
            latencies: [(
                LatencyKind::Delivery,
                IntervalLatency { count: 1_000, p50_us: us, p90_us: us * 2, p99_us: us * 3, max_us: us * 4 },
            )]
            .into(),
        }
    };
    (0..seconds).map(interval).collect()
}

fn latencies() -> Latencies {
    let mut latencies = Latencies::default();
    (1..=10_000).for_each(|us| latencies.record(LatencyKind::Delivery, us * 10));
    latencies
}

fn page(summary: &RunSummary) -> String {
    html(summary, &Figures { intervals: &intervals(20), latencies: &latencies() })
}

#[test]
fn the_verdict_comes_first_and_the_charts_answer() {
    let text = page(&passed());
    for piece in [
        "<span class=\"stamp\">pass</span>",
        "nothing was lost, doubled or invented.</h1>",
        "<h3>How long did messages take, second by second?</h3><p>delivery p99 was worst at 0:19: 8.70 ms.</p>",
        "<h3>How slow is the slowest?</h3>",
        "<div class=\"band phase\" style=\"left:0.0%;width:10.0%\"><span>connect</span></div>",
        "class=\"good\" style=\"flex-grow:",
    ] {
        assert!(text.contains(piece), "{piece} is not in {text}");
    }
    let failed = page(&failed());
    assert!(failed.contains("<span class=\"stamp\">fail</span>"));
    assert!(failed.contains("acknowledged messages are not in history"));
    assert!(failed.contains("acknowledged <b>5,231</b>") && failed.contains("acknowledged and lost <b>5</b>"));
    assert!(page(&inconclusive()).contains("read the shape, not the figures"));
}

#[test]
fn a_run_without_intervals_has_no_charts() {
    let text = html(&killed(), &Figures { intervals: &[], latencies: &Latencies::default() });
    assert!(!text.contains("<figure"), "{text}");
    assert!(text.contains("This run does not prove enough.") && text.contains("not checked: there is no final read"));
}

#[test]
fn a_long_run_keeps_its_worst_second() {
    let mut long = intervals(4_000);
    long[1_234].latencies.get_mut(&LatencyKind::Delivery).unwrap().p99_us = 59_000_000;
    let text = html(&passed(), &Figures { intervals: &long, latencies: &latencies() });
    assert!(text.contains("delivery p99 was worst at 20:30: 59.0 s."), "{text}");
    assert!(text.contains("worst of 10 intervals"));
    assert!(text.len() < 400_000, "{} bytes", text.len());
}

#[test]
fn the_tail_ends_where_the_samples_do() {
    let mut summary = passed();
    let delivery = summary.latency_us.get_mut("delivery").unwrap();
    delivery.at_least_count = 10_000;
    let text = page(&summary);
    assert!(text.contains("50 % are not slower") && text.contains("\"100 ms\",\"–\""), "half of them never came");
}

#[test]
fn a_trace_is_a_link_where_it_can_be_looked_at() {
    let mut summary = failed();
    summary.slowest = slowest();
    let link = slowest()[2].trace.clone();
    summary.findings.get_mut("acked_lost").unwrap().examples[0].trace = link;
    let text = page(&summary);
    let address = "https:&#x2f;&#x2f;traces.example&#x2f;01890a5dac96874b8b5e000000000002";
    assert_eq!(text.matches(&format!("<a href=\"{address}\" rel=\"noreferrer\">")).count(), 2, "{text}");
    assert!(text.contains("01890a5dac96874b8b5e000000000001 <small>not sampled</small>"), "{text}");
    assert!(text.contains("<details class=\"slowest\" open>") && text.contains("≥1.42 s"));
    summary.slowest[2].trace.as_mut().unwrap().url = Some("javascript:alert(1)".to_owned());
    assert!(!page(&summary).contains("javascript:"));
    summary.slowest.iter_mut().for_each(|slow| slow.trace = None);
    assert!(page(&summary).contains("<details class=\"slowest\">"), "named all the same, and not in the way");
}

#[test]
fn nothing_of_a_server_is_markup_or_script() {
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}";
    let mut summary = failed();
    summary.url = hostile.to_owned();
    summary.workload = hostile.to_owned();
    summary.correctness.reasons.push(hostile.to_owned());
    summary.plan = serde_json::json!({ "workload": hostile });
    for finding in summary.findings.values_mut() {
        finding.examples.iter_mut().for_each(|example| {
            example.note = hostile.to_owned();
            example.server_ids = vec![hostile.to_owned()];
        });
    }
    let mut intervals = intervals(5);
    intervals[0].figures.phase = hostile.to_owned();
    let text = html(&summary, &Figures { intervals: &intervals, latencies: &latencies() });
    let data = text.matches("<script type=\"application/json\">").count();
    assert_eq!((text.matches("<script>").count(), text.matches("<script").count()), (1, 1 + data));
    assert_eq!(text.matches("</script>").count(), 1 + data);
    assert!(!text.contains("<img") && !text.contains('\u{202e}'), "{text}");
}
