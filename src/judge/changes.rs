//! `edit_lost`, `delete_resurrected`, `orphan_reply`: what was done to messages
//! after they were sent, held against the final history.
//!
//! A message that is set apart is a register with one writer: its sender alone
//! changes it, one change after the other, each after the one before had ended.
//! Let Aₑ be its acknowledged edits and e* the last of them, and let Lₑ be its
//! edits with an attempt of which nobody knows what became: such an attempt may
//! be carried out late, after whatever followed it, also where a further attempt
//! of the same edit was acknowledged. History must show the text of e*, or that
//! of one of Lₑ. *Its row* is the one with the id of its acknowledgement: that is
//! what was changed, and no other copy that a target may have stored.
//!
//! | finding | definition |
//! | --- | --- |
//! | `edit_lost`, texts | messages with Aₑ ≠ ∅ whose row stands in the last complete final read with another of their texts than that of e* and those of Lₑ |
//! | `edit_lost`, reactions | acknowledged reactions that the same read does not show with the row; those of a user are a set of names, so that no order matters |
//! | `delete_resurrected` | messages with an acknowledged deletion whose row any final read or point read shows |
//! | `orphan_reply` | acknowledged replies that the last complete read of their message's thread does not show |
//!
//! A change whose outcome is unknown, or that was refused, proves nothing by
//! itself: it may be there or not.
//!
//! One bug, one finding. A message that is in no final read is `acked_lost` or
//! `vanished`, and no edit or reaction of it is lost too; one whose body is none
//! of its texts is `corrupt`. Where a deletion was or may have been made, what
//! is shown of the message, its edits, its reactions and its thread is not
//! judged. Conversely such a message is owed to nobody: it is never lost,
//! vanished, unhealed or missed (`Message::erased`).

use super::Input;
use super::summary::FindingClass::Zero;
use super::tally::{Instance, Tally};
use super::truth::{Owner, Truth};
use crate::ledger::{ChangeRow, FinalRead, Reaction, RowText, ThreadRead};
use crate::model::{FindingKind, MessageRef, SendState};
use crate::plan::ChangeKind;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

const TEXTS: &str = "texts";
const REACTIONS: &str = "reactions";

/// How the changes of one kind ended. `intended = acknowledged + rejected +
/// unknown + unattempted`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct ChangeCounts {
    /// Changes that the schedule asked for.
    pub intended: u64,
    /// Changes of which an attempt was acknowledged.
    pub acknowledged: u64,
    /// Changes whose attempts provably had no effect.
    pub rejected: u64,
    /// Changes that were never acknowledged and may have been made.
    pub unknown: u64,
    /// Changes that never left: their message was not acknowledged, or the
    /// generator had its own reasons.
    pub unattempted: u64,
    /// Tries of all of them.
    pub attempts: u64,
}

/// Notes the messages of which a deletion was made, or may have been.
pub(super) fn mark_erased(truth: &mut Truth, changes: &[ChangeRow]) {
    for row in changes.iter().filter(|row| row.kind == ChangeKind::Delete && row.may_have_happened()) {
        let channel = truth.channels.get_mut(row.message.channel.0 as usize);
        if let Some(known) = channel.and_then(|channel| channel.messages.get_mut(row.message.index as usize)) {
            known.erased = true;
        }
    }
}

/// Judges every change.
pub(super) fn find(input: &Input, truth: &Truth) -> [Tally; 3] {
    let shown = Shown::new(input, truth);
    let reason = unchecked(input).or_else(|| truth.unknown_because().map(str::to_owned));
    let tally = |kind, of_what| Tally::new(kind, Zero, of_what).unless(reason.clone());
    let mut edit_lost = tally(FindingKind::EditLost, "acknowledged texts and reactions of messages in history")
        .parts(&[TEXTS, REACTIONS]);
    let mut resurrected = tally(FindingKind::DeleteResurrected, "acknowledged deletions");
    let mut orphans = tally(FindingKind::OrphanReply, "acknowledged replies whose thread was read");
    let mut by_message: BTreeMap<MessageRef, Vec<&ChangeRow>> = BTreeMap::new();
    for row in &input.ledger.changes {
        by_message.entry(row.message).or_default().push(row);
    }
    for (message, mut rows) in by_message {
        rows.sort_by_key(|row| row.ordinal);
        let Some(known) = truth.message(message) else { continue };
        let Some(channel) = truth.channels.get(message.channel.0 as usize).filter(|channel| channel.is_known()) else {
            continue;
        };
        if known.erased {
            let shows = known.send.and_then(|send| send.server_id.as_deref()).is_some_and(|id| known.has_copy(id));
            judge_deletion(&mut resurrected, &rows, shows);
            continue;
        }
        judge_replies(&mut orphans, &shown, &rows);
        if !channel.is_truncated(known) {
            judge_text(&mut edit_lost, &shown, message, &rows);
            judge_reactions(&mut edit_lost, &shown, &rows);
        }
    }
    [edit_lost, resurrected, orphans]
}

/// How the changes of each kind ended; none where none was intended.
pub(super) fn counts(input: &Input) -> BTreeMap<String, ChangeCounts> {
    let mut counts: BTreeMap<String, ChangeCounts> = BTreeMap::new();
    for row in &input.ledger.changes {
        let of_kind = counts.entry(row.kind.name().to_owned()).or_default();
        of_kind.intended += 1;
        of_kind.attempts += u64::from(row.attempts);
        *match row.state {
            SendState::Acknowledged => &mut of_kind.acknowledged,
            SendState::Rejected => &mut of_kind.rejected,
            SendState::Unattempted if row.first_byte_us.is_none() => &mut of_kind.unattempted,
            SendState::Unknown | SendState::Written | SendState::Unattempted => &mut of_kind.unknown,
        } += 1;
    }
    counts
}

/// How long each change after the warm-up waited that was never acknowledged and
/// may have been made, in µs: to its last attempt.
pub(super) fn open_us(input: &Input) -> Vec<u64> {
    let rows = input.ledger.changes.iter().filter(|row| !row.is_acknowledged() && row.may_have_happened());
    let measured = rows.filter(|row| row.intended_us >= input.first_measured_us());
    let until_us = |row: &ChangeRow| row.last_attempt_us.unwrap_or(input.record.ended_us);
    measured.map(|row| until_us(row).saturating_sub(row.intended_us)).collect()
}

/// Why no change is judged.
fn unchecked(input: &Input) -> Option<String> {
    let reason = if !input.ledger.changes.is_empty() {
        return None;
    } else if input.plan.changes.share <= 0.0 {
        "the workload changes no message"
    } else if !input.plan.capabilities.changes {
        "the target does not declare that messages can be changed"
    } else {
        "no message that was set apart came to a change"
    };
    Some(reason.to_owned())
}

/// What the target shows in the end.
struct Shown<'a> {
    /// The text of the row of each message in the last complete final read of its
    /// channel.
    texts: HashMap<MessageRef, RowText>,
    reactions: HashSet<Reaction>,
    /// The last complete read of each thread.
    threads: HashMap<MessageRef, &'a ThreadRead>,
}

impl<'a> Shown<'a> {
    fn new(input: &Input<'a>, truth: &Truth<'a>) -> Self {
        let mut shown = Self { texts: HashMap::new(), reactions: HashSet::new(), threads: HashMap::new() };
        if input.ledger.changes.is_empty() {
            return shown;
        }
        for (id, channel) in truth.channels() {
            let Some(&read) = channel.complete.last() else { continue };
            let read: &FinalRead = read;
            for row in &read.rows {
                let Owner::Recognised(index) = channel.owner(id, row) else { continue };
                let send = channel.messages[index as usize].send;
                if send.is_some_and(|send| send.server_id.as_deref() == Some(&*row.server_id)) {
                    shown.texts.insert(MessageRef { channel: id, index }, row.text);
                }
            }
            shown.reactions.extend(&read.reactions);
        }
        for read in input.ledger.threads.iter().filter(|read| read.failure.is_none()) {
            let last = shown.threads.entry(read.parent).or_insert(read);
            if read.written_us > last.written_us {
                *last = read;
            }
        }
        shown
    }
}

fn judge_deletion(tally: &mut Tally, rows: &[&ChangeRow], is_shown: bool) {
    for row in rows.iter().filter(|row| row.kind == ChangeKind::Delete && row.is_acknowledged()) {
        tally.could_have(1);
        if is_shown {
            tally.add(instance(row).note("was deleted, and a final read shows it"));
        }
    }
}

fn judge_text(tally: &mut Tally, shown: &Shown, message: MessageRef, rows: &[&ChangeRow]) {
    let edits = || rows.iter().filter(|row| row.kind == ChangeKind::Edit);
    let Some(last) = edits().rfind(|row| row.is_acknowledged()) else { return };
    let version = match shown.texts.get(&message) {
        Some(RowText::Intact) => 0,
        Some(RowText::Edited(ordinal)) => *ordinal,
        // Absent from the last read, or none of its texts: other findings.
        _ => return,
    };
    tally.could_have(1);
    let mut late = edits().filter(|row| row.indeterminate > 0 || (!row.is_acknowledged() && row.may_have_happened()));
    if version != last.ordinal && !late.any(|row| row.ordinal == version) {
        let shown = if version == 0 { "as it was sent".to_owned() } else { format!("with change {version}") };
        let note = format!("its change {}, an edit, is not there: it stands {shown}", last.ordinal);
        tally.add_to(TEXTS, instance(last).note(note));
    }
}

fn judge_reactions(tally: &mut Tally, shown: &Shown, rows: &[&ChangeRow]) {
    for row in rows.iter().filter(|row| row.kind == ChangeKind::React && row.is_acknowledged()) {
        if !shown.texts.contains_key(&row.message) {
            continue;
        }
        tally.could_have(1);
        if !shown.reactions.contains(&Reaction { message: row.message, ordinal: row.ordinal }) {
            let note = format!("its change {}, a reaction, is not there", row.ordinal);
            tally.add_to(REACTIONS, instance(row).note(note));
        }
    }
}

fn judge_replies(tally: &mut Tally, shown: &Shown, rows: &[&ChangeRow]) {
    for row in rows.iter().filter(|row| row.kind == ChangeKind::Reply && row.is_acknowledged()) {
        let (Some(thread), Some(id)) = (shown.threads.get(&row.message), &row.server_id) else { continue };
        tally.could_have(1);
        if !thread.replies.contains(id) {
            let note = format!("its thread does not show reply {id}");
            tally.add(instance(row).note(note));
        }
    }
}

fn instance(row: &ChangeRow) -> Instance {
    Instance::at(row.acknowledged_us.unwrap_or(row.intended_us)).message(row.message)
}
