//! Members who leave a channel and join it again.

use super::check;
use super::history::History;
use crate::ledger::Absence;
use crate::model::{ChannelId, MessageRef};

/// Subscriber 50 is away from channel 0: it asks to leave at 10.0 s and is
/// answered at 10.1 s, asks to join at 20.0 s and is answered at 20.1 s.
fn away(h: &mut History) {
    h.listening(50, &[0]);
    let log = h.ledger.subscribers.iter_mut().find(|log| log.user.0 == 50).expect("it listens");
    log.absences.push(Absence {
        channel: ChannelId(0),
        leaving_us: 10_000_000,
        left_us: Some(10_100_000),
        joining_us: Some(20_000_000),
        joined_us: Some(20_100_000),
    });
}

/// A message with its first byte and its acknowledgement.
fn sent(h: &mut History, first_byte_ms: u64, acknowledged_ms: u64) -> MessageRef {
    let message = h.send(1, 0, first_byte_ms).acked(acknowledged_ms, first_byte_ms);
    h.stored(message, first_byte_ms);
    message
}

#[test]
fn the_edges_of_a_membership() {
    const MISSED: &[(&str, u64)] = &[("live_missed", 1), ("unresolved", 1)];
    for (first_byte_ms, acknowledged_ms, expected, reason) in [
        (8_000, 8_010, MISSED, "before it left"),
        (9_500, 9_510, &[("unresolved", 1)][..], "so shortly before that the push was in a buffer"),
        (9_990, 10_000, &[], "acknowledged as the request to leave is written"),
        (9_990, 10_050, &[], "under way while it leaves"),
        (15_000, 15_010, &[], "while it is away"),
        (20_090, 20_110, &[], "under way while it joins"),
        (20_100, 20_110, &[], "sent as the answer to the join arrives"),
        (20_101, 20_110, MISSED, "after it joined"),
    ] {
        check(reason, expected, |h| {
            away(h);
            sent(h, first_byte_ms, acknowledged_ms);
        });
    }
    for (first_byte_ms, reason) in
        [(8_000, "member"), (10_050, "leaving"), (20_050, "joining"), (25_000, "member again")]
    {
        check(reason, &[], |h| {
            away(h);
            let message = sent(h, first_byte_ms, first_byte_ms + 10);
            h.pushed(50, message);
        });
    }
}

#[test]
fn a_push_to_who_has_left_is_a_leak() {
    for (first_byte_ms, acknowledged_ms, leaks, reason) in [
        (10_100, 10_200, 0, "sent as the answer to the leave arrives"),
        (10_101, 10_200, 1, "sent after it"),
        (18_900, 18_990, 1, "acknowledged the declared lag before it asks to join"),
        (18_900, 19_000, 0, "it may be pushed as late as the join"),
        (19_990, 20_050, 0, "under way while it joins"),
    ] {
        let expected = if leaks == 1 { &[("leaked", 1)][..] } else { &[] };
        check(reason, expected, |h| {
            h.plan.capabilities.lag_us = 1_000_000;
            away(h);
            let message = sent(h, first_byte_ms, acknowledged_ms);
            h.pushed(50, message);
        });
    }
    check("read from history meanwhile: a public channel shows it", &[], |h| {
        away(h);
        let message = sent(h, 15_000, 15_010);
        h.page(50, 0, 30_000).shows(&[message]).end();
    });
}

#[test]
fn what_was_never_acknowledged_is_optional_for_who_was_away() {
    for (who_leaves, expected, reason) in [
        (true, &[("unknown_stored", 1)][..], "nobody knows when it was stored"),
        (false, &[("unknown_stored", 1), ("unresolved", 1)], "a member throughout is entitled to it"),
    ] {
        check(reason, expected, |h| {
            if who_leaves {
                away(h)
            } else {
                h.listening(50, &[0])
            }
            let message = h.send(1, 0, 2_000).unknown(3_000);
            h.stored(message, 2_000);
        });
    }
    check("a copy more is one all the same", &[("live_duplicates", 1)], |h| {
        away(h);
        let message = sent(h, 10_050, 10_060);
        h.pushed(50, message);
        h.pushed(50, message);
    });
}

#[test]
fn who_never_comes_back_is_away_to_the_end() {
    check("sent long after it left", &[], |h| {
        away(h);
        let log = h.ledger.subscribers.iter_mut().find(|log| log.user.0 == 50).expect("it listens");
        (log.absences[0].joining_us, log.absences[0].joined_us) = (None, None);
        sent(h, 40_000, 40_010);
    });
    check("and pushed", &[("leaked", 1)], |h| {
        away(h);
        let log = h.ledger.subscribers.iter_mut().find(|log| log.user.0 == 50).expect("it listens");
        (log.absences[0].joining_us, log.absences[0].joined_us) = (None, None);
        let message = sent(h, 40_000, 40_010);
        h.pushed(50, message);
    });
}
