//! Who should have obtained what, as tables of one channel: E(s), entitled,
//! and L(s), should have come live.
//!
//! L(s) ⊆ E(s): the acknowledged messages whose first byte was written while a
//! connection of s was armed and whose acknowledgement lies at least the live
//! margin before the client noticed its end.

use super::truth::{Channel, Message};
use crate::ledger::{Connection, RunSet, SubscriberLog};
use crate::model::{SendState, UserId};
use std::collections::BTreeMap;

/// The tables of one channel of which P is known.
pub(super) struct Entitled {
    /// How many entitled messages have a smaller index, for each index and the
    /// end.
    before: Vec<u32>,
    /// (first byte, acknowledgement) of the messages that can be in L, by
    /// first byte.
    sent: Vec<(u64, u64)>,
    /// The acknowledgements of the same messages, ascending.
    acknowledged: Vec<u64>,
    /// The longest time from first byte to acknowledgement.
    longest_us: u64,
    /// The messages that nobody is entitled to for being their sender: empty
    /// where the target pushes to the sender too.
    own: BTreeMap<UserId, Vec<u32>>,
}

/// One connection as far as it counts: armed, and the latest acknowledgement
/// whose push must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LiveInterval {
    /// Armed.
    pub(super) armed_us: u64,
    /// Noticed, or the end of the run.
    pub(super) noticed_us: u64,
    /// Noticed less the live margin; `None` for a connection shorter than
    /// the margin, which owes nothing.
    until_us: Option<u64>,
}

impl LiveInterval {
    /// The intervals of a subscriber, by time. A connection of which nobody
    /// noticed the end ends where the next one begins, so that no message lies
    /// in two.
    pub(super) fn of(log: &SubscriberLog, ended_us: u64, margin_us: u64) -> Vec<Self> {
        let mut connections: Vec<&Connection> = log.connections.iter().collect();
        connections.sort_by_key(|connection| connection.armed_us);
        let next_armed = connections.iter().skip(1).map(|next| next.armed_us).chain([u64::MAX]);
        let interval = |(connection, next_us): (&&Connection, u64)| {
            let noticed_us = connection.noticed_us.unwrap_or(ended_us).min(next_us);
            Self { armed_us: connection.armed_us, noticed_us, until_us: noticed_us.checked_sub(margin_us) }
        };
        connections.iter().zip(next_armed).map(interval).collect()
    }

    /// What is left of the interval where the subscriber was away from a
    /// channel.
    pub(super) fn without(self, away_us: u64, back_us: u64, margin_us: u64) -> impl Iterator<Item = Self> {
        let before = (self.armed_us < away_us).then(|| {
            let noticed_us = self.noticed_us.min(away_us);
            Self { armed_us: self.armed_us, noticed_us, until_us: noticed_us.checked_sub(margin_us) }
        });
        let after = (self.noticed_us > back_us)
            .then(|| Self { armed_us: self.armed_us.max(back_us.saturating_add(1)), ..self });
        before.into_iter().chain(after)
    }

    /// The interval in which a message should have come live.
    pub(super) fn containing(intervals: &[Self], message: &Message) -> Option<Self> {
        let (first_byte_us, acknowledged_us) = sent(message)?;
        let after = intervals.partition_point(|interval| interval.armed_us <= first_byte_us);
        let interval = *intervals.get(after.checked_sub(1)?)?;
        interval.until_us.is_some_and(|until_us| acknowledged_us <= until_us).then_some(interval)
    }
}

impl Entitled {
    /// The tables of a channel.
    pub(super) fn new(channel: &Channel, own_push: bool) -> Self {
        let mut before = Vec::with_capacity(channel.messages.len() + 1);
        let mut own: BTreeMap<UserId, Vec<u32>> = BTreeMap::new();
        let mut all = Vec::new();
        let mut count = 0;
        for (index, message) in channel.indexed() {
            before.push(count);
            if !channel.is_entitled(message) {
                continue;
            }
            count += 1;
            all.extend(sent(message));
            if let Some(send) = message.send.filter(|_| !own_push) {
                own.entry(send.user).or_default().push(index);
            }
        }
        before.push(count);
        all.sort_unstable();
        let mut acknowledged: Vec<u64> = all.iter().map(|&(_, acknowledged_us)| acknowledged_us).collect();
        acknowledged.sort_unstable();
        let longest_us = all.iter().map(|(first_byte_us, acknowledged_us)| acknowledged_us - first_byte_us).max();
        Self { before, sent: all, acknowledged, longest_us: longest_us.unwrap_or(0), own }
    }

    /// |E(s)| in this channel.
    pub(super) fn count(&self, user: UserId) -> u64 {
        u64::from(self.total()) - self.own_of(user).len() as u64
    }

    /// |E(s) ∩ set|.
    pub(super) fn count_in(&self, user: UserId, set: &RunSet) -> u64 {
        let all: u64 = set.runs().map(|run| u64::from(self.up_to(run.end) - self.up_to(run.start))).sum();
        all - self.own_of(user).iter().filter(|index| set.contains(**index)).count() as u64
    }

    /// E(s) ∖ set, ascending.
    pub(super) fn missing<'e>(&'e self, user: UserId, set: &RunSet) -> impl Iterator<Item = u32> + use<'e> {
        let own = self.own_of(user);
        // At the end, and past it, nothing is entitled.
        let holes = set.holes(self.before.len() as u32).into_iter().flatten();
        holes.filter(move |&index| self.up_to(index + 1) > self.up_to(index) && own.binary_search(&index).is_err())
    }

    /// |L(s)| in this channel.
    pub(super) fn count_live(&self, user: UserId, intervals: &[LiveInterval], channel: &Channel) -> u64 {
        let all: u64 = intervals.iter().map(|interval| self.count_within(interval)).sum();
        let own = self.own_of(user).iter().map(|&index| &channel.messages[index as usize]);
        all - own.filter(|message| LiveInterval::containing(intervals, message).is_some()).count() as u64
    }

    /// How many were sent wholly inside an interval: those acknowledged in
    /// time, less those that were on their way when it began.
    fn count_within(&self, interval: &LiveInterval) -> u64 {
        let armed_us = interval.armed_us;
        let Some(until_us) = interval.until_us else { return 0 };
        let in_time = self.acknowledged.partition_point(|acknowledged_us| *acknowledged_us <= until_us);
        let earlier = self.sent.partition_point(|&(first_byte_us, _)| first_byte_us < armed_us);
        // Of the earlier ones, those acknowledged past the end were not in
        // time either. None is longer under way than the longest.
        let oldest_us = until_us.saturating_sub(self.longest_us);
        let from = self.sent.partition_point(|&(first_byte_us, _)| first_byte_us < oldest_us).min(earlier);
        let spanning = self.sent[from..earlier].iter().filter(|&&(_, acknowledged_us)| acknowledged_us > until_us);
        (in_time + spanning.count() - earlier) as u64
    }

    fn total(&self) -> u32 {
        self.before.last().copied().unwrap_or(0)
    }

    fn up_to(&self, index: u32) -> u32 {
        self.before.get(index as usize).copied().unwrap_or(self.total())
    }

    fn own_of(&self, user: UserId) -> &[u32] {
        self.own.get(&user).map_or(&[], Vec::as_slice)
    }
}

/// First byte and acknowledgement of an acknowledged message.
fn sent(message: &Message) -> Option<(u64, u64)> {
    let send = message.send.filter(|send| send.state == SendState::Acknowledged)?;
    let (first_byte_us, acknowledged_us) = (send.first_byte_us?, send.acknowledged_us?);
    Some((first_byte_us, acknowledged_us.max(first_byte_us)))
}
