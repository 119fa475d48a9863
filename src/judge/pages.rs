//! `page_anomaly`: reads of a history that nobody was writing to, and that
//! contradict themselves or each other.
//!
//! Quiet are the final reads and the pages of the drain. Counted are rows that
//! a traversal repeats, pages that lead nowhere (at any time), rows that only one of the last two complete reads of a channel shows (or that
//! only a point read finds), and rows that stand in another order.

use super::Input;
use super::summary::FindingClass::Zero;
use super::tally::{Instance, Tally};
use super::truth::{Channel, Owner, Truth};
use crate::ledger::{CatchUpKind, FinalRead, HistoryRow};
use crate::model::{ChannelId, FindingKind, MessageRef, SendState};
use std::collections::{HashMap, HashSet};

const REPEATED: &str = "repeated_rows";
const STUCK: &str = "stuck_pages";
const DIFFERING: &str = "differing_rows";
const ORDER: &str = "order";

/// Judges every quiet read.
pub(super) fn page_anomaly(input: &Input, truth: &Truth) -> Tally {
    let mut tally = Tally::new(FindingKind::PageAnomaly, Zero, "rows of final reads and pages of the drain")
        .parts(&[REPEATED, STUCK, DIFFERING, ORDER])
        .unless(truth.unread_because());
    for (id, channel) in truth.channels() {
        for read in &channel.reads {
            tally.could_have(read.rows.len() as u64);
            judge_traversal(&mut tally, channel, read);
        }
        if let [.., earlier, later] = channel.complete[..] {
            compare(&mut tally, id, channel, earlier, later);
        }
    }
    judge_catch_up_pages(&mut tally, input);
    judge_point_reads(&mut tally, input, truth);
    tally
}

fn judge_traversal(tally: &mut Tally, channel: &Channel, read: &FinalRead) {
    for server_id in &read.repeated {
        let row = read.rows.iter().find(|row| row.server_id == *server_id);
        let note = format!("final read {} returned row {server_id} more than once", read.number);
        let instance = Instance::seen(read.ended_us).note(note);
        tally.add_to(
            REPEATED,
            match row.and_then(|row| index_of(channel, read.channel, row)) {
                Some(index) => instance.message(MessageRef { channel: read.channel, index }),
                None => instance,
            },
        );
    }
    for _ in 0..read.stuck_pages {
        let note = format!("a page of final read {} of channel {} did not advance", read.number, read.channel);
        tally.add_to(STUCK, Instance::seen(read.ended_us).note(note));
    }
}

fn judge_catch_up_pages(tally: &mut Tally, input: &Input) {
    for page in input.ledger.pages.iter() {
        // While others write, a row may move to a later page. That the pages
        // never end is wrong at any time.
        let quiet = page.kind == CatchUpKind::Drain;
        tally.could_have(u64::from(quiet || page.stuck));
        let instance = || Instance::seen(page.written_us).subscriber(page.reader);
        for _ in 0..if quiet { page.repeated_rows } else { 0 } {
            tally.add_to(REPEATED, instance().note(format!("a catch-up of channel {} repeated a row", page.channel)));
        }
        if page.stuck {
            tally
                .add_to(STUCK, instance().note(format!("a catch-up page of channel {} did not advance", page.channel)));
        }
    }
}

/// Two complete reads of a quiet channel show the same rows in the same order.
fn compare(tally: &mut Tally, id: ChannelId, channel: &Channel, earlier: &FinalRead, later: &FinalRead) {
    let truncated_before = earlier.truncated_before.max(later.truncated_before);
    let rows_of = |read: &'_ FinalRead| -> Vec<Row> {
        let kept = read.rows.iter().filter(|row| truncated_before.is_none_or(|bound| row.position >= bound));
        let rows = kept.filter_map(|row| Some(Row::new(index_of(channel, id, row)?, row)));
        // One that was deleted and comes back is a finding of its own.
        rows.filter(|row| !channel.messages[row.index as usize].erased).collect()
    };
    let (first, second) = (rows_of(earlier), rows_of(later));
    let ranks: HashMap<_, usize> = first.iter().zip(0..).map(|(row, rank)| (row.identity(), rank)).collect();
    let again: HashSet<_> = second.iter().map(Row::identity).collect();
    let known: HashSet<u32> = first.iter().map(|row| row.index).collect();
    let mut differs = |row: &Row, shown: u32, not: u32| {
        let note = format!("row {} stands in final read {shown} and not in {not}", row.server_id);
        let instance = Instance::seen(later.ended_us).message(MessageRef { channel: id, index: row.index });
        tally.add_to(DIFFERING, instance.note(note));
    };
    for row in first.iter().filter(|row| !again.contains(&row.identity())) {
        differs(row, earlier.number, later.number);
    }
    for row in second.iter().filter(|row| !ranks.contains_key(&row.identity())) {
        // What nobody had acknowledged when the earlier read began may land
        // between the two, and a further copy of a message is a stored
        // duplicate, not a page's fault.
        let message = &channel.messages[row.index as usize];
        let unacknowledged = [SendState::Unknown, SendState::Written, SendState::Rejected];
        let may_land =
            unacknowledged.iter().any(|state| message.is(*state)) || message.may_land_after(earlier.written_us);
        if !may_land && !known.contains(&row.index) {
            differs(row, later.number, earlier.number);
        }
    }
    let mut previous: Option<usize> = None;
    for (row, rank) in second.iter().filter_map(|row| Some((row, *ranks.get(&row.identity())?))) {
        if previous.is_some_and(|previous| rank < previous) {
            let note = format!("row {} stands in another order in the two final reads", row.server_id);
            let instance = Instance::seen(later.ended_us).message(MessageRef { channel: id, index: row.index });
            tally.add_to(ORDER, instance.note(note));
        }
        previous = Some(rank);
    }
}

/// A row of a message of the run.
struct Row {
    index: u32,
    server_id: Box<str>,
}

impl Row {
    fn new(index: u32, row: &HistoryRow) -> Self {
        Self { index, server_id: row.server_id.clone() }
    }

    /// Two messages under one id are two rows.
    fn identity(&self) -> (u32, &str) {
        (self.index, &self.server_id)
    }
}

/// What a point read finds, a complete read must have shown.
fn judge_point_reads(tally: &mut Tally, input: &Input, truth: &Truth) {
    let mut found: HashSet<(ChannelId, &str)> = HashSet::new();
    let mut shown: HashMap<ChannelId, HashSet<(&str, Option<MessageRef>)>> = HashMap::new();
    for read in &input.ledger.point_reads {
        let id = read.message.channel;
        let Some(channel) = truth.channels.get(id.0 as usize).filter(|channel| channel.is_known()) else { continue };
        let Some(row) = &read.row else { continue };
        tally.could_have(1);
        let Some(index) = index_of(channel, id, row) else { continue };
        // By the id alone: a row may stand at another place in another read.
        let shown = shown.entry(id).or_insert_with(|| {
            let rows = channel.reads.iter().flat_map(|read| &read.rows);
            rows.map(|row| (&*row.server_id, row.message)).collect()
        });
        let is_shown = shown.contains(&(&*row.server_id, row.message));
        let message = &channel.messages[index as usize];
        if !is_shown && !message.erased && !channel.is_truncated(message) && found.insert((id, &row.server_id)) {
            let note = format!("row {} was found by its id, and no final read shows it", row.server_id);
            let instance = Instance::seen(read.written_us).message(MessageRef { channel: id, index });
            tally.add_to(DIFFERING, instance.note(note));
        }
    }
}

fn index_of(channel: &Channel, id: ChannelId, row: &HistoryRow) -> Option<u32> {
    match channel.owner(id, row) {
        Owner::Recognised(index) | Owner::ById(index) => Some(index),
        Owner::Stray(..) | Owner::Nobody => None,
    }
}
