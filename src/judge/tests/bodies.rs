//! What is not what was sent, or went where it was not sent.

use super::check;
use super::history::{History, row};
use crate::ledger::RowText;
use crate::model::{ChannelId, KeyCodec, MessageRef, RunId, SizeRange, TextCodec};

fn stray(channel: u32, index: u32) -> MessageRef {
    MessageRef { channel: ChannelId(channel), index }
}

#[test]
fn foreign() {
    check("two texts with impossible keys", &[("foreign", 2)], |h| {
        h.said(1, 0, 1_000);
        h.foreign("posthaste:0000000000000007:y");
        h.foreign("posthaste:0000000000000007:x");
    });
    check("a row that was noted as a text too counts once", &[("foreign", 1)], |h| {
        h.said(1, 0, 1_000);
        h.foreign("posthaste:0000000000000007:x");
        h.foreign_row(1, 5_000, "posthaste:0000000000000007:x");
        h.foreign_row(2, 5_000, "posthaste:0000000000000007:x");
    });
    check("another text in a row than in a push", &[("foreign", 2)], |h| {
        h.said(1, 0, 1_000);
        h.foreign("posthaste:0000000000000007:x");
        h.foreign_row(1, 5_000, "posthaste:0000000000000007:y");
    });
    check("mangled within the key: known by its id, and not foreign besides", &[("corrupt", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.foreign("posthaste:0000000000000007:mangled");
        h.foreign_row(1, 1_000, "posthaste:0000000000000007:mangled");
        h.foreign_row(2, 1_000, "posthaste:0000000000000007:mangled");
    });
    check("in a row only", &[("foreign", 1)], |h| {
        h.said(1, 0, 1_000);
        h.foreign_row(1, 5_000, "posthaste:0000000000000007:x");
    });
    check("leftovers of an earlier run and system messages are nobody's fault", &[], |h| {
        h.said(1, 0, 1_000);
        h.row(1, 0, row(5, None, RowText::Unrelated));
        h.row(2, 0, row(5, None, RowText::Unrelated));
    });
    check("never attempted, and stored", &[("foreign", 1)], |h| {
        h.said(1, 0, 1_000);
        let message = h.send(1, 0, 2_000).unattempted();
        h.stored(message, 2_000);
    });
    check("never attempted, pushed and read: one message", &[("foreign", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 2_000).unattempted();
        h.pushed(50, message);
        h.seen_in_page(50, message, 2_000);
    });
    check("an index that the schedule does not have", &[("foreign", 2)], |h| {
        h.listening(50, &[0]);
        h.pushed(50, stray(0, 17));
        h.row(1, 0, row(9_000, Some(stray(0, 18)), RowText::Intact));
    });
    check("a killed run: the subscriber's checkpoint may be ahead of the sender's", &[], |h| {
        h.record.killed = true;
        h.without_final_reads();
        h.listening(50, &[0]);
        let message = h.send(1, 0, 2_000).unattempted();
        h.pushed(50, message);
    });
}

#[test]
fn corrupt() {
    check("pushed, stored, and read by many: one message", &[("corrupt", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        h.pushed(50, message);
        h.altered(message, 50);
        h.row(1, 0, row(1_000, Some(message), RowText::Altered));
        h.row(2, 0, row(1_000, Some(message), RowText::Altered));
    });
    let summary = check("an altered push of a message that is stored as sent", &[("corrupt", 1)], |h| {
        h.listening(50, &[0]);
        let message = h.said(1, 0, 1_000);
        h.pushed(50, message);
        h.altered(message, 50);
    });
    let example = &summary.findings["corrupt"].examples[0];
    assert_eq!((example.subscriber, example.seen_us), (Some(50), Some(1_000_000)));
    check("cut within the key: known by its id, corrupt and not foreign besides", &[("corrupt", 1)], |h| {
        h.send(1, 0, 1_000).acked(1_010, 1_000);
        let keys = KeyCodec::new(RunId(7), h.plan.key_layout);
        let text = TextCodec::new(keys.clone(), h.plan.message_size_bytes).render(keys.encode(stray(0, 0), 1_000_000));
        h.foreign(&text[..40]);
        h.foreign_row(1, 1_000, &text[..40]);
        h.foreign_row(2, 1_000, &text[..40]);
    });
}

#[test]
fn a_text_that_was_cut_within_its_key() {
    // Message 0 has rows that only its acknowledged id gives to it.
    let cut = |reason: &str, expected: &[(&str, u64)], row_text: RowText, index: u32, pushed_bytes: usize| {
        check(reason, expected, |h| {
            h.send(1, 0, 1_000).acked(1_010, 1_000);
            let keys = KeyCodec::new(RunId(7), h.plan.key_layout);
            let texts = TextCodec::new(keys.clone(), h.plan.message_size_bytes);
            let text = |index| texts.render(keys.encode(stray(0, index), 1_000_000));
            h.foreign(&text(index)[..pushed_bytes]);
            for number in [1, 2] {
                match row_text {
                    RowText::Foreign => h.foreign_row(number, 1_000, &text(0)[..45]),
                    _ => h.row(number, 0, row(1_000, None, row_text)),
                }
            }
        });
    };
    cut("pushed with less of it than the row has", &[("corrupt", 1)], RowText::Foreign, 0, 40);
    cut("pushed with more of it", &[("corrupt", 1)], RowText::Foreign, 0, 60);
    cut("the row is mangled altogether", &[("corrupt", 1)], RowText::Unrelated, 0, 40);
    cut("a key that begins otherwise is none of its", &[("corrupt", 1), ("foreign", 1)], RowText::Foreign, 1, 45);
}

#[test]
fn of_how_many_messages_bodies_are_judged() {
    let mut h = History::new();
    h.listening(50, &[0]);
    h.said(1, 0, 1_000);
    let read = h.send(1, 0, 2_000).acked(2_010, 2_000);
    h.seen_in_page(50, read, 2_000);
    let pushed = h.send(1, 0, 3_000).unknown(3_010);
    h.pushed(50, pushed);
    h.send(1, 0, 4_000).acked(4_010, 4_000);
    h.send(1, 0, 5_000).acked(5_010, 5_000);
    h.foreign("posthaste:0000000000000007:x");
    h.leaked(51, pushed, Some(0));
    let findings = h.judge().findings;
    assert_eq!(findings["corrupt"].of, 3, "stored, read or pushed: two showed nowhere");
    assert_eq!(findings["foreign"].of, 4, "the three, and a text");
    assert_eq!(findings["leaked"].of, 2, "a frame to a member, and one to who is none");
}

#[test]
fn leaked() {
    let leak = |h: &mut History| {
        h.listening(50, &[1]);
        let first = h.said(1, 0, 1_000);
        let second = h.said(1, 0, 2_000);
        h.leaked(50, first, Some(0));
        h.leaked(50, first, Some(0));
        h.leaked(50, second, Some(1));
    };
    let summary = check("distinct messages of a subscriber", &[("leaked", 2)], leak);
    let notes: Vec<&str> = summary.findings["leaked"].examples.iter().map(|example| example.note.as_str()).collect();
    assert_eq!(notes, ["shown to a user who is not a member", "pushed under channel c1"]);
    let summary = check("without explicit membership", &[], |h| {
        h.plan.capabilities.explicit_membership = false;
        leak(h);
    });
    let finding = &summary.findings["leaked"];
    assert!(!finding.checked && finding.unchecked_because.is_some() && finding.examples.is_empty());
}

#[test]
fn a_target_that_changes_every_text_is_like_that() {
    let sizes = SizeRange { min: 100, max: 200 };
    for (altered, expected, reason) in [
        ((|_| true) as fn(usize) -> bool, 0, "every text"),
        (|size| size >= 150, 1, "every text from a size on: they were acknowledged, and are cut"),
        (|size| size < 150, 1, "short ones only"),
    ] {
        let mut h = History::new();
        h.plan.message_size_bytes = sizes;
        let codec = TextCodec::new(KeyCodec::new(RunId(h.record.run_number), h.plan.key_layout), sizes);
        let mut changed = 0;
        for at_ms in (1_000..8_000).step_by(100) {
            let message = h.said(1, 0, at_ms);
            let size = codec.render(codec.keys().encode(message, at_ms * 1_000)).len();
            if altered(size) {
                h.stored_altered(message);
                changed += 1;
            }
        }
        assert!(changed >= 20, "{reason}: {changed}");
        let corrupt = &h.judge().findings["corrupt"];
        assert_eq!(corrupt.count, expected * changed, "{reason}");
        assert_eq!(corrupt.checked, expected > 0, "{reason}: {:?}", corrupt.unchecked_because);
    }
    let pushes = check("pushes are altered and history is not", &[("corrupt", 30)], |h| {
        (1..=30).for_each(|at_ms| {
            let message = h.said(1, 0, at_ms * 100);
            h.altered(message, 1);
        });
    });
    assert_eq!(pushes.exit_code, 97);
    for (messages, expected, reason) in [(19, 19, "too few to tell it from chance"), (20, 0, "no chance any more")] {
        let mut h = History::new();
        for at_ms in 1..=messages {
            let message = h.said(1, 0, at_ms * 100);
            h.stored_altered(message);
        }
        assert_eq!(h.judge().findings["corrupt"].count, expected, "{reason}");
    }
}

#[test]
fn a_catch_up_shows_a_row_of_another_channel() {
    check("once for a message, however many channels show it", &[("foreign", 1)], |h| {
        let message = h.said(1, 0, 1_000);
        h.elsewhere(message, 1);
        h.elsewhere(message, 2);
    });
}

#[test]
fn a_message_that_another_channel_stores() {
    let copy = |message, position| row(position, Some(message), RowText::Intact);
    check("beside its own: a row that nobody sent there", &[("foreign", 1)], |h| {
        let message = h.said(1, 0, 1_000);
        (1..=2).for_each(|number| h.row(number, 1, copy(message, 1_500)));
    });
    let summary = check("instead of its own: lost, and nothing else", &[("acked_lost", 1)], |h| {
        let message = h.send(1, 0, 1_000).acked(1_010, 1_000);
        (1..=2).for_each(|number| h.row(number, 1, copy(message, 1_000)));
    });
    let note = &summary.findings["acked_lost"].examples[0].note;
    assert_eq!(note, "stands in channel c1 instead; at the end of its sender's sequence");
    check("instead of its own, and nobody was told so", &[("foreign", 1), ("unknown_absent", 1)], |h| {
        let message = h.send(1, 0, 1_000).unknown(1_010);
        (1..=2).for_each(|number| h.row(number, 1, copy(message, 1_000)));
    });
}
