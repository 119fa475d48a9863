//! The ledger's counts, its identities, and what is counted a second.

use super::history::History;
use crate::judge::{LedgerCounts, Rates};
use crate::ledger::ConnectionEnd;

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
}
