//! When latencies are withheld.

use super::history::History;
use super::verdicts::judged;
use crate::judge::Verdict;
use crate::ledger::WorkerFigures;
use crate::model::LatencyKind;

type Change = fn(&mut History, WorkerFigures);

/// A worker that is just good enough.
fn worker() -> WorkerFigures {
    WorkerFigures {
        cpu_us: 850,
        wall_us: 1_000,
        canary_ticks: 1_000,
        canary_late: 1,
        canary_worst_us: 9,
        receive_looks: 368,
        receive_wait_p99_us: 5_000,
        ..WorkerFigures::default()
    }
}

/// Without a reason, nothing is withheld.
fn check(change: Change, reason: &str) {
    let summary = judged(|history| change(history, worker()));
    let reasons = &summary.measurement.reasons;
    assert_eq!(reasons.len(), usize::from(!reason.is_empty()), "{reason}: {reasons:?}");
    assert!(reasons.iter().all(|one| one.contains(reason)), "{reason}: {reasons:?}");
    assert_eq!(summary.measurement.valid, reason.is_empty(), "{reason}");
    assert!(summary.latency_us.values().all(|latency| latency.withheld != summary.measurement.valid));
    let correct = if summary.interrupted { Verdict::Inconclusive } else { Verdict::Pass };
    assert_eq!(summary.correctness.verdict, correct, "{reason}: the ledger is judged all the same");
}

#[test]
fn for_what_happened_to_the_whole() {
    for (change, reason) in [
        ((|_, _| ()) as Change, ""),
        (|h, _| h.latencies.record(LatencyKind::Lag, 1_000), ""),
        (|h, _| h.latencies.record(LatencyKind::Lag, 1_010), "lag p99"),
        (
            |h, _| {
                // A tenth of the median acknowledgement, 10 ms here and 20 ms then.
                h.ledger.sends[0].acknowledged_us = Some(1_020_000);
                h.latencies.clear();
                h.latencies.record(LatencyKind::Delivery, 20_000);
                h.latencies.record(LatencyKind::Ack, 20_000);
                h.latencies.record(LatencyKind::Lag, 1_990);
            },
            "",
        ),
        (
            |h, _| {
                h.send(1, 0, 2_000).unattempted();
            },
            "1 of 2 intended messages never left",
        ),
        (
            |h, _| {
                h.send(1, 0, 2_000).unattempted();
                h.record.interrupted = true;
            },
            "",
        ),
        (|h, _| h.record.generator.histogram_errors = 1, "1 latencies were longer"),
        (|h, _| h.latencies.record(LatencyKind::Ack, 5), "ack has 2 samples and the ledger 1"),
        (|h, _| h.latencies.record(LatencyKind::Delivery, 5), "delivery has 2 samples and the ledger 1"),
        (|h, _| h.record.generator.suspended_us = 1_000_000, ""),
        (|h, _| h.record.generator.suspended_us = 1_000_001, "the machine slept for 1000 ms"),
        (|h, _| h.record.generator.stepped_us = 100_000, ""),
        (|h, _| h.record.generator.stepped_us = 100_001, "the wall clock was set by 100 ms"),
        (|h, _| h.record.generator.throttled = 3, "held the generator back 3 times"),
        (|h, _| h.record.generator.exhausted = 4, "4 connections failed"),
    ] {
        check(change, reason);
    }
}

#[test]
fn for_what_a_worker_did() {
    for (change, reason) in [
        ((|h, worker| h.record.generator.workers = vec![worker]) as Change, ""),
        (
            |h, worker| h.record.generator.workers = vec![WorkerFigures { canary_late: 2, ..worker }],
            "worker 0 stalled: 0.20 %",
        ),
        (
            |h, worker| h.record.generator.workers = vec![worker.clone(), WorkerFigures { cpu_us: 860, ..worker }],
            "worker 1 used 86 % of a core",
        ),
        (
            |h, worker| h.record.generator.workers = vec![WorkerFigures { receive_wait_p99_us: 5_100, ..worker }],
            "worker 0 read late: p99 of what lay in its sockets is 5.1 ms and 5 ms are allowed",
        ),
        (
            |h, worker| {
                let few = WorkerFigures { receive_wait_p99_us: 9_000, receive_looks: 367, ..worker };
                h.record.generator.workers = vec![few];
            },
            "",
        ),
        (
            |h, worker| {
                // A tenth of the median delivery.
                h.ledger.subscribers.clear();
                h.latencies.clear();
                h.latencies.record(LatencyKind::Ack, 10_000);
                h.plan.measurement.receive_wait_p99_us = 100;
                let late = WorkerFigures { receive_wait_p99_us: 101, ..worker };
                h.record.generator.workers = vec![late];
            },
            "0.1 ms are allowed",
        ),
        (
            |h, worker| {
                // A tenth of 20 ms.
                h.plan.measurement.receive_wait_p99_us = 100;
                h.record.generator.workers = vec![WorkerFigures { receive_wait_p99_us: 1_990, ..worker }];
            },
            "",
        ),
    ] {
        check(change, reason);
    }
}

#[test]
fn for_seconds_in_which_a_worker_was_busy() {
    for (change, reason) in [
        (
            (|h, worker| {
                let rising = WorkerFigures { wall_us: 10_000_000, cpu_us: 1_000_000, ..worker };
                let one = WorkerFigures { busy_at_us: vec![8_000_000], ..rising.clone() };
                h.record.generator.workers = vec![rising, one];
            }) as Change,
            "",
        ),
        (
            |h, worker| {
                let busy_at_us = vec![8_000_000, 9_000_000];
                h.record.load_start_us = 1_000_000;
                h.record.generator.workers =
                    vec![WorkerFigures { wall_us: 10_000_000, cpu_us: 1_000_000, busy_at_us, ..worker }];
            },
            "worker 0 used too much of a core for 2 seconds and 85 % are allowed (seconds 7-8 of the load)",
        ),
        (
            |h, worker| {
                // A twentieth of its time, and no more.
                let busy_at_us = vec![8_000_000, 9_000_000];
                h.record.generator.workers = vec![WorkerFigures { wall_us: 40_000_000, busy_at_us, ..worker }];
            },
            "",
        ),
        (
            |h, worker| {
                let busy_at_us = vec![8_000_000, 9_000_000, 10_000_000];
                h.record.generator.workers = vec![WorkerFigures { wall_us: 40_000_000, busy_at_us, ..worker }];
            },
            "too much of a core for 3 seconds",
        ),
    ] {
        check(change, reason);
    }
}

#[test]
fn the_bad_seconds_are_named() {
    let reason = |at_us: &[u64]| {
        let summary = judged(|h| {
            h.record.load_start_us = 500_000;
            h.record.generator.throttled = 1;
            h.record.generator.bad.throttled = at_us.to_vec();
        });
        summary.measurement.reasons[0].clone()
    };
    for (at_us, named) in [
        (&[][..], "1 times; raise"),
        (&[100_000], "(seconds 0 of the load)"),
        (&[600_000, 1_600_000, 2_600_000, 9_500_000, 9_600_000], "(seconds 0-2, 9 of the load)"),
        (
            &[1_500_000, 3_500_000, 5_500_000, 7_500_000, 9_500_000, 11_500_000, 13_500_000],
            "(seconds 1, 3, 5, 7, 9 and 2 other stretches of the load)",
        ),
    ] {
        assert!(reason(at_us).contains(named), "{named}: {}", reason(at_us));
    }
}
