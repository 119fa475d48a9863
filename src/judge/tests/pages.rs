//! Reads that contradict themselves, each other, or an acknowledgement.

use super::history::{History, row};
use super::{check, part};
use crate::ledger::{HistoryRow, RowText};
use crate::model::MessageRef;
use crate::plan::Positions;

#[test]
fn page_anomaly() {
    let summary = check("repeated rows and stuck pages of final reads", &[("page_anomaly", 3)], |h| {
        let first = h.said(1, 0, 1_000);
        let second = h.said(1, 0, 2_000);
        h.repeated(1, first);
        h.repeated(2, second);
        h.stuck(2, 0);
    });
    let split = ["repeated_rows", "stuck_pages", "differing_rows", "order"];
    assert_eq!(split.map(|name| part(&summary, "page_anomaly", name)), [2, 1, 0, 0]);
    let indices = summary.findings["page_anomaly"].examples.iter().map(|example| example.index);
    assert!(indices.eq([Some(0), None, Some(1)]), "a repeated row is a message's, a page nobody's");
    let summary = check("the drain's catch-up reads a quiet channel too", &[("page_anomaly", 3)], |h| {
        h.listening(50, &[0]);
        let message = h.said(1, 0, 1_000);
        h.pushed(50, message);
        h.page(50, 0, 92_000).by_drain().shows(&[message]).repeating(2).stuck().end();
    });
    assert_eq!(split.map(|name| part(&summary, "page_anomaly", name)), [2, 1, 0, 0]);
    check(
        "while others write, a catch-up may see a row twice; pages that lead nowhere it may not",
        &[("page_anomaly", 1)],
        |h| {
            h.listening(50, &[0]);
            let message = h.said(1, 0, 1_000);
            h.pushed(50, message);
            h.page(50, 0, 20_000).shows(&[message]).repeating(2).stuck().end();
        },
    );
    let summary = check("nothing is wrong with them", &[], |h| {
        h.listening(50, &[0]);
        let message = h.said(1, 0, 1_000);
        h.pushed(50, message);
        h.page(50, 0, 20_000).shows(&[message]).end();
        h.page(50, 0, 92_000).by_drain().shows(&[message]).end();
    });
    assert_eq!(summary.findings["page_anomaly"].of, 3, "two rows of final reads, and a page of the drain");
}

/// How many rows the last two final reads do not share.
fn differing(tell: fn(&mut History)) -> u64 {
    let mut history = History::new();
    history.said(1, 0, 1_000);
    tell(&mut history);
    part(&history.judge(), "page_anomaly", "differing_rows")
}

#[test]
fn two_final_reads_differ() {
    for (tell, expected, reason) in [
        ((|_| ()) as fn(&mut History), 0, "the same"),
        (
            |h| {
                let (one, other) = (h.send(1, 0, 2_000).acked(2_010, 2_000), h.send(1, 0, 3_000).acked(3_010, 3_000));
                h.stored_in(1, one, 2_000);
                h.stored_in(2, other, 3_000);
            },
            2,
            "each hides another message, as page edges do",
        ),
        (
            |h| {
                h.row(1, 0, row(5, None, RowText::Unrelated));
            },
            0,
            "a row of somebody else",
        ),
        (
            |h| {
                let message = h.send(1, 0, 2_000).acked(2_010, 2_000);
                h.stored_in(1, message, 2_000);
                h.truncated(0, 2_001);
            },
            0,
            "retention moved on between them",
        ),
        (
            |h| {
                let message = h.send(1, 0, 2_000).acked(2_010, 2_000);
                h.final_read(3, 99_000, 99_100);
                let first = MessageRef { index: 0, ..message };
                h.stored_in(3, first, 1_000);
                h.stored_in(2, message, 2_000);
                h.stored_in(3, message, 2_000);
            },
            0,
            "the last two complete reads are compared",
        ),
    ] {
        assert_eq!(differing(tell), expected, "{reason}");
    }
}

#[test]
fn what_is_acknowledged_between_two_final_reads_may_differ() {
    for (tell, expected, reason) in [
        (
            (|h| {
                let message = h.send(1, 0, 80_000).acked(90_000, 80_000);
                h.stored_in(2, message, 80_000);
            }) as fn(&mut History),
            0,
            "acknowledged when the first had begun: stored behind its back",
        ),
        (
            |h| {
                let message = h.send(1, 0, 80_000).acked(89_999, 80_000);
                h.stored_in(2, message, 80_000);
            },
            1,
            "acknowledged just before the first began",
        ),
        (
            |h| {
                let message = h.send(1, 0, 80_000).acked(95_000, 80_000);
                h.stored_in(1, message, 80_000);
            },
            1,
            "shown, and then not, whenever it was acknowledged",
        ),
    ] {
        assert_eq!(differing(tell), expected, "{reason}");
    }
}

#[test]
fn two_final_reads_in_another_order() {
    let summary = check("another order", &[("page_anomaly", 1)], |h| {
        let messages = [1_000, 2_000, 3_000].map(|at_ms| h.send(1, 0, at_ms).acked(at_ms + 10, at_ms));
        for (number, positions) in [(1, [1_000, 2_000, 3_000]), (2, [1_000, 3_000, 2_900])] {
            for (message, position) in messages.into_iter().zip(positions) {
                let id = ((u64::from(message.index) + 1) * 1_000).to_string().into();
                h.row(number, 0, HistoryRow { server_id: id, ..row(position, Some(message), RowText::Intact) });
            }
        }
    });
    assert_eq!(part(&summary, "page_anomaly", "order"), 1);
    check("a row that is listed twice stands where it stood", &[], |h| {
        let message = h.said(1, 0, 1_000);
        h.stored_in(2, message, 1_000);
    });
}

#[test]
fn point_reads() {
    check("a point read finds what a final read shows", &[], |h| {
        let message = h.said(1, 0, 1_000);
        h.point_read(message, Some(row(1_000, Some(message), RowText::Intact)));
    });
    check("the row is known by its id, wherever it stands", &[], |h| {
        let message = h.said(1, 0, 1_000);
        let elsewhere = HistoryRow { server_id: "1000".into(), ..row(1_500, Some(message), RowText::Intact) };
        h.point_read(message, Some(elsewhere));
    });
    check("altered, and only a point read shows it", &[("corrupt", 1), ("page_anomaly", 1)], |h| {
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.point_read(message, Some(row(1_000, Some(message), RowText::Altered)));
    });
    let both = &[("page_anomaly", 1), ("store_duplicates", 1)];
    check("a further copy that no final read shows", both, |h| {
        let message = h.said(1, 0, 1_000);
        h.point_read(message, Some(row(2_000, Some(message), RowText::Intact)));
    });
    check("a truncated row that a point read still finds", &[], |h| {
        let message = h.send(1, 0, 2_000).acked(2_010, 2_000);
        h.truncated(0, 3_000);
        h.point_read(message, Some(row(2_000, Some(message), RowText::Intact)));
    });
}

/// Three messages, stored at 1,000, 2,000 and 3,000 and acknowledged 10 ms
/// later, all pushed, so that no page is needed.
fn three(h: &mut History) -> [MessageRef; 3] {
    h.listening(50, &[0]);
    [1_000, 2_000, 3_000].map(|at_ms| {
        let message = h.said(1, 0, at_ms);
        h.pushed(50, message);
        message
    })
}

const STALE: &[(&str, u64)] = &[("stale_read", 1)];

/// What a page shows of [`three`].
fn page(reason: &str, expected: &[(&str, u64)], tell: fn(&mut History, [MessageRef; 3])) {
    check(reason, expected, |h| {
        let messages = three(h);
        tell(h, messages);
    });
}

#[test]
fn a_page_is_stale_within_its_extent() {
    page("inside a page's extent", STALE, |h, [first, _, third]| {
        h.page(50, 0, 5_000).shows(&[first, third]).more();
    });
    page("at the acknowledgement is not after it", &[], |h, [first, _, third]| {
        h.page(50, 0, 2_010).shows(&[first, third]).more();
    });
    page("strictly after it", STALE, |h, [first, _, third]| {
        h.page(50, 0, 2_011).shows(&[first, third]).more();
    });
    page("past the last row of a last page", STALE, |h, [first, second, _]| {
        h.page(50, 0, 5_000).shows(&[first, second]).end();
    });
    page("past the last row, and more follows", &[], |h, [first, second, _]| {
        h.page(50, 0, 5_000).shows(&[first, second]).more();
    });
    page("before the first row: an earlier page had it", &[], |h, [_, _, third]| {
        h.page(50, 0, 5_000).shows(&[third]).end();
    });
    page("an empty last page from 2,000 on", STALE, |h, _| {
        h.page(50, 0, 5_000).after(2_000).end();
    });
    page("before the asked bound", &[], |h, _| {
        h.page(50, 0, 5_000).after(3_000).end();
    });
    page("an empty page that is not the last covers nothing", &[], |h, _| {
        h.page(50, 0, 5_000).more();
    });
    page("by its id on the page: mangled, and not stale", &[("corrupt", 1)], |h, [first, _, third]| {
        h.page(50, 0, 5_000).shows(&[first, third]).unrecognised("2000").more();
    });
    let summary = check("twice by one reader is one", STALE, |h| {
        let [first, _, third] = three(h);
        for at_ms in [6_000, 5_000, 7_000] {
            h.page(50, 0, at_ms).shows(&[first, third]).more();
        }
    });
    assert_eq!(summary.findings["stale_read"].examples[0].seen_us, Some(5_000_000), "the first time is the example");
    page("a slow acknowledgement of an earlier position hides no quick one", STALE, |h, [first, ..]| {
        h.ledger.sends[1].acknowledged_us = Some(50_000_000);
        h.page(50, 0, 5_000).shows(&[first]).end();
    });
    page("a row before the asked bound widens nothing", &[], |h, [first, _, third]| {
        h.page(50, 0, 5_000).after(2_000).shows(&[first, third]).end();
    });
    page("only rows before the asked bound, and nothing follows", STALE, |h, [first, ..]| {
        h.page(50, 0, 5_000).after(2_000).shows(&[first]).end();
    });
}

#[test]
fn what_is_no_stale_read() {
    check("not acknowledged at all", &[("unknown_stored", 1)], |h| {
        let [first, second, third] = three(h);
        let message = h.send(2, 0, 2_400).unknown(2_500);
        h.stored(message, 2_500);
        h.pushed(50, message);
        h.page(50, 0, 5_000).shows(&[first, second, third]).end();
    });
    let unhealed = &[("live_missed", 1), ("unhealed", 1)];
    let summary = check("what catch-up never brought is unhealed, and not stale too", unhealed, |h| {
        h.listening(50, &[0]);
        let [first, _, third] = [1_000, 2_000, 3_000].map(|at_ms| h.said(1, 0, at_ms));
        h.pushed(50, first);
        h.pushed(50, third);
        h.page(50, 0, 5_000).shows(&[first, third]).end();
    });
    assert_eq!(summary.findings["stale_read"].of, 1, "it lay within the page all the same");
    let summary = check("without the promise it is information", STALE, |h| {
        h.plan.capabilities.read_after_ack = false;
        let [first, _, third] = three(h);
        h.page(50, 0, 5_000).shows(&[first, third]).more();
    });
    assert_eq!(summary.exit_code, 0);
    let late = &[("healed", 1), ("live_missed", 1), ("stale_read", 1)];
    check("a row that appears later heals, and the early page was stale", late, |h| {
        h.listening(50, &[0]);
        let [first, second, third] = [1_000, 2_000, 3_000].map(|at_ms| h.said(1, 0, at_ms));
        h.pushed(50, first);
        h.pushed(50, third);
        h.page(50, 0, 5_000).shows(&[first, third]).end();
        h.page(50, 0, 92_000).by_drain().shows(&[first, second, third]).end();
    });
}

#[test]
fn without_positions_no_read_is_stale() {
    for (positions, reason) in [
        (Positions::Coarse, "two messages of the target may have one position"),
        (Positions::None, "the target has no positions"),
    ] {
        let summary = check(reason, &[], |h| {
            h.plan.capabilities.positions = positions;
            let [first, _, third] = three(h);
            h.page(50, 0, 5_000).shows(&[first, third]).more();
        });
        let finding = &summary.findings["stale_read"];
        assert_eq!((finding.checked, finding.unchecked_because.as_deref()), (false, Some(reason)));
    }
}

#[test]
fn the_order_of_point_reads_does_not_show() {
    let judged = |positions: [u64; 2]| {
        let mut h = History::new();
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        for position in positions {
            h.point_read(message, Some(row(position, Some(message), RowText::Intact)));
        }
        h.judge()
    };
    let (one, other) = (judged([1_000, 2_000]), judged([2_000, 1_000]));
    assert_eq!(one.findings["store_duplicates"].count, 1);
    assert_eq!(one.findings, other.findings);
}
