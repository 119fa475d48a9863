//! A subscriber's view: its connections, and a window for each channel of
//! which it has seen anything.

use super::window::{LiveArrival, StreamWindow};
use crate::model::{ChannelId, MessageRef, Position, UserId};
use serde::{Deserialize, Serialize};

/// Everything one subscriber saw.
// In C's order: what every push needs stands first, beside the counts of an `Rc` and a
// `RefCell`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[repr(C)]
#[serde(try_from = "Stored")]
pub struct SubscriberLog {
    /// A window for each channel of which anything was seen, in the order of
    /// the first sight.
    pub windows: Vec<StreamWindow>,
    /// Frames that carried a message of the run, copies included, leaked ones
    /// not.
    pub message_frames: u64,
    /// The subscriber.
    pub user: UserId,
    /// The channels that it is a member of, sorted, and the rank of each one's
    /// window: a channel of which nothing was seen costs these eight bytes.
    members: Box<[(ChannelId, u32)]>,
    /// Its connections in their order.
    pub connections: Vec<Connection>,
    /// The times at which it was not, or not surely, a member of a channel, in
    /// the order of their begin.
    pub absences: Vec<Absence>,
}

/// A member left a channel and joined it again. Times are µs since the start
/// of the run. Between the request of a call and its answer nobody can say
/// what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The channel.
    pub channel: ChannelId,
    /// When the request to leave was written.
    pub leaving_us: u64,
    /// When it was answered.
    pub left_us: Option<u64>,
    /// When the request to join was written.
    pub joining_us: Option<u64>,
    /// When it was answered.
    pub joined_us: Option<u64>,
}

/// The rank of a window that does not exist yet.
const NONE: u32 = u32::MAX;

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

impl SubscriberLog {
    /// An empty log for the given channels, which are sorted.
    pub fn new(user: UserId, channels: impl IntoIterator<Item = ChannelId>) -> Self {
        let members = channels.into_iter().map(|channel| (channel, NONE)).collect();
        Self { user, members, windows: Vec::new(), connections: Vec::new(), absences: Vec::new(), message_frames: 0 }
    }

    /// The channels that the subscriber is a member of, ascending, whether or
    /// not it has seen anything of them.
    pub fn channels(&self) -> impl ExactSizeIterator<Item = ChannelId> + '_ {
        self.members.iter().map(|(channel, _)| *channel)
    }

    /// Whether the subscriber is a member of a channel.
    pub fn is_member(&self, channel: ChannelId) -> bool {
        self.members.binary_search_by_key(&channel, |member| member.0).is_ok()
    }

    /// The window of a channel; `None` if the subscriber is not a member or
    /// has seen nothing of it.
    pub fn window(&self, channel: ChannelId) -> Option<&StreamWindow> {
        let member = self.members.binary_search_by_key(&channel, |member| member.0).ok()?;
        self.windows.get(self.members[member].1 as usize)
    }

    /// The window of a channel, to write to; `None` if the subscriber is not a
    /// member.
    #[inline]
    pub fn window_mut(&mut self, channel: ChannelId) -> Option<&mut StreamWindow> {
        // One channel for all is what large fan-outs are made of.
        if let [only] = &*self.windows
            && only.channel == channel
        {
            return self.windows.first_mut();
        }
        let member = self.members.binary_search_by_key(&channel, |member| member.0).ok()?;
        let rank = self.members[member].1;
        if rank == NONE {
            return Some(self.add_window(member));
        }
        self.windows.get_mut(rank as usize)
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

    /// The request to leave a channel is written; the rank of the absence.
    pub fn leaving(&mut self, channel: ChannelId, at_us: u64) -> usize {
        let absence = Absence { channel, leaving_us: at_us, left_us: None, joining_us: None, joined_us: None };
        self.absences.push(absence);
        self.absences.len() - 1
    }

    /// A pushed copy of a message of a channel that the subscriber is a member
    /// of; `None` if it is not a member.
    #[inline]
    pub fn pushed(&mut self, message: MessageRef, position: Option<Position>, at_us: u64) -> Option<LiveArrival> {
        let window = self.window_mut(message.channel)?;
        let arrival = window.pushed(message.index, position, at_us);
        self.message_frames += 1;
        Some(arrival)
    }

    /// Bytes on the heap, as they were asked for.
    pub fn heap_bytes(&self) -> usize {
        size_of_val(&*self.members)
            + self.windows.capacity() * size_of::<StreamWindow>()
            + self.windows.iter().map(StreamWindow::heap_bytes).sum::<usize>()
            + self.connections.capacity() * size_of::<Connection>()
            + self.absences.capacity() * size_of::<Absence>()
    }

    #[cold]
    fn add_window(&mut self, member: usize) -> &mut StreamWindow {
        if self.windows.len() == self.windows.capacity() {
            // A doubling would cost more than all windows of a small log.
            let room = self.members.len() - self.windows.len();
            self.windows.reserve_exact((1 + self.windows.len() / 4).min(room));
        }
        self.members[member].1 = self.windows.len() as u32;
        self.windows.push(StreamWindow::new(self.members[member].0));
        self.windows.last_mut().expect("it was pushed just now")
    }
}

/// A log as it is serialised.
#[derive(Deserialize)]
struct Stored {
    user: UserId,
    channels: Vec<ChannelId>,
    windows: Vec<StreamWindow>,
    connections: Vec<Connection>,
    absences: Vec<Absence>,
    message_frames: u64,
}

#[derive(Serialize)]
struct Storing<'l> {
    user: UserId,
    channels: Vec<ChannelId>,
    windows: &'l [StreamWindow],
    connections: &'l [Connection],
    absences: &'l [Absence],
    message_frames: u64,
}

impl Serialize for SubscriberLog {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { user, windows, connections, absences, message_frames, .. } = self;
        let (user, message_frames) = (*user, *message_frames);
        Storing { user, channels: self.channels().collect(), windows, connections, absences, message_frames }
            .serialize(serializer)
    }
}

impl TryFrom<Stored> for SubscriberLog {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        if !stored.channels.is_sorted_by(|one, next| one < next) {
            return Err("channels of a subscriber that are not ascending");
        }
        let mut log = Self::new(stored.user, stored.channels);
        for (rank, window) in stored.windows.iter().enumerate() {
            let member = log.members.binary_search_by_key(&window.channel, |member| member.0);
            let member = member.map_err(|_| "a window of a channel that the subscriber is not in")?;
            if std::mem::replace(&mut log.members[member].1, rank as u32) != NONE {
                return Err("two windows of one channel");
            }
        }
        let Stored { windows, connections, absences, message_frames, .. } = stored;
        Ok(Self { windows, connections, absences, message_frames, ..log })
    }
}

#[cfg(test)]
mod tests;
