//! Verdicts, and latencies.

use super::found;
use super::history::History;
use crate::judge::{GeneratorSummary, RunSummary, Verdict, WorkerSummary};
use crate::ledger::{GeneratorFigures, WorkerFigures};
use crate::model::LatencyKind;

/// A run in which everything is well: one message, pushed to one subscriber.
fn well() -> History {
    let mut history = History::new();
    history.listening(50, &[0]);
    let message = history.said(1, 0, 1_000);
    history.pushed(50, message);
    history
}

pub(super) fn judged(change: impl FnOnce(&mut History)) -> RunSummary {
    let mut history = well();
    change(&mut history);
    history.judge()
}

#[test]
fn what_makes_a_run_inconclusive() {
    for (change, code, reason) in [
        ((|_| ()) as fn(&mut History), 0, ""),
        (|h| h.record.interrupted = true, 130, "the run was interrupted"),
        (|h| h.record.killed = true, 3, "its last checkpoint"),
        (|h| h.record.stopped = Some("no answer".to_owned()), 3, "ended itself early: no answer"),
        (|h| h.record.drain.failures.push("channel 3 timed out".to_owned()), 3, "channel 3 timed out"),
        (|h| h.failed_read(1, 0), 3, "1 of 1 channels lack two complete final reads"),
        (|h| h.ledger.subscribers.clear(), 0, ""),
        (|h| h.record.scheduled = 1, 0, ""),
        (|h| h.record.scheduled = 2, 3, "does not add up: scheduled messages"),
        (|h| h.ledger.subscribers[0].message_frames += 1, 3, "does not add up: live copies"),
        (|h| h.ledger.sends.push(h.ledger.sends[0].clone()), 3, "does not add up: rows of the sender log"),
        (
            |h| {
                h.said(1, 0, 2_000);
            },
            3,
            "unresolved",
        ),
        (
            |h| {
                h.send(1, 0, 2_000).acked(2_010, 2_000);
            },
            97,
            "are not in history",
        ),
        (
            |h| {
                h.send(1, 0, 2_000).acked(2_010, 2_000);
                h.record.interrupted = true;
            },
            97,
            "the run was interrupted",
        ),
    ] {
        let summary = judged(change);
        let reasons = &summary.correctness.reasons;
        assert_eq!(summary.exit_code, code, "{reason}: {reasons:?}");
        assert_eq!(reasons.is_empty(), reason.is_empty(), "{reasons:?}");
        assert!(reason.is_empty() || reasons.iter().any(|one| one.contains(reason)), "{reason}: {reasons:?}");
    }
}

#[test]
fn nothing_acknowledged_and_nobody_entitled() {
    let mut history = History::new();
    history.send(1, 0, 1_000).rejected(1_010);
    history.listening(50, &[1]);
    let summary = history.judge();
    let reasons = summary.correctness.reasons.join("\n");
    assert!(
        reasons.contains("nothing was acknowledged") && reasons.contains("no subscriber was entitled"),
        "{reasons}"
    );
    assert_eq!((summary.verdict, summary.exit_code), (Verdict::Inconclusive, 3));
    let empty = History::new().judge();
    assert_eq!((empty.verdict, empty.exit_code), (Verdict::Inconclusive, 3), "an empty ledger is no pass");
}

#[test]
fn a_killed_run_still_shows_what_needs_no_truth() {
    let mut history = well();
    history.record.killed = true;
    history.without_final_reads();
    let lost = history.send(1, 0, 2_000).acked(2_010, 2_000);
    history.pushed(50, lost);
    history.pushed(50, lost);
    history.altered(lost, 50);
    let summary = history.judge();
    assert_eq!(found(&summary), [("corrupt", 1), ("live_duplicates", 1)]);
    let checked: Vec<&str> =
        summary.findings.iter().filter(|(_, finding)| finding.checked).map(|(name, _)| name.as_str()).collect();
    assert_eq!(checked, ["corrupt", "foreign", "leaked", "live_duplicates", "live_reordered"]);
    let unchecked = &summary.findings["acked_lost"];
    assert!(unchecked.unchecked_because.as_ref().is_some_and(|reason| reason.contains("final reads")));
    assert_eq!((summary.exit_code, summary.ledger.entitled_deliveries), (97, 0));
}

#[test]
fn what_never_left_counts_in_a_run_that_ended_as_planned() {
    for (end, reasons, reason) in [
        ((|_| ()) as fn(&mut History), 1, "as planned"),
        (|h| h.plan.measurement.achieved_share = 0.5, 0, "as many as may"),
        (|h| h.record.interrupted = true, 0, "interrupted"),
        (|h| h.record.killed = true, 0, "killed"),
        (|h| h.record.stopped = Some("no answer".to_owned()), 0, "stopped"),
    ] {
        let summary = judged(|h| {
            h.send(1, 0, 2_000).unattempted();
            end(h);
        });
        assert_eq!(summary.measurement.reasons.len(), reasons, "{reason}");
    }
}

#[test]
fn the_generators_own_figures_stand_in_the_summary() {
    let worker = |cpu_us, canary_late| WorkerFigures {
        cpu_us,
        wall_us: 1_000,
        canary_ticks: 200,
        canary_late,
        canary_worst_us: 9,
        answer_bytes: 310,
        frame_bytes: 4_000,
        ..WorkerFigures::default()
    };
    let summary = judged(|h| {
        h.latencies.record(LatencyKind::Lag, 500);
        h.record.generator = GeneratorFigures {
            workers: vec![worker(250, 1), worker(500, 0), WorkerFigures::default()],
            cpu_us: 30_000_000,
            rss_bytes: 4_096,
            descriptors: 77,
            exhausted: 3,
            ..GeneratorFigures::default()
        };
    });
    let worker = |cpu_fraction, canary_late_share, canary_worst_us| WorkerSummary {
        cpu_fraction,
        canary_late_share,
        canary_worst_us,
    };
    let expected = GeneratorSummary {
        cpu_fraction: 0.25,
        rss_bytes: 4_096,
        descriptors: 77,
        lag_p99_us: Some(500),
        exhausted: 3,
        answer_bytes: 620,
        frame_bytes: 8_000,
        receive_wait_p99_us: None,
        throttled: 0,
        self_check: None,
        workers: vec![worker(0.25, 0.005, 9), worker(0.5, 0.0, 9), worker(0.0, 0.0, 0)],
    };
    assert_eq!(summary.generator, expected, "of 120 s of wall time; a worker that never ran used nothing");
    assert_eq!(judged(|_| ()).generator.lag_p99_us, None, "nothing was late that never left");
}

#[test]
fn the_warm_up_is_in_the_ledger_and_not_in_the_latencies() {
    let mut history = History::new();
    history.plan.arrival.phases[0].kind = crate::plan::PhaseKind::WarmUp;
    history.plan.arrival.phases[0].duration_us = 2_000_000;
    history.record.load_start_us = 500_000;
    history.listening(50, &[0]);
    for at_ms in [1_000, 2_499, 2_500, 3_000] {
        let message = history.said(1, 0, at_ms);
        history.pushed(50, message);
    }
    history.latencies.clear();
    for kind in [LatencyKind::Ack, LatencyKind::Delivery] {
        history.latencies.record(kind, 10_000);
        history.latencies.record(kind, 20_000);
    }
    let summary = history.judge();
    assert_eq!(summary.measurement.reasons, Vec::<String>::new(), "two of four after the warm-up");
    assert_eq!((summary.ledger.acknowledged, summary.ledger.live_deliveries), (4, 4));
    // 59.5 s of load.
    assert!((summary.rates.offered_per_s - 4.0 / 59.5).abs() < 1e-9 && summary.rates.load_s == 59.5);
    assert_eq!(summary.rates.delivered_per_s, summary.rates.achieved_per_s);
}

#[test]
fn what_never_finished_in_the_warm_up_is_no_latency() {
    let mut history = History::new();
    history.plan.arrival.phases[0].kind = crate::plan::PhaseKind::WarmUp;
    history.plan.arrival.phases[0].duration_us = 2_000_000;
    history.listening(50, &[0]);
    history.disconnected(50, 60_000);
    history.said(1, 0, 1_999);
    history.send(1, 0, 1_999).unknown(3_000);
    let summary = history.judge();
    let bounds = |name: &str| summary.latency_us[name].at_least_count;
    assert_eq!((summary.findings["live_missed"].count, bounds("delivery"), bounds("ack")), (1, 0, 0));
    history.said(1, 0, 2_000);
    history.send(1, 0, 2_000).unknown(3_000);
    let summary = history.judge();
    let bounds = |name: &str| summary.latency_us[name].at_least_count;
    assert_eq!((summary.findings["live_missed"].count, bounds("delivery"), bounds("ack")), (2, 1, 1));
}

#[test]
fn a_single_bound_is_a_lower_bound() {
    let mut history = History::new();
    history.send(1, 0, 1_000).unknown(1_001);
    let ack = history.judge().latency_us["ack"].clone();
    assert_eq!((ack.max, &ack.lower_bounds[..]), (Some(1_000), &["max".to_owned()][..]));
}

#[test]
fn the_first_examples_are_kept_of_many() {
    let mut history = History::new();
    for rank in 0..100 {
        history.send(1, 0, 50_000 - 100 * rank).acked(50_010 - 100 * rank, 50_000 - 100 * rank);
    }
    let finding = history.judge().findings["acked_lost"].clone();
    let indices: Vec<u32> = finding.examples.iter().filter_map(|example| example.index).collect();
    assert_eq!(indices, (80..100).rev().collect::<Vec<u32>>());
    assert_eq!((finding.count, finding.span_us.map(|span| span.last)), (100, Some(50_010_000)));
}

#[test]
fn quantiles_need_samples() {
    for (samples, quantiles) in [
        (5, [false, false, false, false, false]),
        (6, [true, false, false, false, false]),
        (35, [true, false, false, false, false]),
        (36, [true, true, false, false, false]),
        (367, [true, true, false, false, false]),
        (368, [true, true, true, false, false]),
        (3_687, [true, true, true, false, false]),
        (3_688, [true, true, true, true, false]),
        (36_886, [true, true, true, true, false]),
        (36_887, [true; 5]),
    ] {
        let mut history = History::new();
        history.latencies.histogram_mut(LatencyKind::Heal).record_n(500, samples).unwrap();
        let heal = history.judge().latency_us["heal"].clone();
        let shown = [heal.p50, heal.p90, heal.p99, heal.p999, heal.p9999].map(|value| value.is_some());
        assert_eq!((shown, heal.count, heal.max), (quantiles, samples, Some(500)), "{samples} samples");
    }
    let silent = &History::new().judge().latency_us["heal"];
    assert_eq!((silent.count, silent.max), (0, None));
}

#[test]
fn what_never_finished_counts_as_at_least_so_long() {
    // Eight acknowledged after 10 ms, two that gave up after 30 s.
    let mut history = History::new();
    for at_ms in 0..8 {
        history.said(1, 0, 1_000 + at_ms);
    }
    history.send(1, 0, 2_000).unknown(32_000);
    history.send(1, 0, 3_000).unknown(33_000);
    let ack = history.judge().latency_us["ack"].clone();
    assert_eq!((ack.count, ack.at_least_count), (10, 2));
    assert!(ack.p50.is_some_and(|p50| (9_990..=10_010).contains(&p50)), "{ack:?}");
    assert!(ack.max.is_some_and(|max| (29_970_000..=30_030_000).contains(&max)), "{ack:?}");
    assert_eq!(ack.lower_bounds, ["max"], "the median lies below every bound");

    // A bound below a measured value may belong anywhere above: it marks both.
    history.send(1, 0, 4_000).under_way();
    history.record.ended_us = 4_005_000;
    let ack = history.judge().latency_us["ack"].clone();
    assert_eq!((ack.at_least_count, &ack.lower_bounds[..]), (3, &["p50".to_owned(), "max".to_owned()][..]));
}

#[test]
fn a_push_that_never_came_was_waited_for_until_the_connection_was_gone() {
    let mut history = History::new();
    history.member(50, &[0]);
    history.connected(50, 0);
    let first = history.said(1, 0, 1_000);
    let missed = history.said(1, 0, 2_000);
    history.pushed(50, first);
    history.disconnected(50, 7_000);
    history.said(1, 0, 8_000);
    history.page(50, 0, 92_000).by_drain().shows(&[first, missed]).end();
    let delivery = history.judge().latency_us["delivery"].clone();
    assert_eq!((delivery.count, delivery.at_least_count), (2, 1), "what was sent while away was not waited for");
    assert!(delivery.max.is_some_and(|max| (4_995_000..=5_005_000).contains(&max)), "{delivery:?}");
    assert_eq!(delivery.lower_bounds, ["max"]);
}
