//! One message under way, until what became of it is told.

use super::*;

impl Sending<'_> {
    /// The first byte leaves later than intended.
    pub(in crate::judge::tests) fn leaving(mut self, at_ms: u64) -> Self {
        self.row.first_byte_us = Some(at_ms * 1_000);
        self
    }

    /// Several attempts, the earlier ones indeterminate.
    pub(in crate::judge::tests) fn attempts(mut self, attempts: u32) -> Self {
        self.row.attempts = attempts;
        self.row.indeterminate = attempts - 1;
        self
    }

    pub(in crate::judge::tests) fn acked(self, at_ms: u64, position: u64) -> MessageRef {
        let id = position.to_string();
        self.acked_as(at_ms, Some(position), &id)
    }

    /// Acknowledged with an id that says nothing about the position, or that
    /// is another's.
    pub(in crate::judge::tests) fn acked_as(
        mut self,
        at_ms: u64,
        position: Option<u64>,
        server_id: &str,
    ) -> MessageRef {
        self.row.acknowledged_us = Some(at_ms * 1_000);
        self.row.server_id = Some(server_id.into());
        self.row.position = position.map(Position);
        self.history.latencies.record(LatencyKind::Ack, at_ms * 1_000 - self.row.intended_us);
        self.ended(SendState::Acknowledged, at_ms)
    }

    pub(in crate::judge::tests) fn unknown(mut self, at_ms: u64) -> MessageRef {
        self.row.indeterminate = self.row.attempts;
        self.ended(SendState::Unknown, at_ms)
    }

    pub(in crate::judge::tests) fn rejected(self, at_ms: u64) -> MessageRef {
        self.ended(SendState::Rejected, at_ms)
    }

    pub(in crate::judge::tests) fn written(self, at_ms: u64) -> MessageRef {
        self.ended(SendState::Written, at_ms)
    }

    /// It never left.
    pub(in crate::judge::tests) fn unattempted(mut self) -> MessageRef {
        (self.row.first_byte_us, self.row.attempts) = (None, 0);
        self.noted()
    }

    /// Its first attempt has no end when the ledger is taken.
    pub(in crate::judge::tests) fn under_way(mut self) -> MessageRef {
        self.row.attempts = 0;
        self.noted()
    }

    fn ended(mut self, state: SendState, at_ms: u64) -> MessageRef {
        self.row.state = state;
        self.row.last_attempt_us = Some(at_ms * 1_000);
        self.noted()
    }

    fn noted(self) -> MessageRef {
        let message = self.row.message;
        self.history.ledger.sends.push(self.row);
        message
    }
}
