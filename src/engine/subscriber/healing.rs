//! How a subscriber comes to what it missed: by its design after a reconnect,
//! and in the drain by posthaste's own read of history.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::catch_up::{CatchUpTask, missing_channels};
use crate::engine::worker::Phase;
use crate::ledger::{CatchUpKind, ConnectionEnd};
use crate::model::{ChannelId, LatencyKind, Position};
use crate::plan::ReceiveDesign;

impl Subscriber {
    /// What a connection names as the last event that its client saw, where the
    /// target is to replay the later ones: one that saw none yet names the
    /// beginning.
    pub(super) fn last_event_to_name(&self) -> Option<Position> {
        let names = self.shard.plan().receive.design == ReceiveDesign::Rtm && self.connected_before;
        names.then(|| self.last_event.unwrap_or(Position(0)))
    }

    /// Begins what the connection owes that was just confirmed.
    pub(super) fn begin_owed(&mut self, held: &mut Held) {
        let Some((kind, since_us)) = self.owed.take() else { return };
        if let Some(fetches) = &mut self.fetches {
            return fetches.heal(since_us);
        }
        let reads = match self.shard.plan().receive.design {
            ReceiveDesign::Ws => true,
            // A connection that could not be resumed is sent nothing again.
            ReceiveDesign::Rtm => {
                self.wired.as_mut().is_some_and(|wired| std::mem::take(&mut wired.unread) || !wired.resumes)
            }
            _ => false,
        };
        if !reads || !self.shard.plan().capabilities.history {
            return;
        }
        let channels = match &*self.phase.borrow() {
            Phase::Drain(stored) if kind == CatchUpKind::Drain => missing_channels(&self.log.borrow(), stored),
            _ => self.log.borrow().channels().collect(),
        };
        held.healing_since_us = since_us;
        held.catch_up = Some(CatchUpTask::spawn(&self.shard, self.user, &self.log, channels, kind));
    }

    pub(super) fn caught_up(&mut self, held: &mut Held, reached: bool) {
        let Some(task) = held.catch_up.take() else { return };
        let now_us = self.shard.now_us();
        if !reached {
            self.shard.count(|counters| counters.failed_catch_ups += 1);
            self.wired.iter_mut().for_each(|wired| wired.unread |= task.kind == CatchUpKind::Policy);
        } else if task.kind == CatchUpKind::Policy {
            self.shard.record(LatencyKind::Heal, now_us.saturating_sub(held.healing_since_us));
        }
        if task.kind == CatchUpKind::Drain {
            self.finish_drain();
        }
        self.heal_gap_again(held);
    }

    /// A connection is left: a catch-up that it cuts off is owed by the next one.
    pub(super) fn note_unread(&mut self, held: &Held) {
        let cut_off = held.catch_up.as_ref().is_some_and(|task| task.kind == CatchUpKind::Policy);
        self.wired.iter_mut().for_each(|wired| wired.unread |= std::mem::take(&mut wired.gap_again) || cut_off);
    }

    /// In the drain, once no catch-up is under way: a subscriber that still
    /// misses something catches up. The default design reconnects for it; the
    /// connection of any other stays, so that nothing is sent to it again.
    pub(super) fn continue_drain(&mut self, held: &mut Held) -> Option<Parted> {
        if !held.armed || self.shard.now_us() < self.settles_us || held.catch_up.is_some() {
            return None;
        }
        let missing = self.missing_in_drain()?;
        if self.shard.plan().receive.design == ReceiveDesign::Ws {
            let (end, owed) = (ConnectionEnd::ChosenClose, CatchUpKind::Drain);
            return Some(Parted { end, away_us: 0, owed, half_open_us: 0 });
        }
        held.catch_up = Some(self.read_in_drain(missing));
        None
    }

    /// In the drain, once the design's own reads are over, the channels of which
    /// something is still missing; a subscriber that misses nothing has finished
    /// it.
    pub(super) fn missing_in_drain(&mut self) -> Option<Vec<ChannelId>> {
        let fetching = self.fetches.as_ref().is_some_and(|fetches| !fetches.is_idle());
        let processing = self.app.as_ref().is_some_and(|app| !app.is_idle());
        if self.drained || fetching || processing || !self.absences.are_over() {
            return None;
        }
        let missing = match &*self.phase.borrow() {
            Phase::Drain(stored) => missing_channels(&self.log.borrow(), stored),
            _ => return None,
        };
        if missing.is_empty() {
            self.finish_drain();
            return None;
        }
        Some(missing)
    }

    pub(super) fn read_in_drain(&self, channels: Vec<ChannelId>) -> CatchUpTask {
        CatchUpTask::spawn(&self.shard, self.user, &self.log, channels, CatchUpKind::Drain)
    }

    pub(super) fn finish_drain(&mut self) {
        if !std::mem::replace(&mut self.drained, true) {
            self.shard.count(|counters| counters.drained += 1);
        }
    }

    pub(super) fn draining(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Drain(_) | Phase::End)
    }
}
