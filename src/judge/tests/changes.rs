//! `edit_lost`, `delete_resurrected`, `orphan_reply`; and what a deletion and an
//! edit must not be taken for.

mod texts;

use super::found;
use super::history::History;
use crate::ledger::{ChangeRow, ThreadRead};
use crate::model::{MessageRef, SendState, UserId};
use crate::plan::ChangeKind::{self, Delete, Edit, React, Reply};
use SendState::{Acknowledged, Rejected, Unattempted, Unknown};

/// A message of user 0 that user 1 has, and that is changed from 2 s on.
fn said(h: &mut History) -> MessageRef {
    let message = h.said(0, 0, 1_000);
    h.listening(1, &[0]);
    h.pushed(1, message);
    message
}

/// The next change of the message.
fn change(h: &mut History, message: MessageRef, kind: ChangeKind, state: SendState) -> u32 {
    let ordinal = h.ledger.changes.iter().filter(|row| row.message == message).count() as u32 + 1;
    let intended_us = 2_000_000 + u64::from(ordinal) * 100_000;
    let tried = state != Unattempted;
    h.ledger.changes.push(ChangeRow {
        message,
        ordinal,
        kind,
        user: UserId(0),
        intended_us,
        first_byte_us: tried.then_some(intended_us),
        acknowledged_us: (state == Acknowledged).then_some(intended_us + 5_000),
        last_attempt_us: tried.then_some(intended_us + 5_000),
        attempts: u32::from(tried),
        indeterminate: u32::from(state == Unknown),
        state,
        server_id: (kind == Reply && state == Acknowledged).then(|| format!("reply-{ordinal}").into()),
    });
    ordinal
}

fn thread(h: &mut History, parent: MessageRef, written_ms: u64, replies: &[u32], failure: Option<&str>) {
    h.ledger.threads.push(ThreadRead {
        parent,
        written_us: written_ms * 1_000,
        replies: replies.iter().map(|ordinal| format!("reply-{ordinal}").into()).collect(),
        failure: failure.map(str::to_owned),
    });
}

type Told = fn(&mut History, MessageRef);

/// What happens, what is found of it, and why.
type Row = (Told, &'static [(&'static str, u64)], &'static str);

fn check(rows: &[Row]) {
    for (tell, expected, reason) in rows {
        let mut h = History::new();
        let message = said(&mut h);
        tell(&mut h, message);
        let summary = h.judge();
        assert_eq!(found(&summary), *expected, "{reason}: {:?}", summary.correctness.reasons);
        let zero = expected.iter().any(|(name, _)| summary.findings[*name].class == crate::judge::FindingClass::Zero);
        assert_eq!(summary.exit_code == 97, zero, "{reason}");
    }
}

#[test]
fn a_deleted_message_stays_away() {
    check(&[
        (
            |h, m| {
                change(h, m, Delete, Acknowledged);
                h.removed_from(1, m);
            },
            &[],
            "as it should be: neither lost nor vanished",
        ),
        (|h, m| _ = change(h, m, Delete, Acknowledged), &[("delete_resurrected", 1)], "it is there"),
        (
            |h, m| {
                change(h, m, Delete, Acknowledged);
                h.removed_from(2, m);
            },
            &[("delete_resurrected", 1)],
            "one read shows it; that the reads differ is the same bug",
        ),
        (
            |h, m| {
                change(h, m, Delete, Acknowledged);
                h.removed_from(1, m);
                h.stored(m, 1_700);
            },
            &[],
            "a copy that a late attempt stored is not what was deleted",
        ),
        (|h, m| _ = change(h, m, Delete, Unknown), &[], "an unknown deletion may not have been made"),
        (
            |h, m| {
                change(h, m, Delete, Unknown);
                h.removed_from(1, m);
            },
            &[],
            "and may have been",
        ),
        (
            |h, m| {
                change(h, m, Delete, Rejected);
                h.removed_from(1, m);
            },
            &[("acked_lost", 1)],
            "a refused deletion deletes nothing",
        ),
        (
            |h, m| {
                change(h, m, Delete, Unattempted);
                h.removed_from(1, m);
            },
            &[("acked_lost", 1)],
            "nobody tried",
        ),
    ]);
}

#[test]
fn a_reply_stands_in_its_thread() {
    check(&[
        (
            |h, m| {
                let (one, other) = (change(h, m, Reply, Acknowledged), change(h, m, Reply, Acknowledged));
                thread(h, m, 99_000, &[one, other], None);
            },
            &[],
            "as it should be",
        ),
        (
            |h, m| {
                let one = change(h, m, Reply, Acknowledged);
                change(h, m, Reply, Acknowledged);
                thread(h, m, 99_000, &[one], None);
            },
            &[("orphan_reply", 1)],
            "its thread does not show it",
        ),
        (
            |h, m| {
                change(h, m, Reply, Acknowledged);
                h.removed_from(1, m);
                thread(h, m, 99_000, &[], None);
            },
            &[("acked_lost", 1), ("orphan_reply", 1)],
            "its parent is not there, and nobody deleted it",
        ),
    ]);
}

#[test]
fn a_reply_that_nobody_can_look_for_is_no_orphan() {
    check(&[
        (
            |h, m| {
                change(h, m, Reply, Acknowledged);
                change(h, m, Delete, Acknowledged);
                h.removed_from(1, m);
                thread(h, m, 99_000, &[], None);
            },
            &[],
            "its parent was deleted",
        ),
        (
            |h, m| {
                change(h, m, Reply, Acknowledged);
                change(h, m, Delete, Unknown);
                thread(h, m, 99_000, &[], None);
            },
            &[],
            "its parent may have been deleted",
        ),
        (
            |h, m| {
                change(h, m, Reply, Unknown);
                change(h, m, Reply, Rejected);
                thread(h, m, 99_000, &[], None);
            },
            &[],
            "nobody acknowledged it",
        ),
        (
            |h, m| {
                change(h, m, Reply, Acknowledged);
                thread(h, m, 99_000, &[], Some("timed out"));
            },
            &[],
            "a thread that was not read to its end shows nothing",
        ),
        (|h, m| _ = change(h, m, Reply, Acknowledged), &[], "nor does one that was not read"),
        (
            |h, m| {
                // Many targets answer every change with an id.
                let edit = change(h, m, Edit, Acknowledged);
                h.ledger.changes[0].server_id = Some("edit-1".into());
                h.edited_in(2, m, edit);
                thread(h, m, 99_000, &[], None);
            },
            &[],
            "an edit is no reply, whatever id it was answered with",
        ),
        (
            |h, m| {
                let one = change(h, m, Reply, Acknowledged);
                thread(h, m, 99_000, &[], None);
                thread(h, m, 99_500, &[one], None);
            },
            &[],
            "the last read counts",
        ),
    ]);
}

#[test]
fn a_deleted_message_is_owed_to_nobody() {
    for (state, expected) in [(Acknowledged, 1), (Unknown, 0)] {
        let mut h = History::new();
        let message = h.said(0, 0, 1_000);
        let other = h.said(0, 0, 1_500);
        // Connected all the time, and never told of the first.
        h.listening(1, &[0]);
        h.pushed(1, other);
        change(&mut h, message, Delete, state);
        let summary = h.judge();
        assert_eq!(summary.findings["delete_resurrected"].count, expected);
        assert_eq!(summary.findings["live_missed"].count, 0, "{state:?}");
        assert_eq!((summary.ledger.entitled_deliveries, summary.ledger.live_deliveries), (1, 1));
        assert_eq!(summary.findings["unhealed"].count + summary.findings["unresolved"].count, 0);
        assert_eq!(summary.sends.shown_sent_absent, Some(0));
    }
}

#[test]
fn without_changes_nothing_is_checked_and_the_reason_is_said() {
    for (tell, reason) in [
        ((|_| ()) as fn(&mut History), "changes no message"),
        (
            |h| {
                h.plan.changes.share = 0.5;
                h.plan.capabilities.changes = false;
            },
            "does not declare",
        ),
        (|h| h.plan.changes.share = 0.5, "no message that was set apart"),
    ] {
        let mut h = History::new();
        said(&mut h);
        tell(&mut h);
        let summary = h.judge();
        for name in ["edit_lost", "delete_resurrected", "orphan_reply"] {
            let finding = &summary.findings[name];
            assert!(!finding.checked && finding.unchecked_because.as_ref().unwrap().contains(reason), "{finding:?}");
        }
        assert!(summary.changes.is_empty() && summary.exit_code == 0);
    }
}

#[test]
fn changes_are_counted_by_kind_and_state() {
    let mut h = History::new();
    let message = said(&mut h);
    for state in [Acknowledged, Acknowledged, Rejected, Unknown, Unattempted] {
        change(&mut h, message, React, state);
    }
    change(&mut h, message, Edit, Unknown);
    // An attempt that was under way when the ledger was taken.
    change(&mut h, message, Reply, Unattempted);
    let under_way = h.ledger.changes.last_mut().unwrap();
    under_way.first_byte_us = Some(under_way.intended_us);
    let summary = h.judge();
    let (react, edit) = (&summary.changes["react"], &summary.changes["edit"]);
    assert_eq!((react.intended, react.acknowledged, react.rejected), (5, 2, 1));
    assert_eq!((react.unknown, react.unattempted, react.attempts), (1, 1, 4));
    assert_eq!((edit.intended, edit.unknown), (1, 1));
    let reply = &summary.changes["reply"];
    assert_eq!((reply.intended, reply.unknown, reply.unattempted), (1, 1, 0));
    assert_eq!(summary.changes.len(), 3);
    let lost = &summary.findings["edit_lost"];
    assert_eq!((lost.count, lost.of, lost.split["reactions"], lost.split["texts"]), (2, 2, 2, 0));
    let open = &summary.latency_us["change"];
    assert_eq!((open.count, open.at_least_count), (3, 3), "what is unknown waited at least so long");
    assert!(open.max.is_some_and(|max| max.abs_diff(117_300_000) < 300_000), "to the end of the run: {open:?}");
}
