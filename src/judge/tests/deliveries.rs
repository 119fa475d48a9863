//! What became of deliveries.

use super::history::History;
use super::{check, part};
use crate::model::{ChannelId, Position};

/// `live + healed + unhealed + unresolved`, beside `entitled`.
fn ends(history: &History) -> (u64, [u64; 4]) {
    let ledger = history.judge().ledger;
    (ledger.entitled_deliveries, [ledger.live_deliveries, ledger.healed, ledger.unhealed, ledger.unresolved])
}

#[test]
fn a_dropped_push_is_missed_and_heals() {
    let dropped = |h: &mut History| {
        h.listening(50, &[0]);
        let first = h.said(1, 0, 1_000);
        let second = h.said(1, 0, 2_000);
        h.pushed(50, second);
        (first, second)
    };
    let summary = check("by the drain", &[("healed", 1), ("live_missed", 1)], |h| {
        let (first, second) = dropped(h);
        h.page(50, 0, 92_000).by_drain().shows(&[first, second]).end();
    });
    let split = ["away", "missed", "by_policy", "by_drain_only"].map(|name| part(&summary, "healed", name));
    assert_eq!(split, [0, 1, 0, 1]);
    assert_eq!((summary.findings["live_missed"].of, summary.findings["healed"].of), (2, 2));
    assert_eq!(summary.exit_code, 0, "a hint may be lost");
    let summary = check("by its own policy, and by the drain again", &[("healed", 1), ("live_missed", 1)], |h| {
        let (first, second) = dropped(h);
        h.page(50, 0, 20_000).shows(&[first, second]).end();
        h.page(50, 0, 92_000).by_drain().shows(&[first, second]).end();
    });
    assert_eq!((part(&summary, "healed", "by_policy"), part(&summary, "healed", "by_drain_only")), (1, 0));
    check("a catch-up reached past it", &[("live_missed", 1), ("unhealed", 1)], |h| {
        let (_, second) = dropped(h);
        h.page(50, 0, 92_000).by_drain().shows(&[second]).end();
    });
    check("no catch-up ended", &[("live_missed", 1), ("unresolved", 1)], |h| {
        dropped(h);
    });
}

#[test]
fn sent_while_away_is_not_missed() {
    let away = |h: &mut History| {
        h.member(50, &[0]);
        h.connected(50, 0);
        h.disconnected(50, 10_000);
        let message = h.said(1, 0, 15_000);
        h.connected(50, 20_000);
        message
    };
    let summary = check("healed by policy", &[("healed", 1)], |h| {
        let message = away(h);
        h.page(50, 0, 20_100).shows(&[message]).end();
    });
    assert_eq!((part(&summary, "healed", "away"), summary.findings["live_missed"].of), (1, 0));
    check("history skipped it", &[("unhealed", 1)], |h| {
        away(h);
        h.page(50, 0, 20_100).end();
    });
    let summary = check("never caught up", &[("unresolved", 1)], |h| {
        away(h);
    });
    assert_eq!(summary.exit_code, 3, "catch-up was not shown to work");
}

const UNHEALED: &[(&str, u64)] = &[("unhealed", 1)];
const UNRESOLVED: &[(&str, u64)] = &[("unresolved", 1)];

/// A member that is never connected, and what else happens.
fn unconnected(reason: &str, expected: &[(&str, u64)], tell: fn(&mut History)) {
    check(reason, expected, |h| {
        h.member(50, &[0]);
        tell(h);
    });
}

#[test]
fn where_a_catch_up_reached() {
    // Acknowledged at 1,010 ms.
    unconnected("the last page was asked for at the acknowledgement", UNRESOLVED, |h| {
        h.said(1, 0, 1_000);
        h.page(50, 0, 1_010).end();
    });
    unconnected("strictly later", UNHEALED, |h| {
        h.said(1, 0, 1_000);
        h.page(50, 0, 1_011).end();
    });
    unconnected("not to the end, and not past its position", UNRESOLVED, |h| {
        h.said(1, 0, 1_000);
        h.page(50, 0, 5_000).more();
    });
    unconnected("not to the end, and the cursor is past it", &[("healed", 1), ("unhealed", 1)], |h| {
        h.said(1, 0, 1_000);
        let second = h.said(1, 0, 2_000);
        h.page(50, 0, 5_000).shows(&[second]).more();
    });
    unconnected("not to the end, and the cursor is at its position", UNHEALED, |h| {
        h.said(1, 0, 1_000);
        h.ledger.subscribers[0].window_mut(ChannelId(0)).unwrap().cursor = Some(Position(1_000));
    });
    unconnected("the cursor is just before it", UNRESOLVED, |h| {
        h.said(1, 0, 1_000);
        h.ledger.subscribers[0].window_mut(ChannelId(0)).unwrap().cursor = Some(Position(999));
    });
    unconnected("truncated by the target's own word", &[], |h| {
        h.said(1, 0, 1_000);
        h.truncated(0, 2_000);
        h.page(50, 0, 5_000).end();
    });
}

#[test]
fn from_when_on_a_read_must_show_a_message() {
    let lag = &[("stale_read", 1), ("unresolved", 1)];
    unconnected("a declared lag of a target that promises no read after acknowledgement", lag, |h| {
        (h.plan.capabilities.read_after_ack, h.plan.capabilities.lag_us) = (false, 500_000);
        h.said(1, 0, 1_000);
        h.page(50, 0, 1_510).end();
    });
    unconnected("past that lag", UNHEALED, |h| {
        (h.plan.capabilities.read_after_ack, h.plan.capabilities.lag_us) = (false, 500_000);
        h.said(1, 0, 1_000);
        h.page(50, 0, 1_511).end();
    });
    let early = &[("unknown_stored", 1), ("unresolved", 1)];
    unconnected("unknown but stored, read before a final read had shown it", early, |h| {
        let message = h.send(1, 0, 1_000).unknown(31_000);
        h.stored(message, 80_000);
        h.page(50, 0, 90_100).by_drain().end();
    });
    unconnected("read after the final read that showed it", &[("unhealed", 1), ("unknown_stored", 1)], |h| {
        let message = h.send(1, 0, 1_000).unknown(31_000);
        h.stored(message, 80_000);
        h.page(50, 0, 90_101).by_drain().end();
    });
    unconnected("a read before it was shown may have come too early", early, |h| {
        let message = h.send(1, 0, 1_000).unknown(89_000);
        h.stored_in(2, message, 94_000);
        h.page(50, 0, 94_900).by_drain().end();
    });
}

#[test]
fn the_edges_of_a_live_interval() {
    // One connection from 10 s to 20 s; the margin is 1 s. The message is sent
    // and acknowledged as given, and never pushed.
    for (first_byte_ms, acknowledged_ms, missed, reason) in [
        (10_000, 10_010, 1, "from the confirmed subscription"),
        (9_999, 10_010, 0, "in flight when it began: optional"),
        (12_000, 19_000, 1, "a whole margin before the end"),
        (12_000, 19_001, 0, "what may sit in a kernel buffer at the close is no miss"),
        (9_000, 25_000, 0, "in flight all the time"),
        (9_000, 19_000, 0, "in flight when it began, and acknowledged a whole margin before the end"),
        (25_000, 25_010, 0, "after it"),
        (1_000, 1_010, 0, "before it"),
    ] {
        let mut history = History::new();
        history.member(50, &[0]);
        history.connected(50, 10_000);
        history.disconnected(50, 20_000);
        let message = history.send(1, 0, 500).leaving(first_byte_ms).acked(acknowledged_ms, 500);
        history.stored(message, 500);
        let finding = history.judge().findings["live_missed"].clone();
        assert_eq!((finding.count, finding.of), (missed, missed), "{reason}");
    }
}

#[test]
fn a_connection_whose_end_nobody_noticed_ends_where_the_next_begins() {
    let mut history = History::new();
    history.listening(50, &[0]);
    history.connected(50, 10_000);
    for at_ms in [5_000, 9_500, 15_000] {
        history.said(1, 0, at_ms);
    }
    let finding = history.judge().findings["live_missed"].clone();
    assert_eq!((finding.count, finding.of), (2, 2), "the second lies within the margin, the third in one interval");
}

#[test]
fn the_count_of_what_should_have_come_is_that_of_each_message() {
    // Messages of many lengths against connections of many lengths: the sum by
    // prefix counts equals the sum of single decisions.
    let mut history = History::new();
    for rank in 0..200u64 {
        let first_byte_ms = 97 * rank;
        let message =
            history.send(1, 0, 0).leaving(first_byte_ms).acked(first_byte_ms + (rank * rank * 31) % 6_000, rank);
        history.stored(message, rank);
    }
    history.member(50, &[0]);
    for (armed_ms, noticed_ms) in [(0, 500), (700, 3_000), (3_100, 4_200), (4_200, 9_000), (9_500, 30_000)] {
        history.connected(50, armed_ms);
        history.disconnected(50, noticed_ms);
    }
    let finding = history.judge().findings["live_missed"].clone();
    assert_eq!(finding.count, finding.of, "nothing was pushed: all that should have come is missed");
    assert!((100..200).contains(&finding.of), "{}", finding.of);
}

#[test]
fn the_senders_own_echo() {
    let own = |own_push: bool| {
        let mut history = History::new();
        history.plan.capabilities.own_push = own_push;
        history.listening(1, &[0]);
        let own = history.said(1, 0, 1_000);
        let other = history.said(2, 0, 2_000);
        history.pushed(1, other);
        if own_push {
            history.page(1, 0, 92_000).by_drain().shows(&[own, other]).end();
        }
        (ends(&history), history.judge().findings["live_missed"].of)
    };
    assert_eq!(own(true), ((2, [1, 1, 0, 0]), 2), "a subscriber like every other");
    assert_eq!(own(false), ((1, [1, 0, 0, 0]), 1), "not entitled to its own");
    let mut history = History::new();
    history.plan.capabilities.own_push = false;
    history.listening(1, &[0]);
    let message = history.said(1, 0, 1_000);
    history.pushed(1, message);
    assert_eq!(ends(&history), (0, [0; 4]), "an echo that nobody is entitled to is not counted as live");
}

#[test]
fn only_members_are_entitled_and_each_channel_counts() {
    let mut history = History::new();
    history.listening(50, &[0, 1]);
    history.listening(51, &[1]);
    history.member(52, &[2]);
    for channel in [0, 1, 3] {
        let message = history.said(1, channel, 1_000);
        for user in [50, 51] {
            if channel == 1 || (user, channel) == (50, 0) {
                history.pushed(user, message);
            }
        }
    }
    assert_eq!(ends(&history), (3, [3, 0, 0, 0]));
    history.failed_read(1, 1);
    assert_eq!(ends(&history), (1, [1, 0, 0, 0]), "what channel 1 stores is not known");
}

#[test]
fn unknown_but_stored_counts_for_members_and_is_never_missed() {
    let summary = check("pushed to one of two", &[("healed", 1), ("unknown_stored", 1)], |h| {
        h.listening(50, &[0]);
        h.listening(51, &[0]);
        let message = h.send(1, 0, 1_000).unknown(31_000);
        h.stored(message, 1_500);
        h.pushed(50, message);
        h.page(51, 0, 92_000).by_drain().shows(&[message]).end();
    });
    assert_eq!((summary.ledger.entitled_deliveries, summary.findings["live_missed"].of), (2, 0));
}

#[test]
fn a_mangled_row_was_obtained_all_the_same() {
    let summary = check("read by its id", &[("corrupt", 1), ("healed", 1), ("live_missed", 1)], |h| {
        h.listening(50, &[0]);
        h.said(1, 0, 2_000);
        h.page(50, 0, 20_000).unrecognised("2000").end();
    });
    assert_eq!(part(&summary, "healed", "by_policy"), 1);
}
