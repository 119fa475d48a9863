//! What is done to the messages of a random history, and what is shown of it.

use super::world::{Fate, Message, Text, World};
use crate::ledger::{ChangeRow, Ledger, Reaction, RowText, ThreadRead};
use crate::model::{SendState, UserId};
use crate::plan::ChangeKind;
use proptest::prelude::*;

/// What is done to one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    /// In the order of the ordinals, from 1.
    pub(super) done: Vec<Done>,
    /// Whether its thread was read, and whether to its end.
    pub(super) thread: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) kind: ChangeKind,
    pub(super) state: SendState,
    /// An attempt of it may yet be carried out.
    pub(super) late: bool,
    /// Of a reaction: which final reads show it. Of a reply: whether the thread
    /// does, in the second place.
    pub(super) shown: [bool; 2],
}

/// What a row may have for a text, beside the intact one.
pub(super) const TEXTS: [Text; 5] = [Text::Altered, Text::Mangled, Text::Edited(1), Text::Edited(2), Text::Edited(3)];

type Draw = (Vec<(u8, u8, u8)>, u8);

/// Changes for so many messages.
pub(super) fn draws(messages: usize) -> impl Strategy<Value = Vec<Draw>> {
    let one = (0..10u8, 0..8u8, 0..8u8);
    prop::collection::vec((prop::collection::vec(one, 0..4), 0..6u8), messages)
}

/// Gives the acknowledged messages their changes.
pub(super) fn assign(messages: &mut [Message], draws: &[Draw]) {
    for (message, (done, thread)) in messages.iter_mut().zip(draws).filter(|(message, _)| message.fate == Fate::Acked) {
        for &(kind, state, shown) in done {
            let kind = match kind {
                0..=3 => ChangeKind::Edit,
                4 => ChangeKind::Delete,
                5 | 6 => ChangeKind::React,
                _ => ChangeKind::Reply,
            };
            let (state, late) = match state {
                0..=3 => (SendState::Acknowledged, false),
                4 => (SendState::Acknowledged, true),
                5 => (SendState::Unknown, true),
                6 => (SendState::Rejected, false),
                _ => (SendState::Unattempted, false),
            };
            let shown = [shown & 1 == 0, shown & 2 == 0];
            message.changes.done.push(Done { kind, state, late, shown });
            if kind == ChangeKind::Delete {
                break;
            }
        }
        message.changes.thread = [None, Some(false)].get(usize::from(*thread)).copied().unwrap_or(Some(true));
    }
}

impl Text {
    pub(super) fn of_row(self) -> RowText {
        match self {
            Text::Intact => RowText::Intact,
            Text::Altered => RowText::Altered,
            Text::Mangled => RowText::Unrelated,
            Text::Edited(ordinal) => RowText::Edited(ordinal),
        }
    }
}

/// Writes all of it into a ledger that has its final reads.
pub(super) fn render(world: &World, ledger: &mut Ledger) {
    for (rank, message) in world.messages.iter().enumerate() {
        let (reference, changes) = (world.reference(rank), &message.changes);
        let id = |ordinal: u32| format!("reply-{rank}-{ordinal}").into();
        let numbered = || (1..).zip(&changes.done);
        for (ordinal, done) in numbered() {
            let tried_us = (done.state != SendState::Unattempted).then_some(message.end * 1_000 + u64::from(ordinal));
            let is_reply = done.kind == ChangeKind::Reply && done.state == SendState::Acknowledged;
            ledger.changes.push(ChangeRow {
                message: reference,
                ordinal,
                kind: done.kind,
                user: UserId(message.sender),
                intended_us: message.end * 1_000,
                first_byte_us: tried_us,
                acknowledged_us: tried_us.filter(|_| done.state == SendState::Acknowledged),
                last_attempt_us: tried_us,
                attempts: u32::from(tried_us.is_some()) + u32::from(done.late),
                indeterminate: done.late.into(),
                state: done.state,
                server_id: is_reply.then(|| id(ordinal)),
            });
            let of_channel = ledger.final_reads.iter_mut().filter(|read| read.channel == reference.channel);
            let shows = of_channel.filter(|read| done.shown[read.number as usize - 1]);
            if done.kind == ChangeKind::React {
                shows.for_each(|read| read.reactions.push(Reaction { message: reference, ordinal }));
            }
        }
        if let Some(complete) = changes.thread {
            let replies = numbered().filter(|(_, done)| done.kind == ChangeKind::Reply && done.shown[1]);
            ledger.threads.push(ThreadRead {
                parent: reference,
                written_us: 235_000_000,
                replies: replies.map(|(ordinal, _)| id(ordinal)).collect(),
                failure: (!complete).then(|| "timed out".to_owned()),
            });
        }
    }
}
