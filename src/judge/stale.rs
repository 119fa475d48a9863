//! `stale_read`: a page whose request was written strictly after a message's
//! acknowledgement, that covers the message's position, and does not show it.
//!
//! A page covers what lies strictly between its least and greatest row, and,
//! if its end is open, everything past its greatest row (past the asked bound,
//! if it is empty). It does not cover what lies between the asked bound and
//! its least row: earlier pages of the same traversal had that.

use super::Input;
use super::summary::FindingClass::{Info, Zero};
use super::tally::{Instance, Tally};
use super::truth::{Channel, Message, Truth};
use crate::ledger::PageRecord;
use crate::model::{FindingKind, MessageRef, Position, SendState, UserId};
use crate::plan::Positions;
use std::collections::{BTreeMap, HashSet};

/// The stored, acknowledged messages of one channel by position.
struct Timeline {
    positions: Vec<Position>,
    indices: Vec<u32>,
    acknowledged_us: Vec<u64>,
    /// The earliest acknowledgement at this rank or later: past it, no request
    /// is late enough.
    earliest_from: Vec<u64>,
}

/// Judges every page that a subscriber read. What the catch-up never brought
/// is `unhealed`, and not stale too.
pub(super) fn stale_read(input: &Input, truth: &Truth, passed_over: &HashSet<(UserId, MessageRef)>) -> Tally {
    let class = if input.plan.capabilities.read_after_ack { Zero } else { Info };
    let mut tally = Tally::new(FindingKind::StaleRead, class, "acknowledged messages within pages of catch-up")
        .unless(truth.unread_because())
        .unless(positions_missing(input.plan.capabilities.positions));
    let timelines: Vec<Timeline> = truth.channels.iter().map(Timeline::new).collect();
    let mut stale: BTreeMap<(UserId, MessageRef), Instance> = BTreeMap::new();
    for page in &input.ledger.pages {
        let rank = page.channel.0 as usize;
        let (Some(channel), Some(timeline)) = (truth.channels.get(rank), timelines.get(rank)) else { continue };
        let by_id: HashSet<u32> = page.unrecognised.iter().filter_map(|id| channel.by_acknowledged_id(id)).collect();
        timeline.covered(&page, |index| {
            tally.could_have(1);
            let message = MessageRef { channel: page.channel, index };
            let shown = page.messages.contains(index) || by_id.contains(&index);
            if shown || passed_over.contains(&(page.reader, message)) {
                return;
            }
            let instance = Instance::seen(page.written_us).message(message).subscriber(page.reader);
            let instance = instance.note("acknowledged before the page was asked for, and not on it");
            let first = stale.entry((page.reader, message));
            first.and_modify(|first| *first = instance.clone().min(first.clone())).or_insert(instance);
        });
    }
    stale.into_values().for_each(|instance| tally.add(instance));
    tally
}

/// Without a position of its own for each message, nobody can tell what a page
/// should show.
fn positions_missing(positions: Positions) -> Option<&'static str> {
    match positions {
        Positions::Unique => None,
        Positions::Coarse => Some("two messages of the target may have one position"),
        Positions::None => Some(NO_POSITIONS),
    }
}

/// A finding that rests on positions that the target does not have.
pub(super) const NO_POSITIONS: &str = "the target has no positions";

impl Timeline {
    fn new(channel: &Channel) -> Self {
        let mut timeline =
            Self { positions: Vec::new(), indices: Vec::new(), acknowledged_us: Vec::new(), earliest_from: Vec::new() };
        if !channel.is_known() {
            return timeline;
        }
        for &index in &channel.by_position {
            let message: &Message = &channel.messages[index as usize];
            let acknowledged = message.send.filter(|send| send.state == SendState::Acknowledged);
            let acknowledged_us = acknowledged.and_then(|send| send.acknowledged_us);
            if let (Some(position), Some(acknowledged_us), true) =
                (message.position(), acknowledged_us, channel.is_entitled(message))
            {
                timeline.positions.push(position);
                timeline.indices.push(index);
                timeline.acknowledged_us.push(acknowledged_us);
            }
        }
        timeline.earliest_from = timeline.acknowledged_us.clone();
        for rank in (1..timeline.earliest_from.len()).rev() {
            timeline.earliest_from[rank - 1] = timeline.earliest_from[rank - 1].min(timeline.earliest_from[rank]);
        }
        timeline
    }

    /// Calls `each` with every message that the page should show.
    fn covered(&self, page: &PageRecord, mut each: impl FnMut(u32)) {
        let after = page.after.map_or(0, |after| self.past(after));
        let inside = match (page.lowest, page.highest) {
            (Some(lowest), Some(highest)) => {
                self.past(lowest).max(after)..self.positions.partition_point(|position| *position < highest)
            }
            _ => 0..0,
        };
        let beyond = if page.open_end {
            page.highest.map_or(after, |highest| self.past(highest)).max(after)
        } else {
            usize::MAX
        };
        let mut visit = |rank: usize| {
            if self.acknowledged_us[rank] < page.written_us {
                each(self.indices[rank]);
            }
        };
        inside.for_each(&mut visit);
        let late_enough = |rank: &usize| self.earliest_from[*rank] < page.written_us;
        (beyond..self.positions.len()).take_while(late_enough).for_each(&mut visit);
    }

    /// The rank of the first message past a position.
    fn past(&self, bound: Position) -> usize {
        self.positions.partition_point(|position| *position <= bound)
    }
}
