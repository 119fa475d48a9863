//! What became of messages in the store.

use super::history::{History, row};
use super::{check, part};
use crate::judge::RunSummary;
use crate::ledger::RowText;
use crate::model::{ChannelId, MessageRef};

#[test]
fn a_clean_history_has_no_finding() {
    let summary = check("clean", &[], |h| {
        h.listening(50, &[0]);
        for at_ms in [1_000, 2_000, 3_000] {
            let message = h.said(1, 0, at_ms);
            h.pushed(50, message);
        }
    });
    assert_eq!((summary.exit_code, &summary.correctness.reasons[..]), (0, &[][..]));
    assert_eq!((summary.ledger.intended, summary.ledger.stored, summary.ledger.live_deliveries), (3, 3, 3));
    assert_eq!((summary.findings["acked_lost"].of, summary.findings["vanished"].of), (3, 3));
}

#[test]
fn acked_lost() {
    let summary = check("in the middle and at the end", &[("acked_lost", 2)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.said(1, 0, 2_000);
        h.said(2, 0, 2_500);
        h.send(1, 0, 3_000).acked(3_010, 3_000);
    });
    assert_eq!((part(&summary, "acked_lost", "in_the_middle"), part(&summary, "acked_lost", "at_the_end")), (1, 1));
    let finding = &summary.findings["acked_lost"];
    assert_eq!((finding.of, finding.of_what.as_str()), (4, "acknowledged messages"));
    let example = &finding.examples[0];
    assert_eq!((example.index, example.sender, example.acknowledged_us), (Some(0), Some(1), Some(1_010_000)));
    assert_eq!(example.server_ids, ["1000"], "the acknowledged id, under which nothing stands");
    assert!(example.key.as_ref().is_some_and(|key| key.len() == 36));
    assert_eq!(finding.span_us.map(|span| (span.first, span.last)), Some((1_010_000, 3_010_000)));
    assert_eq!(summary.exit_code, 97);
    assert_eq!(summary.correctness.reasons[0], "2 of 4 acknowledged messages are not in history (acked_lost)");

    let summary = check(
        "a later unknown message that is stored proves no order",
        &[("acked_lost", 1), ("unknown_stored", 1)],
        |h| {
            h.send(1, 0, 1_000).acked(1_010, 1_000);
            let later = h.send(1, 0, 2_000).unknown(2_010);
            h.stored(later, 2_000);
        },
    );
    assert_eq!(part(&summary, "acked_lost", "at_the_end"), 1);
    check("another sender's later message does not make it the middle", &[("acked_lost", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.said(2, 0, 2_000);
    });
    check("one read shows it: it is stored, and the reads differ", &[("page_anomaly", 1)], |h| {
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.stored_in(1, message, 1_000);
    });
    check("a point read shows it: stored, and both reads should have had it", &[("page_anomaly", 1)], |h| {
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.point_read(message, Some(row(1_000, Some(message), RowText::Intact)));
    });
    check("a point read finds nothing either", &[("acked_lost", 1)], |h| {
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.point_read(message, None);
    });
    check("lost and pushed is lost, and no phantom", &[("acked_lost", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.pushed(50, message);
    });
}

#[test]
fn what_is_acknowledged_behind_the_final_reads_is_not_known_to_be_lost() {
    let not_known = "1 messages were acknowledged when the last final read had begun";
    let is_open = |summary: &RunSummary| summary.correctness.reasons.iter().any(|reason| reason.contains(not_known));
    let late = |h: &mut History, acked_ms| h.send(1, 0, 80_000).acked(acked_ms, 80_000);
    for (acked_ms, lost, reason) in [
        (94_999, &[("acked_lost", 1)][..], "just before the last one began: that one had to show it"),
        (95_000, &[], "when it began"),
        (95_050, &[], "after it"),
    ] {
        let summary = check(reason, lost, |h| {
            late(h, acked_ms);
        });
        assert_eq!(is_open(&summary), lost.is_empty(), "{reason}: {:?}", summary.correctness.reasons);
    }
    let summary = check("asked for by its id, and not found", &[("acked_lost", 1)], |h| {
        let message = late(h, 95_500);
        h.point_read(message, None);
    });
    assert!(!is_open(&summary));
    let summary = check("asked for before it was acknowledged", &[], |h| {
        let message = late(h, 97_000);
        h.point_read(message, None);
    });
    assert!(is_open(&summary));
    check("seen by a subscriber in between, and not gone", &[], |h| {
        h.listening(50, &[0]);
        let message = late(h, 95_500);
        h.pushed(50, message);
        h.seen_in_page(50, message, 80_000);
    });
}

#[test]
fn an_unknown_message_is_never_lost() {
    check("absent", &[("unknown_absent", 1)], |h| {
        h.send(1, 0, 1_000).unknown(31_000);
    });
    check("stored", &[("unknown_stored", 1)], |h| {
        let message = h.send(1, 0, 1_000).unknown(31_000);
        h.stored(message, 1_500);
    });
    check("executed between the final reads", &[("unknown_stored", 1)], |h| {
        let message = h.send(1, 0, 1_000).unknown(89_000);
        h.stored_in(2, message, 94_000);
    });
    check("in a first read only is an anomaly of the later one", &[("page_anomaly", 1), ("unknown_stored", 1)], |h| {
        let message = h.send(1, 0, 1_000).unknown(31_000);
        h.stored_in(1, message, 1_500);
    });
    check("under way when the ledger was taken", &[("unknown_absent", 1)], |h| {
        h.send(1, 0, 1_000).under_way();
    });
    check("never left", &[], |h| {
        h.send(1, 0, 1_000).unattempted();
    });
}

#[test]
fn vanished() {
    check("read by a subscriber, then gone: not also lost, and no phantom", &[("vanished", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.pushed(50, message);
        h.seen_in_page(50, message, 1_000);
    });
    check("by its id alone, which also means another body", &[("corrupt", 1), ("vanished", 1)], |h| {
        h.listening(50, &[0]);
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.page(50, 0, 2_000).unrecognised("1000").end();
    });
    check("an unknown message vanishes too, and is not absent besides", &[("vanished", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).unknown(2_000);
        h.seen_in_page(50, message, 1_000);
    });
    check("an unknown message that was pushed, read and is gone is no phantom besides", &[("vanished", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).unknown(2_000);
        h.pushed(50, message);
        h.seen_in_page(50, message, 1_000);
    });
    check("retention is no vanishing", &[("unverifiable", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.seen_in_page(50, message, 1_000);
        h.truncated(0, 1_001);
    });
}

#[test]
fn retention_is_not_loss() {
    let summary = check("before the declared bound", &[("acked_lost", 1), ("unverifiable", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.send(1, 0, 2_000).acked(2_010, 2_000);
        h.truncated(0, 2_000);
    });
    assert!(summary.correctness.reasons.iter().any(|reason| reason.contains("unverifiable")));
    check("one of the reads declares it", &[("acked_lost", 1), ("unverifiable", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.send(1, 0, 2_000).acked(2_010, 2_000);
        h.truncated_in(1, 0, 2_000);
        h.truncated_in(2, 0, 500);
    });
    check("without a position nobody can tell", &[("unverifiable", 1)], |h| {
        h.send(1, 0, 1_000).acked_as(1_010, None, "a");
        h.truncated(0, 2_000);
    });
    check("it may still be there in one read", &[], |h| {
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.stored_in(1, message, 1_000);
        h.truncated(0, 2_000);
    });
}

#[test]
fn rejected_stored() {
    check("refused, and stored all the same", &[("rejected_stored", 1)], |h| {
        let message = h.send(1, 0, 1_000).rejected(1_010);
        h.stored(message, 1_000);
    });
    check("refused, and not stored", &[], |h| {
        h.send(1, 0, 1_000).rejected(1_010);
    });
    let summary = check("nobody is entitled to it", &[("rejected_stored", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).rejected(1_010);
        h.stored(message, 1_000);
    });
    assert_eq!(summary.ledger.entitled_deliveries, 0);
}

#[test]
fn silent_loss() {
    let summary = check("written, and not stored", &[("silent_loss", 1)], |h| {
        let stored = h.send(1, 0, 1_000).written(1_000);
        h.stored(stored, 1_000);
        h.send(1, 0, 2_000).written(2_000);
    });
    assert_eq!((summary.findings["silent_loss"].of, summary.exit_code), (2, 0), "nobody promised delivery");
    assert_eq!((part(&summary, "silent_loss", "pushed"), part(&summary, "silent_loss", "not_pushed")), (0, 1));
}

#[test]
fn phantom() {
    let tell = |end: fn(super::history::Sending) -> MessageRef| {
        move |h: &mut History| {
            h.listening(50, &[0]);
            h.listening(51, &[0]);
            let message = end(h.send(1, 0, 1_000));
            h.pushed(51, message);
            h.pushed(50, message);
        }
    };
    let summary = check("unknown", &[("phantom", 1)], tell(|sending| sending.unknown(31_000)));
    assert_eq!(part(&summary, "phantom", "unknown"), 1);
    assert_eq!(summary.findings["phantom"].examples[0].subscriber, Some(50), "one message, whoever saw it");
    let summary = check("rejected", &[("phantom", 1)], tell(|sending| sending.rejected(1_010)));
    assert_eq!(part(&summary, "phantom", "rejected"), 1);
    // To its sender it is lost besides; nobody had promised it.
    let summary = check("written", &[("phantom", 1), ("silent_loss", 1)], tell(|sending| sending.written(1_000)));
    assert_eq!(part(&summary, "silent_loss", "pushed"), 1);

    // Settled is 30 s, the time-out of an attempt, after the last attempt.
    let summary = check("just settled", &[("phantom", 1)], tell(|sending| sending.unknown(60_000)));
    assert_eq!(summary.exit_code, 97);
    let summary = check("one read too early", &[], tell(|sending| sending.unknown(60_001)));
    assert_eq!(summary.exit_code, 3);
    let reasons = &summary.correctness.reasons;
    assert!(reasons.iter().any(|reason| reason.contains("came too soon")), "{reasons:?}");
    let refused = check(
        "refused shortly before the reads: an answer settles it",
        &[("phantom", 1)],
        tell(|s| s.rejected(89_999)),
    );
    assert_eq!(refused.exit_code, 97);
    check("refused after the first read began", &[], tell(|sending| sending.rejected(90_001)));
    check("stored late: no phantom", &[("unknown_stored", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).unknown(60_001);
        h.pushed(50, message);
        h.stored_in(2, message, 94_000);
    });
    check("truncated: nobody can tell", &[], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).unknown(31_000);
        h.pushed(50, message);
        h.truncated(0, 5_000);
    });
}

#[test]
fn every_example_of_a_phantom_names_who_saw_it() {
    let mut h = History::new();
    h.listening(50, &[0, 1]);
    for at_ms in 40_000..40_030 {
        let message = h.send(1, 0, at_ms).unknown(at_ms + 10);
        h.pushed(50, message);
    }
    let first = h.send(1, 1, 1_000).unknown(1_010);
    h.pushed(50, first);
    let finding = h.judge().findings["phantom"].clone();
    assert_eq!((finding.count, finding.of, finding.examples.len()), (31, 31, 20));
    assert_eq!(finding.examples[0].channel, Some(1), "the first by time, in whatever channel");
    assert!(finding.examples.iter().all(|example| example.subscriber == Some(50)), "{:?}", finding.examples);
}

#[test]
fn store_duplicates() {
    let twice = |attempts| {
        move |h: &mut History| {
            let message = h.send(1, 0, 1_000).attempts(attempts).acked(3_010, 1_000);
            h.stored(message, 1_000);
            h.stored(message, 2_000);
        }
    };
    let summary = check("retried", &[("store_duplicates", 1)], twice(2));
    assert_eq!(part(&summary, "store_duplicates", "retried"), 1);
    assert_eq!(summary.findings["store_duplicates"].examples[0].server_ids, ["1000", "2000"]);
    let summary = check("one attempt", &[("store_duplicates", 1)], twice(1));
    assert_eq!(part(&summary, "store_duplicates", "one_attempt"), 1);
    check("three copies are two too many", &[("store_duplicates", 2)], |h| {
        let message = h.send(1, 0, 1_000).attempts(3).acked(3_010, 3_000);
        for position in [1_000, 2_000, 3_000] {
            h.stored(message, position);
        }
    });
    check("a repeated row is the page's fault: its id is the same", &[("page_anomaly", 1)], |h| {
        let message = h.said(1, 0, 1_000);
        h.repeated(1, message);
    });
    check("a late second copy is a duplicate, and no difference of reads", &[("store_duplicates", 1)], |h| {
        let message = h.send(1, 0, 1_000).attempts(2).acked(3_010, 1_000);
        h.stored(message, 1_000);
        h.stored_in(2, message, 94_000);
    });
    let summary = check("a target without deduplication", &[("store_duplicates", 1)], |h| {
        h.plan.capabilities.dedup = false;
        twice(2)(h);
    });
    assert_eq!(summary.exit_code, 0, "it promised nothing");
    let summary = check("a design that sends no key", &[("store_duplicates", 1)], |h| {
        h.plan.send.design = crate::plan::SendDesign::HttpNoKey;
        twice(2)(h);
    });
    assert_eq!(summary.exit_code, 0, "nobody could tell that it was the same");
}

#[test]
fn ack_identity() {
    check("a truncated key: the acknowledged id is another's", &[("ack_identity", 1), ("acked_lost", 1)], |h| {
        h.said(1, 0, 1_000);
        h.send(2, 0, 2_000).acked(2_010, 1_000);
    });
    check("an id that no row has, of a stored message", &[("ack_identity", 1)], |h| {
        let message = h.send(1, 0, 1_000).attempts(2).acked(3_010, 2_000);
        h.stored(message, 1_000);
    });
    check("a lost message whose id nobody has is lost only", &[("acked_lost", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
    });
    check("raced: both ids are the message's", &[("store_duplicates", 1)], |h| {
        let message = h.send(1, 0, 1_000).attempts(2).acked(1_010, 2_000);
        h.stored(message, 1_000);
        h.stored(message, 2_000);
    });
    check("the same id in another channel is another row", &[("acked_lost", 1)], |h| {
        h.said(1, 1, 1_000);
        h.send(2, 0, 2_000).acked(2_010, 1_000);
    });
    check("an id in a truncated range proves nothing", &[], |h| {
        let message = h.send(1, 0, 1_000).attempts(2).acked(3_010, 900);
        h.stored_in(1, message, 1_000);
        h.truncated(0, 1_500);
    });
    let summary = check(
        "of two that claim a mangled row, the first acknowledged has it",
        &[("ack_identity", 1), ("acked_lost", 1), ("corrupt", 1)],
        |h| {
            h.send(1, 0, 1_000).acked(5_010, 1_000);
            h.send(2, 0, 2_000).acked(2_010, 1_000);
            h.row(1, 0, row(1_000, None, RowText::Unrelated));
            h.row(2, 0, row(1_000, None, RowText::Unrelated));
        },
    );
    assert_eq!(summary.findings["corrupt"].examples[0].index, Some(1));
    check("a mangled text stands under the id that was acknowledged", &[("corrupt", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        for number in [1, 2] {
            h.row(number, 0, row(1_000, None, RowText::Unrelated));
        }
    });
}

#[test]
fn a_channel_is_judged_by_itself() {
    let summary = check("one read failed: what the channel stores is not known", &[("acked_lost", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.send(1, 1, 1_000).acked(1_010, 1_000);
        h.failed_read(2, 0);
    });
    assert_eq!(summary.findings["acked_lost"].examples[0].channel, Some(ChannelId(1).0));
    assert_eq!(summary.findings["acked_lost"].of, 1);
    let reasons = &summary.correctness.reasons;
    assert!(reasons.iter().any(|reason| reason.starts_with("1 of 2 channels lack")), "{reasons:?}");
}
