//! The index that every finding rests on: for each message its sender's row,
//! the copies that history holds, and whether anybody saw it.
//!
//! `P` of the definitions, what is stored, is the union of all final reads and
//! point reads: a row that one of them showed was stored, whatever the others
//! say.

mod message;

pub(super) use message::{Message, StoredCopy};

use super::coverage::Coverage;
use super::{Input, changes};
use crate::ledger::{FinalRead, HistoryRow, SendRow};
use crate::model::{ChannelId, KeyCodec, MessageKey, MessageRef, Position, RunId, SendState, UserId};
use std::collections::{BTreeMap, HashMap};

/// Everything known about every message, by channel and index.
pub(super) struct Truth<'a> {
    /// By channel id.
    pub(super) channels: Vec<Channel<'a>>,
    /// Messages that showed up somewhere and were never sent there.
    pub(super) strays: BTreeMap<MessageRef, Stray>,
    /// The codec of the run's keys.
    pub(super) keys: KeyCodec,
    load_start_us: u64,
    /// The target has a history: without one, what it acknowledged is P.
    pub(super) has_history: bool,
}

/// A message that showed up where it was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stray {
    /// No attempt was ever made.
    NeverSent,
    /// It stands in the history of this channel, and was sent to another.
    Elsewhere(ChannelId),
}

/// One channel.
#[derive(Default)]
pub(super) struct Channel<'a> {
    /// Its messages by index; an index without a row of the sender log is
    /// empty.
    pub(super) messages: Vec<Message<'a>>,
    /// Its complete final reads by their number.
    pub(super) complete: Vec<&'a FinalRead>,
    /// All its final reads by their number.
    pub(super) reads: Vec<&'a FinalRead>,
    /// The indices of its stored messages by their position.
    pub(super) by_position: Vec<u32>,
    /// Before this position, history is declared truncated.
    truncated_before: Option<Position>,
    acknowledged_ids: HashMap<&'a str, u32>,
}

/// Whose a row of the history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A message of the channel, recognised by echoed key or text.
    Recognised(u32),
    /// A message of the channel, known by its acknowledged id only.
    ById(u32),
    /// A message that was never sent to this channel.
    Stray(MessageRef, Stray),
    /// Not a message of the run.
    Nobody,
}

impl<'a> Channel<'a> {
    /// Whether P is known: two complete final reads with different page sizes,
    /// because a paging bug hides different messages at different sizes.
    pub(super) fn is_known(&self) -> bool {
        self.complete.len() >= 2
    }

    /// Whether the target itself says that it no longer holds the message, or
    /// may no longer hold it: without a position nobody can tell.
    pub(super) fn is_truncated(&self, message: &Message) -> bool {
        let position = message.position().or(message.send.and_then(|send| send.position));
        match (self.truncated_before, position) {
            (None, _) => false,
            (Some(bound), Some(position)) => position < bound,
            (Some(_), None) => true,
        }
    }

    /// Whether the channel's members are entitled to the message: P without
    /// what was refused (that it is stored is a finding of its own), and
    /// without what the target declares truncated.
    pub(super) fn is_entitled(&self, message: &Message) -> bool {
        message.is_stored() && !message.erased && !message.is(SendState::Rejected) && !self.is_truncated(message)
    }

    /// Not in P, and neither deleted nor declared truncated, nor too late.
    pub(super) fn is_gone(&self, message: &Message) -> bool {
        !message.is_stored() && !message.erased && !self.is_truncated(message) && !self.is_too_late(message)
    }

    /// Absent, and acknowledged when the last complete read had begun: it may
    /// have been stored behind that read's back, and nobody can say that it is
    /// lost.
    pub(super) fn is_too_late(&self, message: &Message) -> bool {
        let lands_after = |read: &&FinalRead| message.may_land_after(read.written_us);
        !message.is_stored() && !message.not_found && self.complete.last().is_some_and(lands_after)
    }

    /// Acknowledged, and in no history read ever.
    pub(super) fn is_lost(&self, message: &Message) -> bool {
        message.is(SendState::Acknowledged) && self.is_gone(message) && !self.is_vanished(message)
    }

    /// A message that was seen in a history read and is gone.
    pub(super) fn is_vanished(&self, message: &Message) -> bool {
        message.in_pages && message.was_tried() && self.is_gone(message)
    }

    /// Whose a row is: by the echoed key or the text, else by the acknowledged
    /// id, so that a mangled text is not taken for a loss.
    pub(super) fn owner(&self, id: ChannelId, row: &HistoryRow) -> Owner {
        let Some(named) = row.message else {
            return self.by_acknowledged_id(&row.server_id).map_or(Owner::Nobody, Owner::ById);
        };
        if named.channel != id {
            return Owner::Stray(named, Stray::Elsewhere(id));
        }
        match self.messages.get(named.index as usize) {
            Some(message) if message.was_tried() => Owner::Recognised(named.index),
            _ => Owner::Stray(named, Stray::NeverSent),
        }
    }

    /// The message that was acknowledged with this id, the first if several
    /// were.
    pub(super) fn by_acknowledged_id(&self, server_id: &str) -> Option<u32> {
        self.acknowledged_ids.get(server_id).copied()
    }

    /// The messages with their indices.
    pub(super) fn indexed(&self) -> impl Iterator<Item = (u32, &Message<'a>)> {
        (0..).zip(&self.messages)
    }

    /// The messages of each sender, ascending by index.
    pub(super) fn by_sender(&self) -> BTreeMap<UserId, Vec<u32>> {
        let mut all: BTreeMap<UserId, Vec<u32>> = BTreeMap::new();
        for (index, message) in self.indexed() {
            if let Some(send) = message.send {
                all.entry(send.user).or_default().push(index);
            }
        }
        all
    }
}

impl<'a> Truth<'a> {
    /// Indexes a merged ledger.
    pub(super) fn new(input: &Input<'a>) -> Self {
        let mut truth = Self {
            channels: Vec::new(),
            strays: BTreeMap::new(),
            keys: KeyCodec::new(RunId(input.record.run_number), input.plan.key_layout),
            load_start_us: input.record.load_start_us,
            has_history: input.plan.capabilities.history,
        };
        truth.add_sends(&input.ledger.sends);
        changes::mark_erased(&mut truth, &input.ledger.changes);
        truth.add_final_reads(input);
        truth.add_point_reads(input);
        truth.add_sightings(input);
        for channel in &mut truth.channels {
            channel.order_by_position();
        }
        if input.record.killed {
            // The last checkpoints of two shards are not of one instant: what a
            // subscriber has may be ahead of what its sender has noted.
            truth.strays.retain(|_, stray| *stray != Stray::NeverSent);
        }
        truth
    }

    /// A message, if its channel and index are known.
    pub(super) fn message(&self, message: MessageRef) -> Option<&Message<'a>> {
        self.channels.get(message.channel.0 as usize)?.messages.get(message.index as usize)
    }

    /// The channel in which a message stands that its own channel has lost.
    pub(super) fn astray(&self, message: MessageRef) -> Option<ChannelId> {
        let Stray::Elsewhere(other) = *self.strays.get(&message)? else { return None };
        let channel = self.channels.get(message.channel.0 as usize).filter(|channel| channel.is_known())?;
        channel.is_lost(channel.messages.get(message.index as usize)?).then_some(other)
    }

    /// The key of a row of the sender log.
    pub(super) fn key(&self, send: &SendRow) -> MessageKey {
        self.keys.encode(send.message, send.intended_us.saturating_sub(self.load_start_us))
    }

    /// The channels with their ids.
    pub(super) fn channels(&self) -> impl Iterator<Item = (ChannelId, &Channel<'a>)> {
        (0..).map(ChannelId).zip(&self.channels)
    }

    /// The channels of which P is known.
    pub(super) fn known(&self) -> impl Iterator<Item = (ChannelId, &Channel<'a>)> {
        self.channels().filter(|(_, channel)| channel.is_known())
    }

    /// Why no finding that rests on P can be checked; `None` where one can.
    pub(super) fn unknown_because(&self) -> Option<&'static str> {
        let none = self.known().next().is_none();
        none.then_some("no channel has two complete final reads: what is stored is not known")
    }

    /// Channels with messages of which P is not known, and all with messages.
    pub(super) fn unread_channels(&self) -> (u64, u64) {
        let with_messages = || self.channels.iter().filter(|channel| !channel.messages.is_empty());
        (with_messages().filter(|channel| !channel.is_known()).count() as u64, with_messages().count() as u64)
    }

    /// Acknowledged messages that may have been stored behind the final reads.
    pub(super) fn too_late(&self) -> u64 {
        let late = |(_, channel): (_, &Channel)| channel.messages.iter().filter(|it| channel.is_too_late(it)).count();
        self.known().map(late).sum::<usize>() as u64
    }

    fn channel_mut(&mut self, id: ChannelId) -> &mut Channel<'a> {
        let rank = id.0 as usize;
        if rank >= self.channels.len() {
            self.channels.resize_with(rank + 1, Channel::default);
        }
        &mut self.channels[rank]
    }

    fn add_sends(&mut self, sends: &'a [SendRow]) {
        for send in sends {
            let channel = self.channel_mut(send.message.channel);
            let index = send.message.index as usize;
            if index >= channel.messages.len() {
                channel.messages.resize_with(index + 1, Message::default);
            }
            channel.messages[index].send = Some(send);
        }
        for channel in &mut self.channels {
            channel.index_acknowledged_ids();
        }
    }

    fn add_final_reads(&mut self, input: &Input<'a>) {
        let mut reads: Vec<&FinalRead> = input.ledger.final_reads.iter().collect();
        reads.sort_by_key(|read| (read.number, read.written_us));
        for read in reads {
            let channel = self.channel_mut(read.channel);
            channel.reads.push(read);
            if read.failure.is_none() {
                channel.complete.push(read);
            }
            channel.truncated_before = channel.truncated_before.max(read.truncated_before);
            let owners: Vec<Owner> = read.rows.iter().map(|row| channel.owner(read.channel, row)).collect();
            for (row, owner) in read.rows.iter().zip(owners) {
                self.add_row(read.channel, row, owner, Some(read.ended_us));
            }
        }
    }

    fn add_point_reads(&mut self, input: &Input<'a>) {
        // In an order of their own: that of the shards must not show.
        let found = input.ledger.point_reads.iter().filter_map(|read| Some((read, read.row.as_ref()?)));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|(read, row)| (read.written_us, read.message, row.position, &row.server_id));
        for (read, row) in found {
            let id = read.message.channel;
            let owner = self.channel_mut(id).owner(id, row);
            self.add_row(id, row, owner, None);
        }
        for read in input.ledger.point_reads.iter().filter(|read| read.row.is_none()) {
            let channel = self.channel_mut(read.message.channel);
            if let Some(message) = channel.messages.get_mut(read.message.index as usize) {
                message.not_found |= !message.may_land_after(read.written_us);
            }
        }
    }

    fn add_row(&mut self, id: ChannelId, row: &'a HistoryRow, owner: Owner, shown_us: Option<u64>) {
        match owner {
            Owner::Recognised(index) | Owner::ById(index) => {
                let message = &mut self.channel_mut(id).messages[index as usize];
                if !message.has_copy(&row.server_id) {
                    message.copies.push(StoredCopy { server_id: &row.server_id, position: row.position });
                }
                message.shown_us = message.shown_us.into_iter().chain(shown_us).min();
            }
            Owner::Stray(message, stray) => {
                self.add_stray(message, stray);
            }
            Owner::Nobody => {}
        }
    }

    /// Notes who was seen by subscribers: pushed, or read from history.
    fn add_sightings(&mut self, input: &Input<'a>) {
        let mut pushed = Coverage::default();
        let mut read = Coverage::default();
        for window in input.ledger.subscribers.iter().flat_map(|log| &log.windows) {
            pushed.add(window.channel, &window.live());
            read.add(window.channel, window.caught_up());
            read.add(window.channel, window.drained());
        }
        for page in &input.ledger.pages {
            read.add(page.channel, &page.messages);
            let channel = self.channel_mut(page.channel);
            for index in page.unrecognised.iter().filter_map(|id| channel.acknowledged_ids.get(&**id)) {
                channel.messages[*index as usize].in_pages = true;
            }
        }
        for &(message, channel) in input.ledger.facts.elsewhere.keys() {
            self.add_stray(message, Stray::Elsewhere(channel));
        }
        for (message, count) in pushed.counts() {
            self.sighted(message, |known| known.pushes = count);
        }
        for (message, _) in read.counts() {
            self.sighted(message, |known| known.in_pages = true);
        }
    }

    /// A message that stands elsewhere is not excused by having been seen at
    /// home too, whichever was noted first.
    fn add_stray(&mut self, message: MessageRef, stray: Stray) {
        self.strays.entry(message).and_modify(|known| *known = stray.max(*known)).or_insert(stray);
    }

    fn sighted(&mut self, message: MessageRef, note: impl FnOnce(&mut Message)) {
        match self.channel_mut(message.channel).messages.get_mut(message.index as usize) {
            Some(known) if known.was_tried() => note(known),
            _ => {
                self.add_stray(message, Stray::NeverSent);
            }
        }
    }
}

impl<'a> Channel<'a> {
    fn index_acknowledged_ids(&mut self) {
        let acknowledged = |(index, message): (u32, &Message<'a>)| {
            let send = message.send?;
            Some((send.acknowledged_us?, index, send.server_id.as_deref()?))
        };
        let mut all: Vec<(u64, u32, &'a str)> = (0..).zip(&self.messages).filter_map(acknowledged).collect();
        all.sort_unstable();
        for (_, index, server_id) in all {
            self.acknowledged_ids.entry(server_id).or_insert(index);
        }
    }

    fn order_by_position(&mut self) {
        let mut stored: Vec<(Position, u32)> =
            self.indexed().filter_map(|(index, message)| Some((message.position()?, index))).collect();
        stored.sort_unstable();
        self.by_position = stored.into_iter().map(|(_, index)| index).collect();
        for (rank, &index) in (0..).zip(&self.by_position) {
            self.messages[index as usize].rank = rank;
        }
    }
}
