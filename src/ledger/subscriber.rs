//! A subscriber's view: what arrived live, on which connection, and what was
//! obtained from history.

use super::run_set::{Arrival, RunSet};
use crate::model::{ChannelId, MessageRef, Position, UserId};
use serde::{Deserialize, Serialize};

/// Everything one subscriber saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubscriberLog {
    /// The subscriber.
    pub user: UserId,
    /// One window for each channel that it is a member of, by channel.
    pub windows: Vec<StreamWindow>,
    /// Its connections in their order.
    pub connections: Vec<Connection>,
    /// Frames that carried a message of the run, copies included, leaked ones
    /// not.
    pub message_frames: u64,
}

/// One connection of a subscriber. Times are µs since the start of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// When the target confirmed the subscription.
    pub armed_us: u64,
    /// When the client noticed that it had ended; `None` while it is open.
    pub noticed_us: Option<u64>,
    /// How it ended.
    pub end: ConnectionEnd,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionEnd {
    /// It is open.
    Open,
    /// The workload closed it, cleanly.
    ChosenClose,
    /// The workload reset it.
    ChosenReset,
    /// The target closed it or the transport broke.
    Lost,
    /// A heartbeat went unanswered.
    Dead,
    /// The client moved to another connection, and left this one half-open.
    HandedOff,
    /// The client stopped reading; it is the same connection that goes on.
    StoppedReading,
    /// The run ended.
    RunEnd,
}

/// What asked for a history page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUpKind {
    /// The client's own policy, after a reconnect.
    Policy,
    /// The final drain.
    Drain,
}

/// One (subscriber, channel).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamWindow {
    /// The channel.
    pub channel: ChannelId,
    /// First live copies of earlier connections: the set is frozen at each
    /// reconnect, so that a copy after it is told apart.
    live_before: RunSet,
    /// Live copies of the connection that is open, also those that an earlier
    /// connection had.
    live_current: RunSet,
    /// Obtained from history by the client's own policy.
    pub caught_up: RunSet,
    /// Obtained from history by the final drain.
    pub drained: RunSet,
    /// Further live copies on the connection of an earlier copy.
    pub duplicates_same_connection: u64,
    /// Further live copies on a later connection.
    pub duplicates_across_reconnect: u64,
    /// The first duplicates: index and arrival in µs; see
    /// [`StreamWindow::EXAMPLES`].
    pub duplicate_examples: Vec<(u32, u64)>,
    /// The newest position pushed on the open connection, and its message.
    newest_push: Option<(Position, u32)>,
    /// The newest position read from history, starting at the subscription.
    pub cursor: Option<Position>,
    /// When the request was written whose page was the last of the latest
    /// complete catch-up: everything visible then was offered to the client.
    pub reached_end_us: Option<u64>,
}

/// What a live copy turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveArrival {
    /// Whether it was the first live copy for this subscriber.
    pub first: bool,
    /// The index of the message that this first copy arrived behind.
    pub behind: Option<u32>,
}

impl SubscriberLog {
    /// An empty log for the given channels, which are sorted.
    pub fn new(user: UserId, channels: impl IntoIterator<Item = ChannelId>) -> Self {
        let windows = channels.into_iter().map(StreamWindow::new).collect();
        Self { user, windows, connections: Vec::new(), message_frames: 0 }
    }

    /// The window of a channel, if the subscriber is a member.
    pub fn window(&self, channel: ChannelId) -> Option<&StreamWindow> {
        let rank = self.windows.binary_search_by_key(&channel, |window| window.channel).ok()?;
        self.windows.get(rank)
    }

    /// The window of a channel, to write to.
    pub fn window_mut(&mut self, channel: ChannelId) -> Option<&mut StreamWindow> {
        let rank = self.windows.binary_search_by_key(&channel, |window| window.channel).ok()?;
        self.windows.get_mut(rank)
    }

    /// A subscription was confirmed: the live sets so far are frozen.
    pub fn connected(&mut self, armed_us: u64) {
        for window in &mut self.windows {
            window.freeze();
        }
        self.connections.push(Connection { armed_us, noticed_us: None, end: ConnectionEnd::Open });
    }

    /// The client reads the connection again that it had stopped reading: what
    /// was sent meanwhile need not have come live, and copies are still those
    /// of one connection.
    pub fn reads_again(&mut self, armed_us: u64) {
        self.connections.push(Connection { armed_us, noticed_us: None, end: ConnectionEnd::Open });
    }

    /// The open connection ended, as the client noticed it.
    pub fn disconnected(&mut self, noticed_us: u64, end: ConnectionEnd) {
        if let Some(connection) = self.connections.last_mut().filter(|last| last.end == ConnectionEnd::Open) {
            connection.noticed_us = Some(noticed_us);
            connection.end = end;
        }
    }

    /// A pushed copy of a message of a channel that the subscriber is a member
    /// of; `None` if it is not a member.
    pub fn pushed(&mut self, message: MessageRef, position: Option<Position>, at_us: u64) -> Option<LiveArrival> {
        let window = self.window_mut(message.channel)?;
        let arrival = window.pushed(message.index, position, at_us);
        self.message_frames += 1;
        Some(arrival)
    }
}

impl StreamWindow {
    /// How many duplicates of a window are kept as examples; all are counted.
    pub const EXAMPLES: usize = 4;

    /// An empty window.
    pub fn new(channel: ChannelId) -> Self {
        Self {
            channel,
            live_before: RunSet::default(),
            live_current: RunSet::default(),
            caught_up: RunSet::default(),
            drained: RunSet::default(),
            duplicates_same_connection: 0,
            duplicates_across_reconnect: 0,
            duplicate_examples: Vec::new(),
            newest_push: None,
            cursor: None,
            reached_end_us: None,
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

    /// Whether the index was obtained from history.
    pub fn is_obtained(&self, index: u32) -> bool {
        self.caught_up.contains(index) || self.drained.contains(index)
    }

    /// A row of this channel was read from history. Returns whether it is the
    /// first time that this subscriber has the message at all.
    pub fn read(&mut self, index: u32, kind: CatchUpKind) -> bool {
        let first = !self.is_live(index) && !self.is_obtained(index);
        match kind {
            CatchUpKind::Policy => self.caught_up.insert(index),
            CatchUpKind::Drain => self.drained.insert(index),
        };
        first
    }

    fn pushed(&mut self, index: u32, position: Option<Position>, at_us: u64) -> LiveArrival {
        let known_before = self.live_before.contains(index);
        let same_connection = self.live_current.insert(index) == Arrival::Duplicate;
        if same_connection || known_before {
            if same_connection {
                self.duplicates_same_connection += 1;
            } else {
                self.duplicates_across_reconnect += 1;
            }
            if self.duplicate_examples.len() < Self::EXAMPLES {
                self.duplicate_examples.push((index, at_us));
            }
            return LiveArrival { first: false, behind: None };
        }
        let mut behind = None;
        if let Some(position) = position {
            match self.newest_push {
                Some((newest, ahead)) if position < newest => behind = Some(ahead),
                _ => self.newest_push = Some((position, index)),
            }
        }
        LiveArrival { first: true, behind }
    }

    fn freeze(&mut self) {
        let current = std::mem::take(&mut self.live_current);
        self.live_before.union(&current);
        self.newest_push = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(index: u32) -> MessageRef {
        MessageRef { channel: ChannelId(1), index }
    }

    #[test]
    fn copies_are_told_apart_by_connection() {
        let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
        log.connected(0);
        for (index, first) in [(0, true), (1, true), (1, false)] {
            assert_eq!(log.pushed(message(index), None, 5).map(|arrival| arrival.first), Some(first));
        }
        log.disconnected(6, ConnectionEnd::Lost);
        log.connected(7);
        // A copy of an earlier connection, and then a copy of that copy.
        for (index, first) in [(1, false), (1, false), (2, true)] {
            assert_eq!(log.pushed(message(index), None, 8).map(|arrival| arrival.first), Some(first));
        }
        let window = log.window(ChannelId(1)).unwrap();
        assert_eq!((window.duplicates_same_connection, window.duplicates_across_reconnect), (2, 1));
        assert_eq!(window.live().len(), 3);
        assert_eq!(log.message_frames, 6);
        assert_eq!(log.pushed(MessageRef { channel: ChannelId(2), index: 0 }, None, 9), None, "not a member");
    }

    #[test]
    fn order_is_judged_within_one_connection_and_by_first_copies() {
        let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
        log.connected(0);
        let push = |log: &mut SubscriberLog, index, position| {
            log.pushed(message(index), Some(Position(position)), 1).unwrap().behind
        };
        assert_eq!(push(&mut log, 0, 10), None);
        assert_eq!(push(&mut log, 2, 30), None);
        assert_eq!(push(&mut log, 1, 20), Some(2), "behind message 2");
        assert_eq!(push(&mut log, 0, 10), None, "a duplicate is not a reordering");
        log.disconnected(2, ConnectionEnd::Lost);
        log.connected(3);
        assert_eq!(push(&mut log, 3, 15), None, "another connection starts anew");
    }

    #[test]
    fn history_is_kept_apart_from_pushes() {
        let mut log = SubscriberLog::new(UserId(0), [ChannelId(1)]);
        log.connected(0);
        log.pushed(message(0), None, 1);
        let window = log.window_mut(ChannelId(1)).unwrap();
        assert!(!window.read(0, CatchUpKind::Policy), "it had come live");
        assert!(window.read(1, CatchUpKind::Policy));
        assert!(!window.read(1, CatchUpKind::Drain));
        assert!(log.pushed(message(1), None, 2).unwrap().first, "a push after a catch-up is no duplicate push");
    }
}
