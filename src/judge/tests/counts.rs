//! The ledger's counts, its identities, and what is counted a second.

use super::history::History;
use crate::judge::{CountedRates, LedgerCounts, Rates, SendSummary};
use crate::ledger::{ConnectionEnd, WorkerFigures};
use crate::plan::{Phase, PhaseKind};

#[test]
fn what_a_target_carries_is_counted_by_when_it_was_done() {
    let mut h = History::new();
    h.record.load_start_us = 0;
    h.record.load_end_us = 10_000_000;
    h.plan.arrival.phases = [(PhaseKind::WarmUp, 2), (PhaseKind::Steady, 8)]
        .map(|(kind, seconds)| Phase { kind, duration_us: seconds * 1_000_000, rate_from: 1.0, rate_to: 1.0 })
        .into();
    for (at_ms, done_ms) in [
        // In the warm-up; intended in it, and done after it; in time; late, and in
        // time; after the end of the load; never.
        (500, Some(600)),
        (1_900, Some(2_100)),
        (3_000, Some(3_010)),
        (4_000, Some(9_999)),
        (5_000, Some(10_500)),
        (6_000, None),
    ] {
        let sending = h.send(1, 0, at_ms);
        match done_ms {
            Some(done_ms) => sending.acked(done_ms, at_ms),
            None => sending.unknown(at_ms + 50),
        };
    }
    h.send(2, 0, 7_000).written(7_001);
    let counted = h.judge().rates.counted;
    let expected =
        CountedRates { seconds: 8.0, offered_per_s: 5.0 / 8.0, achieved_per_s: 4.0 / 8.0, goodput: Some(0.8) };
    assert_eq!(counted, expected);
}

#[test]
fn every_count_of_the_ledger() {
    let mut h = History::new();
    h.listening(50, &[0]);
    h.member(51, &[0]);
    h.connected(51, 0);
    h.disconnected(51, 500);
    let [live, healed, passed_over] = [1_000, 2_000, 3_000].map(|at_ms| h.said(1, 0, at_ms));
    let retried = h.send(1, 0, 4_000).attempts(3).acked(4_010, 4_000);
    h.stored(retried, 4_000);
    h.send(2, 1, 5_000).rejected(5_010);
    h.send(2, 1, 5_100).attempts(2).unknown(5_200);
    h.send(2, 1, 5_300).written(5_310);
    h.send(2, 1, 5_400).unattempted();
    h.send(2, 1, 5_500).under_way();
    for message in [live, healed, passed_over, live] {
        h.pushed(50, message);
    }
    // It stops reading for a while on the same connection, and reconnects.
    let log = &mut h.ledger.subscribers[0];
    log.disconnected(6_000_000, ConnectionEnd::StoppedReading);
    log.reads_again(6_500_000);
    log.disconnected(7_000_000, ConnectionEnd::Lost);
    log.connected(7_500_000);
    // The other one reads two of four, past a third, and not as far as a fourth.
    h.page(51, 0, 3_500).shows(&[live, healed]).more();
    h.ledger.subscribers[1].window_mut(live.channel).expect("a member").cursor = Some(crate::model::Position(3_000));
    h.page(51, 0, 3_600).more();
    let expected = LedgerCounts {
        intended: 9,
        acknowledged: 4,
        rejected: 1,
        unknown: 2,
        written: 1,
        unattempted: 1,
        stored: 4,
        entitled_deliveries: 8,
        live_deliveries: 3,
        healed: 2,
        unhealed: 1,
        unresolved: 2,
        attempts: 3 + 3 + 1 + 2 + 1,
        retries: 2 + 1,
        subscribers: 2,
        connections: 3,
        message_frames: 4,
        catch_up_pages: 2,
    };
    let summary = h.judge();
    assert_eq!(summary.ledger, expected, "an attempt under way has no number yet");
    assert!(!summary.correctness.reasons.iter().any(|reason| reason.contains("add up")));
}

#[test]
fn a_run_that_ended_early_need_not_have_intended_all() {
    for (end, reason) in [
        ((|h| h.record.interrupted = true) as fn(&mut History), "interrupted"),
        (|h| h.record.killed = true, "killed"),
        (|h| h.record.stopped = Some("no answer".to_owned()), "stopped"),
    ] {
        let mut h = History::new();
        h.said(1, 0, 1_000);
        h.record.scheduled = 2;
        let adds_up = |h: &History| !h.judge().correctness.reasons.iter().any(|reason| reason.contains("add up"));
        assert!(!adds_up(&h), "one of two is missing");
        end(&mut h);
        assert!(adds_up(&h), "{reason}");
    }
}

#[test]
fn without_a_load_nothing_is_counted_a_second() {
    let mut h = History::new();
    h.said(1, 0, 1_000);
    h.record.load_end_us = h.record.load_start_us;
    assert_eq!(h.judge().rates, Rates::default());
    let counted = History::new().judge().rates.counted;
    assert_eq!((counted.seconds, counted.goodput), (60.0, None), "of nothing, nothing is carried or not");
}

/// Worst is what was shown as sent and is stored nowhere: its user will not
/// send it again.
#[test]
fn what_users_were_shown_against_what_is_stored() {
    let mut h = History::new();
    h.said(1, 0, 1_000);
    h.send(1, 0, 2_000).acked(2_010, 2_000);
    h.send(1, 0, 3_000).written(3_000);
    let written = h.send(1, 0, 4_000).written(4_000);
    h.stored(written, 4_000);
    let unknown = h.send(1, 0, 5_000).unknown(5_010);
    h.stored(unknown, 5_000);
    h.send(1, 0, 6_000).rejected(6_010);
    h.send(1, 0, 7_000).unattempted();
    h.said(2, 1, 8_000);
    h.send(2, 1, 9_000).acked(9_010, 9_000);
    h.record.generator.workers = vec![WorkerFigures { taps: 2, ..WorkerFigures::default() }; 2];
    let expected = SendSummary {
        design: "http".to_owned(),
        shown_sent: 6,
        shown_sent_absent: Some(3),
        shown_failed: 3,
        shown_failed_stored: Some(1),
        taps: 4,
    };
    assert_eq!(h.judge().sends, expected);
    h.truncated(1, 9_500);
    assert_eq!(h.judge().sends.shown_sent_absent, Some(2), "what the target declares truncated is not absent");
    h.failed_read(1, 1);
    assert_eq!(h.judge().sends.shown_sent_absent, Some(2), "what channel 1 stores is not known");
    h.without_final_reads();
    let sends = h.judge().sends;
    assert_eq!((sends.shown_sent_absent, sends.shown_failed_stored), (None, None), "nothing is");
}

#[test]
fn what_was_written_is_achieved_where_nothing_is_acknowledged() {
    let mut h = History::new();
    h.said(1, 0, 1_000);
    h.send(1, 0, 2_000).written(2_000);
    h.send(1, 0, 3_000).unknown(3_010);
    let rates = h.judge().rates;
    assert_eq!((rates.offered_per_s, rates.achieved_per_s), (3.0 / 60.0, 2.0 / 60.0));
}
