//! `edit_lost`: texts and reactions.

use super::{change, check, said};
use crate::judge::tests::history::History;
use crate::model::MessageRef;
use crate::model::SendState::{Acknowledged, Rejected, Unattempted, Unknown};
use crate::plan::ChangeKind::{Delete, Edit, React};

/// Both final reads show the text of an edit.
fn edited(h: &mut History, message: MessageRef, ordinal: u32) {
    h.edited_in(1, message, ordinal);
    h.edited_in(2, message, ordinal);
}

#[test]
fn an_acknowledged_edit_is_what_history_shows() {
    check(&[
        (
            |h, m| {
                let edit = change(h, m, Edit, Acknowledged);
                edited(h, m, edit);
            },
            &[],
            "as it should be",
        ),
        (|h, m| _ = change(h, m, Edit, Acknowledged), &[("edit_lost", 1)], "history shows the text as sent"),
        (
            |h, m| {
                let first = change(h, m, Edit, Acknowledged);
                change(h, m, Edit, Acknowledged);
                edited(h, m, first);
            },
            &[("edit_lost", 1)],
            "history shows the edit before",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                let second = change(h, m, Edit, Acknowledged);
                edited(h, m, second);
            },
            &[],
            "a later edit explains that the first is not there",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                change(h, m, Edit, Acknowledged);
            },
            &[("edit_lost", 1)],
            "of two that are gone, only the last can be told",
        ),
    ]);
}

#[test]
fn an_unknown_edit_may_be_there_or_not() {
    check(&[
        (|h, m| _ = change(h, m, Edit, Unknown), &[], "an unknown edit need not be there"),
        (
            |h, m| {
                let edit = change(h, m, Edit, Unknown);
                edited(h, m, edit);
            },
            &[],
            "and may be",
        ),
        (
            |h, m| {
                let late = change(h, m, Edit, Unknown);
                change(h, m, Edit, Acknowledged);
                edited(h, m, late);
            },
            &[],
            "an unknown edit may land behind a later one",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                let late = change(h, m, Edit, Unknown);
                edited(h, m, late);
            },
            &[],
            "and over an earlier one",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                change(h, m, Edit, Unknown);
            },
            &[("edit_lost", 1)],
            "but neither brings the text as sent back",
        ),
    ]);
}

#[test]
fn an_earlier_attempt_of_an_edit_may_be_carried_out_late() {
    check(&[
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                let refused = change(h, m, Edit, Rejected);
                edited(h, m, refused);
            },
            &[("edit_lost", 1)],
            "a refused edit explains nothing",
        ),
        (
            |h, m| {
                let first = change(h, m, Edit, Acknowledged);
                change(h, m, Edit, Acknowledged);
                h.ledger.changes[0].indeterminate = 1;
                edited(h, m, first);
            },
            &[],
            "an earlier attempt of an acknowledged edit may land behind a later edit",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                h.ledger.changes[0].indeterminate = 1;
            },
            &[("edit_lost", 1)],
            "but no attempt brings the text as sent back",
        ),
        (
            |h, m| {
                let edit = change(h, m, Edit, Acknowledged);
                h.stored(m, 1_700);
                edited(h, m, edit);
                h.untouched_copy(m, 1_700);
            },
            &[("store_duplicates", 1)],
            "a second copy was never edited",
        ),
        (|h, m| _ = change(h, m, Edit, Unattempted), &[], "nobody tried"),
    ]);
}

#[test]
fn the_last_complete_read_counts() {
    check(&[
        (
            |h, m| {
                let edit = change(h, m, Edit, Acknowledged);
                h.edited_in(1, m, edit);
            },
            &[("edit_lost", 1)],
            "the last read counts: it was there, and is gone",
        ),
        (
            |h, m| {
                let edit = change(h, m, Edit, Acknowledged);
                h.edited_in(2, m, edit);
            },
            &[],
            "the last read counts: it came late",
        ),
        (
            |h, m| {
                let edit = change(h, m, Edit, Acknowledged);
                h.edited_in(1, m, edit);
                h.failed_read(2, 0);
                h.final_read(3, 97_000, 97_100);
                h.stored_in(3, m, 1_000);
                h.edited_in(3, m, edit);
            },
            &[],
            "a read that did not reach its end is none",
        ),
    ]);
}

#[test]
fn one_bug_is_one_finding() {
    check(&[
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                change(h, m, React, Acknowledged);
                h.removed_from(1, m);
            },
            &[("acked_lost", 1)],
            "a lost message has lost no edit and no reaction",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                h.stored_altered(m);
            },
            &[("corrupt", 1)],
            "a body that is none of its texts",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                change(h, m, React, Acknowledged);
                change(h, m, Delete, Acknowledged);
                h.removed_from(1, m);
            },
            &[],
            "a deletion ends everything",
        ),
        (
            |h, m| {
                change(h, m, Edit, Acknowledged);
                change(h, m, Delete, Unknown);
            },
            &[],
            "what may be deleted is not judged",
        ),
    ]);
}

#[test]
fn reactions_are_a_set() {
    check(&[
        (
            |h, m| {
                let (one, other) = (change(h, m, React, Acknowledged), change(h, m, React, Acknowledged));
                for ordinal in [other, one] {
                    h.reacted_in(2, m, ordinal);
                }
            },
            &[],
            "in whatever order",
        ),
        (
            |h, m| {
                let one = change(h, m, React, Acknowledged);
                change(h, m, React, Acknowledged);
                h.reacted_in(1, m, one);
                h.reacted_in(2, m, one);
            },
            &[("edit_lost", 1)],
            "one of two is gone",
        ),
        (
            |h, m| {
                let one = change(h, m, React, Acknowledged);
                h.reacted_in(1, m, one);
            },
            &[("edit_lost", 1)],
            "the last read counts",
        ),
        (|h, m| _ = change(h, m, React, Unknown), &[], "unknown, and not there"),
        (
            |h, m| {
                let one = change(h, m, React, Unknown);
                h.reacted_in(2, m, one);
            },
            &[],
            "unknown, and there",
        ),
        (|h, m| _ = change(h, m, React, Rejected), &[], "refused"),
    ]);
}

#[test]
fn what_stands_there_instead_is_said() {
    for (shown, note) in [(None, "as it was sent"), (Some(1), "with change 1")] {
        let mut h = History::new();
        let message = said(&mut h);
        change(&mut h, message, Edit, Acknowledged);
        change(&mut h, message, Edit, Acknowledged);
        if let Some(ordinal) = shown {
            edited(&mut h, message, ordinal);
        }
        let finding = h.judge().findings["edit_lost"].clone();
        assert_eq!(finding.examples[0].note, format!("its change 2, an edit, is not there: it stands {note}"));
    }
}
