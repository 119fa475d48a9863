//! What one subscriber has of one channel: what arrived live, on which
//! connection, and what was obtained from history.

use super::run_set::{Arrival, RunSet};
use crate::model::{ChannelId, Position};
use serde::{Deserialize, Serialize};

/// What asked for a history page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUpKind {
    /// The client's own policy, after a reconnect.
    Policy,
    /// The final drain.
    Drain,
}

/// One (subscriber, channel). Live and catch-up sets are apart.
// In C's order what every push needs stands in the first 48 bytes: mostly one
// cache line, and it counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(C)]
pub struct StreamWindow {
    /// The channel.
    pub channel: ChannelId,
    /// The message of `newest_position`; [`NO_PUSH`] where there is none.
    newest_index: u32,
    /// The newest position pushed on the open connection.
    newest_position: Position,
    /// Live copies of the connection that is open, also those that an earlier
    /// connection had.
    live_current: RunSet,
    /// First live copies of earlier connections: the set is frozen at each
    /// reconnect, so that a copy after it is told apart.
    live_before: RunSet,
    /// The newest position read from history, starting at the subscription.
    pub cursor: Option<Position>,
    /// When the request was written whose page was the last of the latest
    /// complete catch-up: everything visible then was offered to the client.
    pub reached_end_us: Option<u64>,
    /// What most windows never have.
    rare: Option<Box<Rare>>,
}

/// No index reaches it.
const NO_PUSH: u32 = u32::MAX;

/// What most windows never have: rows from history, and duplicates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rare {
    caught_up: RunSet,
    drained: RunSet,
    same_connection: u64,
    across_reconnect: u64,
    examples: Vec<(u32, u64)>,
}

/// What a live copy turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveArrival {
    /// Whether it was the first live copy for this subscriber.
    pub first: bool,
    /// The index of the message that this first copy arrived behind.
    pub behind: Option<u32>,
}

impl StreamWindow {
    /// How many duplicates of a window are kept as examples; all are counted.
    pub const EXAMPLES: usize = 4;

    /// An empty window.
    pub fn new(channel: ChannelId) -> Self {
        Self {
            channel,
            newest_index: NO_PUSH,
            newest_position: Position(0),
            live_current: RunSet::EMPTY,
            live_before: RunSet::EMPTY,
            cursor: None,
            reached_end_us: None,
            rare: None,
        }
    }

    /// All indices that arrived live.
    pub fn live(&self) -> RunSet {
        let mut live = self.live_before.clone();
        live.union(&self.live_current);
        live
    }

    /// Whether the index arrived live.
    pub fn is_live(&self, index: u32) -> bool {
        self.live_current.contains(index) || self.live_before.contains(index)
    }

    /// What was obtained from history by the client's own policy.
    pub fn caught_up(&self) -> &RunSet {
        self.rare.as_ref().map_or(&RunSet::EMPTY, |rare| &rare.caught_up)
    }

    /// What was obtained from history by the final drain.
    pub fn drained(&self) -> &RunSet {
        self.rare.as_ref().map_or(&RunSet::EMPTY, |rare| &rare.drained)
    }

    /// Further live copies on the connection of an earlier copy.
    pub fn duplicates_same_connection(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.same_connection)
    }

    /// Further live copies on a later connection.
    pub fn duplicates_across_reconnect(&self) -> u64 {
        self.rare.as_ref().map_or(0, |rare| rare.across_reconnect)
    }

    /// The first duplicates: index and arrival in µs; see
    /// [`StreamWindow::EXAMPLES`].
    pub fn duplicate_examples(&self) -> &[(u32, u64)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.examples)
    }

    /// Whether the index was obtained from history.
    pub fn is_obtained(&self, index: u32) -> bool {
        self.caught_up().contains(index) || self.drained().contains(index)
    }

    /// A row of this channel was read from history. Returns whether it is the
    /// first time that this subscriber has the message at all.
    pub fn read(&mut self, index: u32, kind: CatchUpKind) -> bool {
        let first = !self.is_live(index) && !self.is_obtained(index);
        let rare = self.rare.get_or_insert_default();
        match kind {
            CatchUpKind::Policy => rare.caught_up.insert(index),
            CatchUpKind::Drain => rare.drained.insert(index),
        };
        first
    }

    /// Duplicates that were counted elsewhere, with examples of them.
    pub fn add_duplicates(&mut self, same_connection: u64, across_reconnect: u64, examples: Vec<(u32, u64)>) {
        if same_connection + across_reconnect > 0 {
            let rare = self.rare.get_or_insert_default();
            rare.same_connection += same_connection;
            rare.across_reconnect += across_reconnect;
            rare.examples.extend(examples);
        }
    }

    /// Bytes on the heap, as they were asked for.
    pub fn heap_bytes(&self) -> usize {
        let rare = |rare: &Rare| {
            size_of::<Rare>()
                + rare.caught_up.heap_bytes()
                + rare.drained.heap_bytes()
                + rare.examples.capacity() * size_of::<(u32, u64)>()
        };
        self.live_current.heap_bytes() + self.live_before.heap_bytes() + self.rare.as_deref().map_or(0, rare)
    }

    #[inline]
    pub(super) fn pushed(&mut self, index: u32, position: Option<Position>, at_us: u64) -> LiveArrival {
        let known_before = self.live_before.contains(index);
        let same_connection = self.live_current.insert(index) == Arrival::Duplicate;
        if same_connection || known_before {
            self.note_duplicate(index, same_connection, at_us);
            return LiveArrival { first: false, behind: None };
        }
        let mut behind = None;
        if let Some(position) = position {
            if self.newest_index != NO_PUSH && position < self.newest_position {
                behind = Some(self.newest_index);
            } else {
                (self.newest_position, self.newest_index) = (position, index);
            }
        }
        LiveArrival { first: true, behind }
    }

    #[cold]
    fn note_duplicate(&mut self, index: u32, same_connection: bool, at_us: u64) {
        let rare = self.rare.get_or_insert_default();
        if same_connection {
            rare.same_connection += 1;
        } else {
            rare.across_reconnect += 1;
        }
        if rare.examples.len() < Self::EXAMPLES {
            rare.examples.push((index, at_us));
        }
    }

    pub(super) fn freeze(&mut self) {
        let current = std::mem::take(&mut self.live_current);
        if self.live_before.is_empty() {
            self.live_before = current;
        } else {
            self.live_before.union(&current);
        }
        (self.newest_position, self.newest_index) = (Position(0), NO_PUSH);
    }
}
