//! Order in the store, and order and copies of pushes.

use super::history::{History, row};
use super::{check, part};
use crate::ledger::{HistoryRow, RowText};

#[test]
fn sender_order() {
    let summary = check("stored before what had been acknowledged", &[("sender_order", 1)], |h| {
        let first = h.send(1, 0, 1_000).acked(1_010, 2_000);
        h.stored(first, 2_000);
        let second = h.send(1, 0, 1_011).acked(1_020, 1_500);
        h.stored(second, 1_500);
    });
    let finding = &summary.findings["sender_order"];
    assert_eq!((finding.of, finding.examples[0].index), (2, Some(1)), "the later message stands too early");

    let order = |sender: u32, channel: u32, sent_ms: u64| {
        move |h: &mut History| {
            let first = h.send(1, 0, 1_000).acked(1_010, 2_000);
            h.stored(first, 2_000);
            let second = h.send(sender, channel, sent_ms).acked(sent_ms + 10, 1_500);
            h.stored(second, 1_500);
        }
    };
    check("sent at the acknowledgement is not after it", &[], order(1, 0, 1_010));
    check("pipelined: sent before the acknowledgement", &[], order(1, 0, 1_005));
    check("another sender", &[], order(2, 0, 1_011));
    check("another channel", &[], order(1, 1, 1_011));
    let summary = check("a target that does not promise it", &[("sender_order", 1)], |h| {
        h.plan.capabilities.sender_order = false;
        order(1, 0, 1_011)(h);
    });
    assert_eq!(summary.exit_code, 0);
    check("one late position, and each message after it stands before it", &[("sender_order", 2)], |h| {
        let late = h.send(1, 0, 1_000).acked(1_010, 9_000);
        h.stored(late, 9_000);
        h.said(1, 0, 2_000);
        h.said(1, 0, 3_000);
    });
    check("at the same position there is no order", &[], |h| {
        let first = h.send(1, 0, 1_000).acked(1_010, 2_000);
        h.stored(first, 2_000);
        let second = h.send(1, 0, 1_011).acked_as(1_020, Some(2_000), "b");
        for number in [1, 2] {
            h.row(number, 0, HistoryRow { server_id: "b".into(), ..row(2_000, Some(second), RowText::Intact) });
        }
    });
    check("a refused message that is stored has one finding", &[("rejected_stored", 1)], |h| {
        h.said(1, 0, 3_000);
        let refused = h.send(1, 0, 4_000).rejected(4_010);
        h.stored(refused, 2_000);
    });
    check("the first of two copies counts", &[("store_duplicates", 1)], |h| {
        let first = h.send(1, 0, 1_000).attempts(2).acked(1_010, 1_000);
        h.stored(first, 1_000);
        h.stored(first, 5_000);
        h.said(1, 0, 2_000);
    });
}

#[test]
fn live_duplicates() {
    let summary = check("a copy on one connection, and two after a reconnect", &[("live_duplicates", 3)], |h| {
        h.member(50, &[0]);
        let message = h.said(1, 0, 1_000);
        let other = h.said(1, 0, 2_000);
        h.connected(50, 0);
        h.pushed(50, message);
        h.pushed(50, message);
        h.pushed(50, other);
        h.disconnected(50, 30_000);
        h.connected(50, 31_000);
        h.pushed(50, message);
        h.pushed(50, message);
    });
    let parts = ["same_connection", "across_reconnect"].map(|name| part(&summary, "live_duplicates", name));
    assert_eq!(parts, [2, 1], "the second copy after the reconnect is one of its own connection");
    assert_eq!(summary.findings["live_duplicates"].of, 5);
    assert_eq!((summary.findings["live_duplicates"].examples.len(), summary.exit_code), (3, 0));
    check("a push after a catch-up is no duplicate push", &[], |h| {
        h.listening(50, &[0]);
        let message = h.said(1, 0, 1_000);
        h.page(50, 0, 1_500).shows(&[message]).end();
        h.pushed(50, message);
    });
}

#[test]
fn live_reordered() {
    let reordered = |h: &mut History| {
        h.listening(50, &[0]);
        let messages = [1_000, 2_000, 3_000, 4_000].map(|at_ms| h.said(1, 0, at_ms));
        for rank in [0, 3, 2, 1] {
            h.pushed_as(50, messages[rank], Some((rank as u64 + 1) * 1_000));
        }
    };
    let summary = check("behind the running maximum", &[("live_reordered", 2)], reordered);
    assert_eq!(part(&summary, "live_reordered", "largest_displacement"), 2);
    assert_eq!((summary.findings["live_reordered"].of, summary.exit_code), (4, 97));
    let summary = check("a target that promises no order", &[("live_reordered", 2)], |h| {
        h.plan.capabilities.live_order = false;
        reordered(h);
    });
    assert_eq!(summary.exit_code, 0);
}
