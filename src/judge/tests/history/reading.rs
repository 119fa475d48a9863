//! A page, told bit by bit.

use super::Reading;
use crate::ledger::CatchUpKind;
use crate::model::{MessageRef, Position};

impl Reading<'_> {
    pub(in crate::judge::tests) fn by_drain(mut self) -> Self {
        self.page.kind = CatchUpKind::Drain;
        self
    }

    pub(in crate::judge::tests) fn after(mut self, position: u64) -> Self {
        self.page.after = Some(Position(position));
        self
    }

    /// Its rows are these messages, which are stored already.
    pub(in crate::judge::tests) fn shows(mut self, messages: &[MessageRef]) -> Self {
        for message in messages {
            let position = Position(self.history.positions[message]);
            self.page.lowest = Some(self.page.lowest.map_or(position, |lowest| lowest.min(position)));
            self.page.highest = self.page.highest.max(Some(position));
            self.page.messages.insert(message.index);
        }
        self
    }

    /// A row in which no message was recognised.
    pub(in crate::judge::tests) fn unrecognised(mut self, server_id: &str) -> Self {
        self.page.unrecognised.push(server_id.into());
        self
    }

    pub(in crate::judge::tests) fn repeating(mut self, rows: u32) -> Self {
        self.page.repeated_rows = rows;
        self
    }

    pub(in crate::judge::tests) fn stuck(mut self) -> Self {
        self.page.stuck = true;
        self
    }

    /// More follows.
    pub(in crate::judge::tests) fn more(self) {
        let Self { history, page } = self;
        let window = history.log(page.reader.0).window_mut(page.channel).expect("a member");
        for index in page.messages.iter() {
            window.read(index, page.kind);
        }
        window.cursor = window.cursor.max(page.highest);
        history.ledger.pages.push(page);
    }

    /// The target says that nothing follows.
    pub(in crate::judge::tests) fn end(mut self) {
        self.page.open_end = true;
        let (reader, channel, written_us) = (self.page.reader, self.page.channel, self.page.written_us);
        let history = self.history;
        Reading { history: &mut *history, page: self.page }.more();
        let window = history.log(reader.0).window_mut(channel).expect("a member");
        window.reached_end_us = window.reached_end_us.max(Some(written_us));
    }
}
