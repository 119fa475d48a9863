//! What comes of thresholds.

use super::history::History;
use crate::judge::{is_of, times_of};
use crate::ledger::{FaultRecord, Latencies, TargetFigures};
use crate::model::LatencyKind;
use crate::plan::{During, Fault, FaultKind, FaultSettings, LEDGER_FIELDS, Positions};
use std::collections::BTreeSet;

/// Ten messages pushed to one subscriber; two more were never acknowledged and
/// gave up after 30 s. 1,000 catch-ups took 5 ms each.
fn history() -> History {
    let mut history = History::new();
    history.listening(50, &[0]);
    for at_ms in 1..=10 {
        let message = history.said(1, 0, at_ms * 1_000);
        history.pushed(50, message);
    }
    history.send(1, 0, 20_000).unknown(50_000);
    history.send(1, 0, 20_000).unknown(50_000);
    history.send(1, 0, 20_000).unattempted();
    history.plan.measurement.achieved_share = 0.5;
    history.latencies.histogram_mut(LatencyKind::Heal).record_n(5_000, 1_000).unwrap();
    history
}

#[test]
fn a_threshold_passes_breaks_or_has_no_data() {
    for (expr, passed, shown, reason) in [
        ("heal.p99 < 6ms", Some(true), "5.00 ms", "enough samples"),
        ("heal.p99 < 5ms", Some(false), "5.00 ms", "not less"),
        ("heal.p99 <= 5.003ms", Some(true), "5.00 ms", "the greatest value of its bucket"),
        ("heal.p99.9 < 6ms", None, "no data: 1,000 samples, and 3,688 are needed", "too few for this quantile"),
        ("notice.max < 1s", None, "no data: 0 samples, and 1 are needed", "no sample at all"),
        ("ack.p50 < 1s", Some(true), "10.0 ms", "below every bound"),
        ("ack.max < 60s", None, "≥ 30.0 s", "it may be longer"),
        ("ack.max < 20s", Some(false), "≥ 30.0 s", "longer still would break it too"),
        ("ack.max > 20s", Some(true), "≥ 30.0 s", "longer still would hold too"),
        ("ack.max > 60s", None, "≥ 30.0 s", "it may hold"),
        ("ack.max == 20s", Some(false), "≥ 30.0 s", "it is longer"),
        ("ack.max == 60s", None, "≥ 30.0 s", "it may be"),
        ("findings.acked_lost == 0", Some(true), "0 of 10 acknowledged messages", "nothing is lost"),
        ("findings.unknown_absent < 2", Some(false), "2 of 2 unknown messages", "two are open"),
        ("findings.live_missed.share < 1%", Some(true), "0.000 % (0 of 10 deliveries", "all came"),
        ("findings.rejected_stored.share < 1%", None, "no data: no rejected messages", "of nothing"),
        ("ledger.unattempted <= 1", Some(true), "1", "a count by its name"),
        ("rates.achieved_per_s > 1", Some(false), "0.2", "10 in a minute"),
        ("errors.share < 1%", Some(false), "16.667 % (2 of 12 messages that left)", "what never left is not an error"),
        ("target.cpu_per_message < 1ms", None, "no data: the target's process is not observed", "nobody looked"),
        ("nonsense", None, "not a threshold", "the plan should have refused it"),
    ] {
        let mut history = history();
        history.plan.thresholds = vec![expr.to_owned()];
        let summary = history.judge();
        let outcome = &summary.thresholds[0];
        assert_eq!((outcome.passed, outcome.expr.as_str()), (passed, expr), "{reason}: {}", outcome.shown);
        assert!(outcome.shown.starts_with(shown), "{reason}: {}", outcome.shown);
        let code = match passed {
            Some(true) => 0,
            Some(false) => 99,
            None => 3,
        };
        assert_eq!(summary.exit_code, code, "{expr}: {:?}", summary.correctness.reasons);
    }
}

#[test]
fn a_lower_bound_decides_what_no_greater_value_turns_round() {
    let max_us = history().judge().latency_us["ack"].max.expect("there are samples");
    for (op, value_us, passed, reason) in [
        ("<", max_us, Some(false), "it is no less, however long"),
        ("<=", max_us, None, "it may be as long, or longer"),
        (">=", max_us, Some(true), "as long at least"),
        (">", max_us, None, "it may be longer"),
        ("==", max_us, None, "it may be just so long"),
        ("==", max_us - 1, Some(false), "it is longer"),
        ("!=", max_us, None, "it may be just so long"),
        ("!=", max_us - 1, Some(true), "it is longer"),
        ("!=", max_us + 1, None, "it may be a bit longer"),
    ] {
        let mut history = history();
        history.plan.thresholds = vec![format!("ack.max {op} {value_us}us")];
        assert_eq!(history.judge().thresholds[0].passed, passed, "{op}: {reason}");
    }
}

#[test]
fn withheld_latencies_decide_nothing_and_counts_still_do() {
    let mut history = history();
    history.record.generator.throttled = 1;
    history.plan.thresholds = vec!["heal.p99 < 1ms".to_owned(), "findings.acked_lost == 0".to_owned()];
    let summary = history.judge();
    assert_eq!(summary.thresholds.iter().map(|outcome| outcome.passed).collect::<Vec<_>>(), [None, Some(true)]);
    assert_eq!((summary.thresholds[0].value.is_some(), summary.exit_code), (true, 3), "printed, and barred");
    assert!(summary.thresholds[0].shown.contains("withheld"), "{}", summary.thresholds[0].shown);
    history.plan.thresholds.remove(0);
    assert_eq!(history.judge().exit_code, 0, "no latency was asked for");
    history.send(1, 0, 21_000).acked(21_010, 21_000);
    assert_eq!(history.judge().exit_code, 97, "a proven loss holds even when the measurement is not valid");
}

#[test]
fn what_cannot_be_checked_is_never_a_pass() {
    let mut history = history();
    history.plan.capabilities.explicit_membership = false;
    history.plan.thresholds = vec!["findings.leaked == 0".to_owned()];
    let summary = history.judge();
    assert!(summary.thresholds[0].shown.starts_with("not checked: "), "{}", summary.thresholds[0].shown);
    assert_eq!((summary.thresholds[0].passed, summary.exit_code), (None, 3));
}

#[test]
fn what_a_target_does_not_promise_it_cannot_break() {
    let mut history = history();
    history.plan.capabilities.positions = Positions::None;
    let exprs = ["findings.stale_read == 0", "findings.live_reordered.share < 1%", "findings.acked_lost == 0"];
    history.plan.thresholds = exprs.map(str::to_owned).into();
    let summary = history.judge();
    let came: Vec<_> = summary.thresholds.iter().map(|outcome| (outcome.passed, outcome.value)).collect();
    assert_eq!(came, [(Some(true), None), (Some(true), None), (Some(true), Some(0.0))]);
    assert_eq!(summary.thresholds[0].shown, "does not apply: the target has no positions");
    assert_eq!(summary.exit_code, 0);
}

#[test]
fn the_plan_knows_every_count_of_the_ledger() {
    let counts = serde_json::to_value(history().judge().ledger).unwrap();
    let fields: BTreeSet<&str> = counts.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, LEDGER_FIELDS.iter().copied().collect());
}

#[test]
fn a_threshold_may_be_confined_to_faults() {
    let mut base = history();
    let fault = |kind| Fault { kind, at_us: 0, for_us: 0, share: 1.0, settings: FaultSettings::default() };
    let seen = |from_s: u64, to_s: u64| FaultRecord {
        fired_us: Some(from_s * 1_000_000),
        healed_us: Some(to_s * 1_000_000),
        touched: 1,
    };
    base.plan.faults = vec![fault(FaultKind::Crash), fault(FaultKind::Pause), fault(FaultKind::Pause)];
    base.record.faults = vec![seen(1, 3), seen(2, 5), seen(19, 21)];
    let mut of_any = Latencies::default();
    of_any.histogram_mut(LatencyKind::Heal).record_n(80_000, 400).unwrap();
    base.timed.during.insert(During::Any, of_any);
    // Nobody was pushed what was said in the second pause.
    base.said(1, 0, 20_000);
    for (expr, passed, shown, reason) in [
        ("heal.p99 < 6ms", Some(true), "5.00 ms", "of the whole run"),
        ("heal.p99 < 6ms during fault", Some(false), "80.1 ms", "of the faults"),
        ("heal.p99 < 6ms during pause", None, "no data: 0 samples", "nothing was measured during that"),
        ("ack.max < 1s during crash", Some(true), "10.0 ms", "both that were intended from 1 s to 3 s"),
        ("ack.max < 1s during pause", Some(false), "≥ 30.0 s", "two were never acknowledged"),
        ("ack.count >= 1", Some(true), "13 samples", "a count has no time"),
        ("delivery.max < 1s during pause", Some(false), "≥ ", "the push that never came was due then"),
        ("delivery.max < 1s during crash", None, "no data: 0 samples", "it was not due then"),
        ("ack.max < 1s during herd", None, "no data: 0 samples", "there was none"),
    ] {
        base.plan.thresholds = vec![expr.to_owned()];
        let summary = base.judge();
        let outcome = &summary.thresholds[0];
        assert_eq!(outcome.passed, passed, "{reason}: {}", outcome.shown);
        assert!(outcome.shown.starts_with(shown), "{reason}: {}", outcome.shown);
    }
}

#[test]
fn times_of_faults_are_apart_and_clients_come_back_after_them() {
    let mut history = history();
    let fault = |kind| Fault { kind, at_us: 0, for_us: 0, share: 1.0, settings: FaultSettings::default() };
    history.plan.faults = [FaultKind::Pause, FaultKind::Crash, FaultKind::Pause, FaultKind::Herd].map(fault).into();
    let seen = |fired_us, healed_us| FaultRecord { fired_us, healed_us, touched: 1 };
    history.record.faults =
        vec![seen(Some(50), Some(60)), seen(Some(10), Some(20)), seen(Some(20), Some(30)), seen(None, None)];
    let times = |during| times_of(&history.plan, &history.record, during);
    assert_eq!(times(During::Any), [10..30, 50..60]);
    assert_eq!(times(During::Kind(FaultKind::Pause)), [20..30, 50..60]);
    assert!(times(During::Kind(FaultKind::Herd)).is_empty(), "it never hit anything");
    for (kind, start_us, end_us, is_one, reason) in [
        (LatencyKind::Delivery, 0, 10, false, "before"),
        (LatencyKind::Delivery, 0, 11, true, "touches its first µs"),
        (LatencyKind::Delivery, 60, 70, false, "after"),
        (LatencyKind::Heal, 60, 70, true, "comes back"),
        (LatencyKind::Heal, 10_000_060, 10_000_070, false, "too long after"),
    ] {
        assert_eq!(is_of(&times(During::Any), kind, start_us, end_us), is_one, "{reason}");
    }
}

#[test]
fn what_the_target_used_may_be_bounded() {
    let mut history = history();
    history.record.target =
        Some(TargetFigures { cpu_us: 25_000, rss_max_bytes: Some(80_000_000), ..TargetFigures::default() });
    for (expr, passed, shown) in [
        ("target.cpu_per_message < 3ms", Some(true), "2.50 ms a message (0.03 s for 10)"),
        ("target.cpu_per_message < 2ms", Some(false), "2.50 ms a message"),
        ("target.rss_max <= 80MB", Some(true), "80.0 MB"),
    ] {
        history.plan.thresholds = vec![expr.to_owned()];
        let outcome = history.judge().thresholds.remove(0);
        assert_eq!(outcome.passed, passed, "{expr}: {}", outcome.shown);
        assert!(outcome.shown.starts_with(shown), "{expr}: {}", outcome.shown);
    }
    history.send(1, 0, 30_000).written(30_001);
    assert!(history.judge().thresholds[0].shown.starts_with("80.0 MB"));
    history.plan.thresholds = vec!["target.cpu_per_message < 3ms".to_owned()];
    let shown = history.judge().thresholds.remove(0).shown;
    assert!(shown.ends_with("for 11)"), "what was written was taken too: {shown}");
    history.record.target = Some(TargetFigures { failure: Some("it is gone".to_owned()), ..TargetFigures::default() });
    let outcome = history.judge().thresholds.remove(0);
    assert_eq!((outcome.passed, outcome.shown.as_str()), (None, "no data: it is gone"));
}
