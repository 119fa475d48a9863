//! What became of the faults of the plan.

use super::history::History;
use crate::judge::{FaultPart, FaultRecovery, SocketRecovery, Verdict, part_of};
use crate::ledger::{FaultRecord, new_histogram};
use crate::plan::{Fault, FaultKind, FaultSettings, ReceiveDesign};

#[test]
fn a_fault_begins_at_a_time_of_the_load() {
    let mut h = History::new();
    h.record.load_start_us = 500_000;
    let settings = FaultSettings::default();
    h.plan.faults = vec![Fault { kind: FaultKind::Crash, at_us: 2_500_000, for_us: 0, share: 1.0, settings }];
    let fault = &h.judge().faults[0];
    assert_eq!((fault.kind.as_str(), fault.at_us, fault.fired_us, fault.touched), ("crash", 3_000_000, None, 0));
}

#[test]
fn a_fault_that_never_hit_anything_leaves_the_run_open() {
    for (touched, verdict, reason) in
        [(0, Verdict::Inconclusive, "nothing was tested"), (1, Verdict::Pass, "it was, and nothing was found")]
    {
        let mut h = History::new();
        h.said(1, 0, 1_000);
        h.plan.faults = vec![Fault {
            kind: FaultKind::Crash,
            at_us: 2_500_000,
            for_us: 0,
            share: 1.0,
            settings: FaultSettings::default(),
        }];
        h.record.faults = vec![FaultRecord { fired_us: Some(3), healed_us: Some(4), touched }];
        let summary = h.judge();
        assert_eq!(summary.correctness.verdict, verdict, "{reason}: {:?}", summary.correctness.reasons);
        assert_eq!((summary.faults[0].touched, summary.faults[0].what.as_str()), (touched, "processes"));
        let said = summary.correctness.reasons.iter().any(|reason| reason.contains("crash at 2.5 s"));
        assert_eq!(said, touched == 0);
        h.record.killed = true;
        assert!(!h.judge().correctness.reasons.iter().any(|reason| reason.contains("crash at")), "nobody knows");
    }
}

#[test]
fn the_acknowledgements_are_split_by_the_fault() {
    let mut history = History::new();
    let fault = |kind| Fault { kind, at_us: 0, for_us: 0, share: 1.0, settings: FaultSettings::default() };
    history.plan.faults = vec![fault(FaultKind::Pause), fault(FaultKind::Crash)];
    history.record.faults = vec![
        FaultRecord { fired_us: Some(2_000_000), healed_us: Some(3_000_000), touched: 1 },
        FaultRecord { fired_us: None, healed_us: None, touched: 0 },
    ];
    history.send(1, 0, 1_999).acked(2_009, 1);
    history.send(1, 0, 2_000).acked(2_900, 2);
    history.send(1, 0, 2_500).unknown(4_500);
    history.send(1, 0, 3_000).acked(3_020, 3);
    let summary = history.judge();
    let ack = summary.faults[0].ack_us.clone().unwrap();
    let parts = [&ack.before, &ack.during, &ack.after].map(|part| (part.count, part.at_least_count, part.max));
    let near = |max: Option<u64>, us: u64| max.is_some_and(|max| max.abs_diff(us) <= us / 500);
    assert_eq!(parts.map(|(count, open, _)| (count, open)), [(1, 0), (2, 1), (1, 0)]);
    assert!(near(parts[0].2, 10_000) && near(parts[1].2, 2_000_000) && near(parts[2].2, 20_000), "{parts:?}");
    assert_eq!(ack.during.lower_bounds, ["max"]);
    assert_eq!(summary.faults[1].ack_us, None, "it never touched anything");
    assert!(!ack.during.withheld);
    history.record.generator.throttled = 1;
    assert!(history.judge().faults[0].ack_us.as_ref().is_some_and(|ack| ack.during.withheld), "not to be believed");
}

#[test]
fn a_second_that_a_fault_touches_is_one_during_it() {
    let fault = |healed_us| FaultRecord { fired_us: Some(2_500), healed_us, touched: 1 };
    for (healed_us, second, part, reason) in [
        (Some(3_100), 0..1_000, FaultPart::Before, "long before"),
        (Some(3_100), 1_500..2_500, FaultPart::Before, "it ends where the fault begins"),
        (Some(3_100), 2_000..3_000, FaultPart::During, "it begins in it"),
        (Some(3_100), 3_000..4_000, FaultPart::During, "it ends in it"),
        (Some(3_100), 3_100..4_100, FaultPart::After, "it was over"),
        (None, 9_000..9_999, FaultPart::During, "it never ended"),
    ] {
        assert_eq!(part_of(&fault(healed_us), second.start, second.end), Some(part), "{reason}");
    }
    assert_eq!(part_of(&FaultRecord::default(), 0, 1), None, "it never touched anything");
}

#[test]
fn the_deliveries_are_split_by_the_fault() {
    let mut history = History::new();
    let fault = |kind| Fault { kind, at_us: 0, for_us: 0, share: 1.0, settings: FaultSettings::default() };
    history.plan.faults = vec![fault(FaultKind::Pause), fault(FaultKind::Crash)];
    let fired = FaultRecord { fired_us: Some(2_000_000), healed_us: Some(3_000_000), touched: 1 };
    history.record.faults = vec![fired, FaultRecord::default()];
    history.member(2, &[0]);
    history.connected(2, 0);
    history.said(1, 0, 2_500);
    assert_eq!(history.judge().faults[0].delivery_us, None, "nobody measured");
    let measured = |us: u64, times: u64| {
        let mut histogram = new_histogram();
        histogram.record_n(us, times).unwrap();
        histogram
    };
    let parts = [(FaultPart::Before, 1_000), (FaultPart::During, 90_000), (FaultPart::After, 2_000)];
    history.timed.deliveries =
        vec![parts.into_iter().zip(1..).map(|((part, us), n)| (part, measured(us, n))).collect()];
    let summary = history.judge();
    let delivery = summary.faults[0].delivery_us.clone().unwrap();
    let parts = [&delivery.before, &delivery.during, &delivery.after].map(|part| (part.count, part.at_least_count));
    assert_eq!(summary.findings["live_missed"].count, 1);
    assert_eq!(parts, [(1, 0), (2 + 1, 1), (3, 0)], "the push that never came was due during it");
    assert_eq!(summary.faults[1].delivery_us, None, "it never touched anything");
}

#[test]
fn the_way_back_from_a_fault_is_counted() {
    let mut history = History::new();
    let fault = |kind| Fault { kind, at_us: 0, for_us: 0, share: 1.0, settings: FaultSettings::default() };
    history.plan.faults = vec![fault(FaultKind::Deploy), fault(FaultKind::Pause), fault(FaultKind::Disconnect)];
    let during = FaultRecord { fired_us: Some(2_000_000), healed_us: Some(3_000_000), touched: 3 };
    history.record.faults = vec![during, FaultRecord::default(), during];
    history.send(1, 0, 1_000).attempts(3).acked(1_999, 1);
    history.send(1, 0, 1_500).attempts(2).acked(2_500, 2);
    history.send(1, 0, 2_500).attempts(4).unknown(9_000);
    history.send(1, 0, 3_000).attempts(5).acked(3_020, 3);
    for (user, lost_ms, back_ms) in [(1, 1_999, 2_100), (2, 2_000, 2_200), (3, 2_900, 3_400), (4, 13_000, 13_100)] {
        history.listening(user, &[1]);
        history.disconnected(user, lost_ms);
        history.connected(user, back_ms);
    }
    history.page(2, 1, 2_300).more();
    history.page(2, 1, 2_999).more();
    history.page(3, 1, 3_500).more();
    history.page(3, 1, 80_000).by_drain().more();
    history.page(1, 1, 2_300).more();
    history.send(1, 0, 2_600).unattempted();
    let faults = history.judge().faults;
    let expected = FaultRecovery {
        sends: 2,
        retries: 4,
        failed_sends: 1,
        sockets: Some(SocketRecovery {
            moved: 2,
            reconnected_us: Some(1_400_000),
            caught_up_us: Some(1_500_000),
            pages: 3,
            pages_in_worst_second: 2,
        }),
    };
    assert_eq!(faults[0].recovery.as_ref(), Some(&expected), "not who moved before, nor long after, nor the drain");
    assert_eq!((&faults[1].recovery, &faults[2].recovery), (&None, &None), "never hit; no fault of a process");
    for design in [ReceiveDesign::WsHint, ReceiveDesign::Poll, ReceiveDesign::Webhook] {
        history.plan.receive.design = design;
        let recovery = history.judge().faults[0].recovery.clone();
        assert_eq!(recovery.map(|recovery| recovery.sockets), Some(None), "{design:?}: the ledger knows no sockets");
    }
}

#[test]
fn sends_and_pages_of_the_way_back_at_its_edges() {
    let mut history = History::new();
    let settings = FaultSettings::default();
    history.plan.faults = vec![Fault { kind: FaultKind::Deploy, at_us: 0, for_us: 0, share: 1.0, settings }];
    history.record.faults = vec![FaultRecord { fired_us: Some(2_300_000), healed_us: Some(3_000_000), touched: 1 }];
    history.send(1, 0, 1_000).acked(2_300, 1);
    history.send(1, 0, 2_400).acked(2_450, 2);
    history.send(1, 0, 2_500).written(2_501);
    history.send(1, 0, 2_600).rejected(2_601);
    history.listening(2, &[1]);
    history.disconnected(2, 2_400);
    history.connected(2, 2_500);
    // In the first second of the fault, and in its second one.
    history.page(2, 1, 3_200).more();
    history.page(2, 1, 3_400).more();
    let recovery = history.judge().faults[0].recovery.clone().expect("a fault of a process");
    assert_eq!((recovery.sends, recovery.failed_sends), (4, 1), "one ended as it began, and what was refused failed");
    let sockets = recovery.sockets.expect("it has some");
    assert_eq!((sockets.pages, sockets.pages_in_worst_second), (2, 1));
}
