//! A random history as plain facts, and as a ledger.

use super::changes::{self, Changes};
use crate::judge::tests::plan::plan;
use crate::ledger::{
    CatchUpKind, ConnectionEnd, FinalRead, HistoryRow, Ledger, PageRecord, Reordered, RunRecord, RunSet, SendRow,
    SubscriberLog,
};
use crate::model::{ChannelId, MessageRef, Position, SendState, UserId};
use crate::plan::RunPlan;
use proptest::prelude::*;
use std::collections::HashMap;

/// Everything that happened. Times are ms since the start of the run.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) messages: Vec<Message>,
    pub(super) acts: Vec<Act>,
    pub(super) own_push: bool,
    pub(super) read_after_ack: bool,
    pub(super) lag_ms: u64,
    /// Of each channel: before this position it is truncated.
    pub(super) truncated: [Option<u64>; 2],
    /// The second final read of channel 1 fails.
    pub(super) failed: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) sender: u32,
    pub(super) channel: u32,
    pub(super) intended: u64,
    pub(super) first_byte: u64,
    pub(super) end: u64,
    pub(super) fate: Fate,
    pub(super) attempts: u32,
    /// The acknowledged id is a position.
    pub(super) acked_as: u64,
    pub(super) rows: Vec<Row>,
    pub(super) changes: Changes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Acked,
    Rejected,
    Unknown,
    Written,
    Unattempted,
    UnderWay,
}

#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Its id too.
    pub(super) position: u64,
    /// Whether final read 1, and 2, shows it.
    pub(super) reads: [bool; 2],
    pub(super) text: Text,
    /// It stands in the other channel.
    pub(super) elsewhere: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Intact,
    Altered,
    /// Nothing in it says whose it is.
    Mangled,
    /// The text of a change.
    Edited(u32),
}

/// Something that a subscriber does or sees.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) subscriber: usize,
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Connect,
    Disconnect,
    Push { message: usize, positioned: bool },
    Page { channel: u32, rows: Vec<usize>, after: Option<u64>, drain: bool, last: bool, repeated: u32, stuck: bool },
}

/// The user of each subscriber, and its channels. User 0 sends too.
pub(super) const SUBSCRIBERS: [(u32, &[u32]); 3] = [(0, &[0, 1]), (50, &[0]), (51, &[1])];
/// When the two final reads begin and end.
pub(super) const READS: [(u64, u64); 2] = [(200_000, 200_100), (230_000, 230_100)];
pub(super) const ENDED: u64 = 240_000;

type RowDraw = (u16, u8, u8, u8);
type MessageDraw = ((u8, u8, u16, u16, u16), (u8, u8, u8), Vec<RowDraw>);

fn message() -> impl Strategy<Value = MessageDraw> {
    let times = (0..3u8, 0..2u8, 1..600u16, 0..300u16, 1..2_500u16);
    let row = (0..3_000u16, 0..16u8, 0..12u8, 0..40u8);
    (times, (0..14u8, 1..4u8, 0..12u8), prop::collection::vec(row, 0..3))
}

fn act(messages: usize) -> impl Strategy<Value = Act> {
    let picks = prop::collection::vec(0..messages.max(1), 0..6);
    let page = (0..2u32, picks, prop::option::of(0..60_000u64), any::<bool>(), any::<bool>(), 0..8u32, 0..12u8)
        .prop_map(|(channel, rows, after, drain, last, repeated, stuck)| What::Page {
            channel,
            rows,
            after: after.map(|after| after * 1_000),
            drain,
            last,
            repeated: repeated.saturating_sub(5),
            stuck: stuck == 0,
        });
    let push = (0..messages.max(1), any::<bool>()).prop_map(|(message, positioned)| What::Push { message, positioned });
    let what = prop_oneof![2 => Just(What::Connect), 1 => Just(What::Disconnect), 12 => push, 3 => page];
    (0..SUBSCRIBERS.len(), 0..85_000u64, what).prop_map(|(subscriber, at, what)| Act { subscriber, at, what })
}

/// Off-by-one errors show where instants meet: half of the acts happen at the
/// very instant of a message, or a margin of the definitions later.
fn meet(act: &mut Act, messages: &[Message], lag_ms: u64) {
    let message = &messages[act.at as usize % messages.len()];
    act.at = match act.at / 7 % 12 {
        0 => message.end,
        1 => message.first_byte,
        2 => message.end + lag_ms.max(1_000),
        3 => message.end + lag_ms,
        4 => message.end + 1,
        _ => return,
    };
    if let What::Page { after: Some(after), .. } = &mut act.what
        && let Some(row) = message.rows.first()
    {
        *after = row.position;
    }
}

/// Any history.
pub(super) fn worlds() -> impl Strategy<Value = World> {
    let capabilities = (proptest::bool::ANY, proptest::bool::ANY, prop_oneof![Just(0u64), Just(1_500)]);
    let bound = || prop::option::weighted(0.15, 0..20_000u64);
    let drawn = prop::collection::vec(message(), 1..40);
    (drawn, changes::draws(40), capabilities, bound(), bound(), 0..12u8).prop_flat_map(
        |(draws, changes, (own_push, read_after_ack, lag_ms), one, other, failed)| {
            let mut messages = messages(&draws);
            changes::assign(&mut messages, &changes);
            prop::collection::vec(act(messages.len()), 40..180).prop_map(move |mut acts| {
                acts.iter_mut().for_each(|act| meet(act, &messages, lag_ms));
                acts.sort_by_key(|act| act.at);
                World {
                    messages: messages.clone(),
                    acts,
                    own_push,
                    read_after_ack,
                    lag_ms,
                    truncated: [one, other].map(|bound| bound.map(|bound| truncation(bound, &messages))),
                    failed: failed == 0,
                }
            })
        },
    )
}

/// A bound that is a row's position, where there is one.
fn truncation(draw: u64, messages: &[Message]) -> u64 {
    let row = messages[draw as usize % messages.len()].rows.first();
    row.map_or(draw * 1_000, |row| row.position)
}

fn messages(draws: &[MessageDraw]) -> Vec<Message> {
    let (mut intended, mut next_row) = (0, 0);
    let mut messages: Vec<Message> = Vec::new();
    for ((sender, channel, gap, delay, took), (fate, attempts, acked_as), rows) in draws {
        intended += u64::from(*gap);
        let fate = match fate {
            0..=7 => Fate::Acked,
            8 => Fate::Rejected,
            9 | 10 => Fate::Unknown,
            11 => Fate::Written,
            12 => Fate::Unattempted,
            _ => Fate::UnderWay,
        };
        let mut row = |&(shift, reads, text, elsewhere): &RowDraw| {
            // No two rows share a position.
            next_row += 1;
            Row {
                position: (intended + u64::from(shift)) * 1_000 + next_row,
                reads: match reads {
                    0 => [true, false],
                    1 => [false, true],
                    _ => [true, true],
                },
                text: changes::TEXTS.get(text as usize).copied().unwrap_or(Text::Intact),
                elsewhere: elsewhere == 0,
            }
        };
        let rows: Vec<Row> = rows.iter().map(&mut row).collect();
        let first = rows.first().map(|row| row.position);
        let acked_as = match acked_as {
            0 => intended * 1_000 + 999,
            1 => messages.last().and_then(|other| other.rows.first()).map_or(7, |row| row.position),
            _ => first.unwrap_or(intended * 1_000 + 998),
        };
        let first_byte = intended + u64::from(*delay);
        messages.push(Message {
            sender: (*sender).into(),
            channel: (*channel).into(),
            intended,
            first_byte,
            end: first_byte + u64::from(*took),
            fate,
            attempts: (*attempts).into(),
            acked_as,
            rows,
            changes: Changes::default(),
        });
    }
    messages
}

impl World {
    /// How many things happen in it.
    pub(super) fn events(&self) -> usize {
        self.acts.len() + self.messages.len()
    }

    /// The rank of a message in its channel.
    pub(super) fn reference(&self, message: usize) -> MessageRef {
        let channel = self.messages[message].channel;
        let earlier = self.messages[..message].iter().filter(|other| other.channel == channel);
        MessageRef { channel: ChannelId(channel), index: earlier.count() as u32 }
    }

    /// Where a page shows a message, if it does in this channel: at its first
    /// row there, or where a row was that is gone.
    pub(super) fn shown_at(&self, message: usize, channel: u32) -> Option<(u64, Text)> {
        let sent = &self.messages[message];
        let row = sent.rows.iter().find(|row| (sent.channel == channel) != row.elsewhere);
        match row {
            Some(row) => Some((row.position, row.text)),
            None => (sent.channel == channel).then_some((sent.intended * 1_000 + 997, Text::Intact)),
        }
    }

    pub(super) fn render(&self) -> (RunPlan, RunRecord, Ledger) {
        let mut plan = plan();
        plan.population.subscribers = SUBSCRIBERS.len() as u32;
        plan.capabilities.own_push = self.own_push;
        plan.capabilities.read_after_ack = self.read_after_ack;
        plan.capabilities.lag_us = self.lag_ms * 1_000;
        let record =
            RunRecord { run_number: 7, load_end_us: 60_000_000, ended_us: ENDED * 1_000, ..RunRecord::default() };
        let sends = (0..self.messages.len()).map(|message| self.send(message)).collect();
        let mut ledger = Ledger { sends, ..Ledger::default() };
        self.render_reads(&mut ledger);
        changes::render(self, &mut ledger);
        let mut logs: Vec<SubscriberLog> = SUBSCRIBERS
            .iter()
            .map(|(user, channels)| SubscriberLog::new(UserId(*user), channels.iter().map(|id| ChannelId(*id))))
            .collect();
        for act in &self.acts {
            self.render_act(&mut ledger, &mut logs[act.subscriber], act);
        }
        ledger.subscribers = logs;
        (plan, record, ledger)
    }

    fn send(&self, message: usize) -> SendRow {
        let sent = &self.messages[message];
        let mut row = SendRow::intended(self.reference(message), UserId(sent.sender), sent.intended * 1_000);
        if sent.fate == Fate::Unattempted {
            return row;
        }
        row.first_byte_us = Some(sent.first_byte * 1_000);
        if sent.fate == Fate::UnderWay {
            return row;
        }
        (row.attempts, row.last_attempt_us) = (sent.attempts, Some(sent.end * 1_000));
        row.state = match sent.fate {
            Fate::Acked => SendState::Acknowledged,
            Fate::Rejected => SendState::Rejected,
            Fate::Written => SendState::Written,
            Fate::Unknown | Fate::Unattempted | Fate::UnderWay => SendState::Unknown,
        };
        if sent.fate == Fate::Acked {
            row.acknowledged_us = Some(sent.end * 1_000);
            row.server_id = Some(sent.acked_as.to_string().into());
            row.position = Some(Position(sent.acked_as));
        }
        row
    }

    fn render_reads(&self, ledger: &mut Ledger) {
        for (number, (written, ended)) in READS.iter().enumerate() {
            for channel in 0..2u32 {
                let mut rows = Vec::new();
                for (rank, message) in self.messages.iter().enumerate() {
                    for row in message.rows.iter().filter(|row| row.reads[number]) {
                        if (message.channel == channel) == row.elsewhere {
                            continue;
                        }
                        rows.push(HistoryRow {
                            server_id: row.position.to_string().into(),
                            position: Position(row.position),
                            message: (row.text != Text::Mangled).then(|| self.reference(rank)),
                            text: row.text.of_row(),
                        });
                    }
                }
                rows.sort_by_key(|row| row.position);
                let fails = self.failed && (number, channel) == (1, 1);
                ledger.final_reads.push(FinalRead {
                    number: number as u32 + 1,
                    channel: ChannelId(channel),
                    written_us: written * 1_000,
                    ended_us: ended * 1_000,
                    failure: fails.then(|| "timed out".to_owned()),
                    rows,
                    repeated: Vec::new(),
                    stuck_pages: 0,
                    foreign: Vec::new(),
                    truncated_before: self.truncated[channel as usize].map(Position),
                    reactions: Vec::new(),
                });
            }
        }
    }

    fn render_act(&self, ledger: &mut Ledger, log: &mut SubscriberLog, act: &Act) {
        let open = log.connections.last().is_some_and(|last| last.end == ConnectionEnd::Open);
        match &act.what {
            What::Connect if !open => log.connected(act.at * 1_000),
            What::Disconnect if open => log.disconnected(act.at * 1_000, ConnectionEnd::Lost),
            What::Push { message, positioned } if open => {
                let reference = self.reference(*message);
                let position = self.shown_at(*message, self.messages[*message].channel).map(|(at, _)| Position(at));
                let arrival = log.pushed(reference, position.filter(|_| *positioned), act.at * 1_000);
                if let Some(ahead) = arrival.and_then(|arrival| arrival.behind) {
                    let (subscriber, at_us) = (log.user, act.at * 1_000);
                    ledger.facts.reordered.push(Reordered { subscriber, message: reference, ahead, at_us });
                }
            }
            What::Connect | What::Disconnect | What::Push { .. } => {}
            What::Page { channel, .. } => {
                if let Some(page) = self.page(log.user, ChannelId(*channel), act) {
                    self.note_page(ledger, log, page, act);
                }
            }
        }
    }

    fn page(&self, reader: UserId, channel: ChannelId, act: &Act) -> Option<PageRecord> {
        let What::Page { rows, after, drain, last, repeated, stuck, .. } = &act.what else { return None };
        let mut page = PageRecord {
            reader,
            channel,
            kind: if *drain { CatchUpKind::Drain } else { CatchUpKind::Policy },
            written_us: act.at * 1_000,
            after: after.map(Position),
            lowest: None,
            highest: None,
            messages: RunSet::default(),
            unrecognised: Vec::new(),
            open_end: *last,
            repeated_rows: *repeated,
            stuck: *stuck,
        };
        let mut shown: HashMap<u64, (usize, Text)> = HashMap::new();
        for &message in rows {
            if let Some((position, text)) = self.shown_at(message, channel.0) {
                shown.insert(position, (message, text));
            }
        }
        for (position, (message, text)) in shown {
            page.lowest = Some(page.lowest.map_or(Position(position), |lowest| lowest.min(Position(position))));
            page.highest = page.highest.max(Some(Position(position)));
            let reference = self.reference(message);
            if text != Text::Mangled && reference.channel == channel {
                page.messages.insert(reference.index);
            } else {
                page.unrecognised.push(position.to_string().into());
            }
        }
        Some(page)
    }

    fn note_page(&self, ledger: &mut Ledger, log: &mut SubscriberLog, page: PageRecord, act: &Act) {
        let Some(window) = log.window_mut(page.channel) else { return };
        page.messages.iter().for_each(|index| _ = window.read(index, page.kind));
        window.cursor = window.cursor.max(page.highest);
        if page.open_end {
            window.reached_end_us = window.reached_end_us.max(Some(act.at * 1_000));
        }
        ledger.pages.push(page);
    }
}
