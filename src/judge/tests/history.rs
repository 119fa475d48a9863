//! A history as one would tell it: who said what, what was stored, pushed and
//! read. Times are ms since the start of the run; a position is a number, and
//! the server id of position 7 is "7".
//!
//! Unless told otherwise: the load lasts from 0 to 60 s, the final reads are
//! written at 90 s and 95 s and show the same rows, and the run ends at 120 s.

mod reading;
mod sending;

use super::plan::plan;
use crate::judge::{Input, RunSummary, TimedLatencies, judge};
use crate::ledger::{
    CatchUpKind, ConnectionEnd, FinalRead, FirstSeen, HistoryRow, Latencies, Leak, Ledger, PageRecord, PointRead,
    Reaction, Reordered, RowText, RunRecord, RunSet, SendRow, SubscriberLog,
};
use crate::model::{ChannelId, LatencyKind, MessageRef, Position, SendState, UserId};
use crate::plan::RunPlan;
use std::collections::BTreeMap;

/// A history under way.
pub(super) struct History {
    pub(super) plan: RunPlan,
    pub(super) record: RunRecord,
    pub(super) ledger: Ledger,
    pub(super) latencies: Latencies,
    pub(super) timed: TimedLatencies,
    next_index: BTreeMap<u32, u32>,
    rows: BTreeMap<(u32, u32), Vec<HistoryRow>>,
    positions: BTreeMap<MessageRef, u64>,
    reads: BTreeMap<u32, (u64, u64)>,
    failed: Vec<(u32, u32)>,
    truncated_before: BTreeMap<(u32, u32), u64>,
    repeated: Vec<(u32, u32, u64)>,
    stuck: Vec<(u32, u32)>,
    foreign: Vec<(u32, Box<str>, String)>,
    reactions: Vec<(u32, Reaction)>,
}

/// A message whose end is not told yet.
pub(super) struct Sending<'h> {
    history: &'h mut History,
    row: SendRow,
}

/// A page whose end is not told yet.
pub(super) struct Reading<'h> {
    history: &'h mut History,
    page: PageRecord,
}

impl History {
    pub(super) fn new() -> Self {
        let record = RunRecord {
            run_id: "by-hand".to_owned(),
            run_number: 7,
            load_end_us: 60_000_000,
            ended_us: 120_000_000,
            ..RunRecord::default()
        };
        Self {
            plan: plan(),
            record,
            ledger: Ledger::default(),
            latencies: Latencies::default(),
            timed: TimedLatencies::default(),
            next_index: BTreeMap::new(),
            rows: BTreeMap::new(),
            positions: BTreeMap::new(),
            reads: BTreeMap::from([(1, (90_000, 90_100)), (2, (95_000, 95_100))]),
            failed: Vec::new(),
            truncated_before: BTreeMap::new(),
            repeated: Vec::new(),
            stuck: Vec::new(),
            foreign: Vec::new(),
            reactions: Vec::new(),
        }
    }

    /// A message intended at an instant; its first byte leaves at once.
    pub(super) fn send(&mut self, sender: u32, channel: u32, at_ms: u64) -> Sending<'_> {
        let next = self.next_index.entry(channel).or_default();
        let message = MessageRef { channel: ChannelId(channel), index: *next };
        *next += 1;
        let mut row = SendRow::intended(message, UserId(sender), at_ms * 1_000);
        row.first_byte_us = Some(at_ms * 1_000);
        row.attempts = 1;
        Sending { history: self, row }
    }

    /// The usual: sent, acknowledged 10 ms later and stored at the position
    /// that is its intended time.
    pub(super) fn said(&mut self, sender: u32, channel: u32, at_ms: u64) -> MessageRef {
        let message = self.send(sender, channel, at_ms).acked(at_ms + 10, at_ms);
        self.stored(message, at_ms);
        message
    }

    /// A row of a message in every final read.
    pub(super) fn stored(&mut self, message: MessageRef, position: u64) {
        for number in self.reads.keys().copied().collect::<Vec<_>>() {
            self.stored_in(number, message, position);
        }
    }

    /// A row of a message in one final read.
    pub(super) fn stored_in(&mut self, number: u32, message: MessageRef, position: u64) {
        self.positions.insert(message, position);
        self.row(number, message.channel.0, row(position, Some(message), RowText::Intact));
    }

    /// Whether any final read has a row of the message.
    pub(super) fn is_stored(&self, message: MessageRef) -> bool {
        self.rows.values().flatten().any(|row| row.message == Some(message))
    }

    /// Every row of a message has another body.
    pub(super) fn stored_altered(&mut self, message: MessageRef) {
        let rows = self.rows.values_mut().flatten().filter(|row| row.message == Some(message));
        rows.for_each(|row| row.text = RowText::Altered);
    }

    /// In one final read, a message has the text of its edit of this ordinal.
    pub(super) fn edited_in(&mut self, number: u32, message: MessageRef, ordinal: u32) {
        let rows = self.rows.get_mut(&(message.channel.0, number)).into_iter().flatten();
        rows.filter(|row| row.message == Some(message)).for_each(|row| row.text = RowText::Edited(ordinal));
    }

    /// The row of a message at a position has the text as it was sent.
    pub(super) fn untouched_copy(&mut self, message: MessageRef, position: u64) {
        let rows = self.rows.values_mut().flatten();
        let rows = rows.filter(|row| row.message == Some(message) && row.position == Position(position));
        rows.for_each(|row| row.text = RowText::Intact);
    }

    /// A message is in no final read from one on.
    pub(super) fn removed_from(&mut self, number: u32, message: MessageRef) {
        for ((_, _), rows) in self.rows.iter_mut().filter(|((_, read), _)| *read >= number) {
            rows.retain(|row| row.message != Some(message));
        }
    }

    /// One final read shows the reaction of this ordinal.
    pub(super) fn reacted_in(&mut self, number: u32, message: MessageRef, ordinal: u32) {
        self.reactions.push((number, Reaction { message, ordinal }));
    }

    /// A row in one final read.
    pub(super) fn row(&mut self, number: u32, channel: u32, row: HistoryRow) {
        self.rows.entry((channel, number)).or_default().push(row);
    }

    /// A final read has a row with a text that the run cannot have made.
    pub(super) fn foreign_row(&mut self, number: u32, position: u64, text: &str) {
        self.row(number, 0, row(position, None, RowText::Foreign));
        self.foreign.push((number, position.to_string().into(), text.to_owned()));
    }

    /// Another final read of every channel.
    pub(super) fn final_read(&mut self, number: u32, written_ms: u64, ended_ms: u64) {
        self.reads.insert(number, (written_ms, ended_ms));
    }

    /// No final read at all.
    pub(super) fn without_final_reads(&mut self) {
        self.reads.clear();
    }

    /// A final read of a channel did not reach its end.
    pub(super) fn failed_read(&mut self, number: u32, channel: u32) {
        self.failed.push((number, channel));
    }

    /// The target declares everything before a position truncated.
    pub(super) fn truncated(&mut self, channel: u32, before: u64) {
        for number in self.reads.keys().copied().collect::<Vec<_>>() {
            self.truncated_in(number, channel, before);
        }
    }

    /// It says so in one final read.
    pub(super) fn truncated_in(&mut self, number: u32, channel: u32, before: u64) {
        self.truncated_before.insert((channel, number), before);
    }

    /// A final read returned a row more than once.
    pub(super) fn repeated(&mut self, number: u32, message: MessageRef) {
        self.repeated.push((number, message.channel.0, self.positions[&message]));
    }

    /// A page of a final read did not advance.
    pub(super) fn stuck(&mut self, number: u32, channel: u32) {
        self.stuck.push((number, channel));
    }

    /// A read of a message by its server id.
    pub(super) fn point_read(&mut self, message: MessageRef, row: Option<HistoryRow>) {
        self.ledger.point_reads.push(PointRead { message, written_us: 96_000_000, row });
    }

    /// A subscriber and its channels.
    pub(super) fn member(&mut self, user: u32, channels: &[u32]) {
        let channels = channels.iter().map(|&channel| ChannelId(channel));
        self.ledger.subscribers.push(SubscriberLog::new(UserId(user), channels));
    }

    /// A subscriber that is connected from the start of the run to 85 s.
    pub(super) fn listening(&mut self, user: u32, channels: &[u32]) {
        self.member(user, channels);
        self.connected(user, 0);
    }

    pub(super) fn connected(&mut self, user: u32, armed_ms: u64) {
        self.log(user).connected(armed_ms * 1_000);
    }

    pub(super) fn disconnected(&mut self, user: u32, noticed_ms: u64) {
        self.log(user).disconnected(noticed_ms * 1_000, ConnectionEnd::Lost);
    }

    /// A live copy 20 ms after the intended time, with its position.
    pub(super) fn pushed(&mut self, user: u32, message: MessageRef) {
        self.pushed_as(user, message, None);
    }

    /// A live copy whose frame carries a position.
    pub(super) fn pushed_as(&mut self, user: u32, message: MessageRef, position: Option<u64>) {
        let sent = self.ledger.sends.iter().find(|row| row.message == message);
        let at_us = sent.map_or(0, |row| row.intended_us) + 20_000;
        let arrival = self.log(user).pushed(message, position.map(Position), at_us).expect("a member");
        if arrival.first {
            self.latencies.record(LatencyKind::Delivery, 20_000);
        }
        if let Some(ahead) = arrival.behind {
            self.ledger.facts.reordered.push(Reordered { subscriber: UserId(user), message, ahead, at_us });
        }
    }

    /// A page that a subscriber reads by its own policy.
    pub(super) fn page(&mut self, reader: u32, channel: u32, written_ms: u64) -> Reading<'_> {
        let page = PageRecord {
            reader: UserId(reader),
            channel: ChannelId(channel),
            kind: CatchUpKind::Policy,
            written_us: written_ms * 1_000,
            after: None,
            lowest: None,
            highest: None,
            messages: RunSet::default(),
            unrecognised: Vec::new(),
            open_end: false,
            repeated_rows: 0,
            stuck: false,
        };
        Reading { history: self, page }
    }

    /// A page that shows one message, wherever it stands in the final reads.
    pub(super) fn seen_in_page(&mut self, reader: u32, message: MessageRef, position: u64) {
        self.positions.insert(message, position);
        self.page(reader, message.channel.0, position + 500).shows(&[message]).more();
    }

    pub(super) fn altered(&mut self, message: MessageRef, subscriber: u32) {
        let seen = FirstSeen { at_us: 1_000_000, subscriber: Some(UserId(subscriber)) };
        self.ledger.facts.altered(message, seen);
    }

    pub(super) fn elsewhere(&mut self, message: MessageRef, channel: u32) {
        let seen = FirstSeen { at_us: 1_000_000, subscriber: Some(UserId(1)) };
        self.ledger.facts.elsewhere(message, ChannelId(channel), seen);
    }

    pub(super) fn foreign(&mut self, text: &str) {
        self.ledger.facts.foreign(text, FirstSeen { at_us: 1_000_000, subscriber: None });
    }

    pub(super) fn leaked(&mut self, subscriber: u32, message: MessageRef, under: Option<u32>) {
        self.ledger.facts.leaked(UserId(subscriber), message, Leak { at_us: 1_000_000, under: under.map(ChannelId) });
    }

    /// What the judge is given.
    pub(super) fn finished(&self) -> (RunPlan, Ledger) {
        let (mut plan, mut ledger) = (self.plan.clone(), self.ledger.clone());
        plan.population.subscribers = ledger.subscribers.len() as u32;
        let mut channels: Vec<u32> = self.next_index.keys().copied().collect();
        channels.extend(self.rows.keys().map(|(channel, _)| *channel));
        channels.sort_unstable();
        channels.dedup();
        for (&number, &(written_ms, ended_ms)) in &self.reads {
            for &channel in &channels {
                let mut rows = self.rows.get(&(channel, number)).cloned().unwrap_or_default();
                rows.sort_by_key(|row| row.position);
                let repeated = self.repeated.iter().filter(|(n, c, _)| (*n, *c) == (number, channel));
                ledger.final_reads.push(FinalRead {
                    number,
                    channel: ChannelId(channel),
                    written_us: written_ms * 1_000,
                    ended_us: ended_ms * 1_000,
                    failure: self.failed.contains(&(number, channel)).then(|| "timed out".to_owned()),
                    rows,
                    repeated: repeated.map(|(.., position)| position.to_string().into()).collect(),
                    stuck_pages: self.stuck.iter().filter(|stuck| **stuck == (number, channel)).count() as u32,
                    foreign: self
                        .foreign
                        .iter()
                        .filter(|read| read.0 == number)
                        .map(|read| (read.1.clone(), read.2.clone()))
                        .collect(),
                    truncated_before: self.truncated_before.get(&(channel, number)).copied().map(Position),
                    reactions: self
                        .reactions
                        .iter()
                        .filter(|(read, reaction)| *read == number && reaction.message.channel.0 == channel)
                        .map(|(_, reaction)| *reaction)
                        .collect(),
                });
            }
        }
        (plan, ledger)
    }

    pub(super) fn judge(&self) -> RunSummary {
        let (plan, ledger) = self.finished();
        judge(&Input {
            plan: &plan,
            record: &self.record,
            ledger: &ledger,
            latencies: &self.latencies,
            timed: &self.timed,
        })
    }

    fn log(&mut self, user: u32) -> &mut SubscriberLog {
        self.ledger.subscribers.iter_mut().find(|log| log.user == UserId(user)).expect("a subscriber")
    }
}

/// A row of a final read.
pub(super) fn row(position: u64, message: Option<MessageRef>, text: RowText) -> HistoryRow {
    HistoryRow { server_id: position.to_string().into(), position: Position(position), message, text }
}
