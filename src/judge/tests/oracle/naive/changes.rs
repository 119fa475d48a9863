//! What was done to messages, against what is shown of it.

use super::super::changes::Done;
use super::super::world::{Row, Text};
use super::{Counts, Naive};
use crate::model::SendState::{Acknowledged, Unknown};
use crate::plan::ChangeKind::{Delete, Edit, React, Reply};

impl Naive<'_> {
    /// A deletion was made, or may have been.
    pub(super) fn erased(&self, message: usize) -> bool {
        let done = &self.world.messages[message].changes.done;
        done.iter().any(|done| done.kind == Delete && [Acknowledged, Unknown].contains(&done.state))
    }

    pub(super) fn changes(&self, counts: &mut Counts) {
        let mut add = |name, count: usize| *counts.entry(name).or_default() += count as u64;
        for (rank, message) in self.world.messages.iter().enumerate().filter(|(_, m)| self.known(m.channel)) {
            let done = || (1u32..).zip(&message.changes.done);
            let acked = |kind| done().filter(move |(_, done)| done.kind == kind && done.state == Acknowledged);
            if self.erased(rank) {
                let back = self.stored(rank).contains(&message.acked_as);
                add("delete_resurrected", if back { acked(Delete).count() } else { 0 });
                continue;
            }
            if message.changes.thread == Some(true) {
                add("orphan_reply", acked(Reply).filter(|(_, done)| !done.shown[1]).count());
            }
            let Some(row) = self.row_in_last_read(rank).filter(|_| !self.truncated(rank)) else { continue };
            let is_lost = |version: u32| {
                let open = |(ordinal, done): (u32, &Done)| done.kind == Edit && done.late && ordinal == version;
                acked(Edit).last().is_some_and(|(last, _)| last != version) && !done().any(open)
            };
            let texts = usize::from(match row.text {
                Text::Intact => is_lost(0),
                Text::Edited(ordinal) => is_lost(ordinal),
                Text::Altered | Text::Mangled => false,
            });
            let reactions = acked(React).filter(|(_, done)| !done.shown[1]).count();
            add("edit_lost", texts + reactions);
            add("edit_lost.texts", texts);
            add("edit_lost.reactions", reactions);
        }
    }

    /// The row with the acknowledged id, as the second final read shows it.
    fn row_in_last_read(&self, message: usize) -> Option<&Row> {
        let sent = &self.world.messages[message];
        let own = sent.rows.iter().filter(|row| !row.elsewhere && row.text != Text::Mangled && row.reads[1]);
        own.into_iter().find(|row| row.position == sent.acked_as)
    }
}
