//! What carries the run's id and is not what was sent, or went where it was
//! not sent: `foreign`, `corrupt`, `leaked`. None of them needs to know what
//! is stored, so a killed run still shows them.

use super::Input;
use super::absence;
use super::summary::FindingClass::Zero;
use super::tally::{Instance, Tally};
use super::truth::{Channel, Message, Owner, Stray, Truth};
use super::verdict::grouped;
use crate::ledger::RowText;
use crate::model::{ChannelId, FindingKind, MessageRef, TextCodec, UserId};
use std::collections::{BTreeMap, BTreeSet};

/// Counts what carries the run's id and was never sent: distinct texts with a
/// key that the run cannot have made, and messages that were never sent there.
pub(super) fn foreign(input: &Input, truth: &Truth) -> Tally {
    let mut tally = Tally::new(FindingKind::Foreign, Zero, "messages and texts with the run's id");
    tally.could_have(carriers(truth));
    let cut = beginnings_of_cut_texts(input, truth);
    let of_messages = foreign_texts_of_messages(input, truth);
    let mut texts: BTreeMap<&str, Instance> = BTreeMap::new();
    for (text, seen) in &input.ledger.facts.foreign {
        texts.insert(text, Instance::seen(seen.at_us).subscriber(seen.subscriber));
    }
    for read in &input.ledger.final_reads {
        for (_, text) in &read.foreign {
            texts.entry(text).or_insert_with(|| Instance::seen(read.ended_us));
        }
    }
    for (text, instance) in texts {
        // A text that was cut or mangled within its key, of a row that the
        // acknowledged id gives to a message, is that message's altered body.
        if !of_messages.contains(text) && !cut.iter().any(|whole| whole.starts_with(text)) {
            tally.add(instance.note(text.to_owned()));
        }
    }
    // One bug, one finding: what another channel has instead of its own is lost.
    for (&message, stray) in truth.strays.iter().filter(|(message, _)| truth.astray(**message).is_none()) {
        let instance = Instance::at(truth.message(message).map_or(0, |known| known.at_us())).message(message);
        tally.add(match stray {
            Stray::NeverSent => instance.note("no attempt was ever made"),
            Stray::Elsewhere(id) => instance.note(format!("stands in channel {id}, and was sent to another")),
        });
    }
    tally.could_have(tally.count());
    tally
}

/// Counts the messages whose body differs from what their key's generator
/// produces, wherever it was seen.
pub(super) fn corrupt(input: &Input, truth: &Truth) -> Tally {
    let mut tally = Tally::new(FindingKind::Corrupt, Zero, "messages with the run's id");
    tally.could_have(carriers(truth));
    let mut altered: BTreeMap<MessageRef, Instance> = BTreeMap::new();
    for (&message, seen) in &input.ledger.facts.altered {
        altered.insert(message, Instance::seen(seen.at_us).subscriber(seen.subscriber).message(message));
    }
    let mut add = |message: MessageRef, instance: Instance| {
        // The first sighting is the example, whatever the order of the reads.
        let instance = instance.message(message);
        altered.entry(message).and_modify(|first| *first = instance.clone().min(first.clone())).or_insert(instance);
    };
    let mut altered_rows = BTreeSet::new();
    for read in &input.ledger.final_reads {
        let Some(channel) = truth.channels.get(read.channel.0 as usize) else { continue };
        for row in &read.rows {
            let index = match (channel.owner(read.channel, row), row.text) {
                (Owner::Recognised(index), RowText::Altered) | (Owner::ById(index), _) => index,
                _ => continue,
            };
            let note = format!("row {} of final read {}", row.server_id, read.number);
            altered_rows.insert(MessageRef { channel: read.channel, index });
            add(MessageRef { channel: read.channel, index }, Instance::seen(read.ended_us).note(note));
        }
    }
    for read in &input.ledger.point_reads {
        let id = read.message.channel;
        let (Some(channel), Some(row)) = (truth.channels.get(id.0 as usize), &read.row) else { continue };
        let index = match (channel.owner(id, row), row.text) {
            (Owner::Recognised(index), RowText::Altered) | (Owner::ById(index), _) => index,
            _ => continue,
        };
        altered_rows.insert(MessageRef { channel: id, index });
        let note = format!("row {} of a point read", row.server_id);
        add(MessageRef { channel: id, index }, Instance::seen(read.written_us).note(note));
    }
    for page in &input.ledger.pages {
        let Some(channel) = truth.channels.get(page.channel.0 as usize) else { continue };
        for index in page.unrecognised.iter().filter_map(|id| channel.by_acknowledged_id(id)) {
            let instance = Instance::seen(page.written_us).subscriber(page.reader);
            add(MessageRef { channel: page.channel, index }, instance);
        }
    }
    if is_normalised(truth, &altered, &altered_rows) {
        return tally.unless(Some(format!(
            "the target changes every text (all {} of them): that is how it stores texts, and altered bodies cannot \
             be told from it",
            grouped(altered.len() as u64)
        )));
    }
    altered.into_values().for_each(|instance| tally.add(instance));
    tally
}

/// Fewer altered messages may be chance.
const NORMALISED: usize = 20;

/// Whether the target changes every text, without exception: it trims or
/// normalises, and corrupts nothing. One that changes the longer texts alone
/// cuts off what it has acknowledged.
fn is_normalised(truth: &Truth, altered: &BTreeMap<MessageRef, Instance>, altered_rows: &BTreeSet<MessageRef>) -> bool {
    // What history shows as it was sent is not stored in another way.
    let stored_altered = |message: &MessageRef| altered_rows.contains(message);
    if altered.len() < NORMALISED || !altered.keys().all(stored_altered) {
        return false;
    }
    let is_intact = |(id, channel): (ChannelId, &Channel)| {
        let mut shown = channel.indexed().filter(|(_, message)| is_shown(message));
        shown.any(|(index, _)| !altered.contains_key(&MessageRef { channel: id, index }))
    };
    !truth.channels().any(is_intact)
}

/// Counts the (subscriber, message) pairs pushed to somebody who is not
/// entitled, or under another channel.
pub(super) fn leaked(input: &Input, truth: &Truth) -> Tally {
    let public = !input.plan.capabilities.explicit_membership;
    let reason = public.then_some("the target does not declare that membership decides who receives a channel");
    let mut tally = Tally::new(FindingKind::Leaked, Zero, "frames with a message of the run").unless(reason);
    let frames: u64 = input.ledger.subscribers.iter().map(|log| log.message_frames).sum();
    tally.could_have(frames + input.ledger.facts.leaked.len() as u64);
    for (&(subscriber, message), leak) in &input.ledger.facts.leaked {
        let note = match leak.under {
            Some(under) if under != message.channel => format!("pushed under channel {under}"),
            Some(_) => "shown to a user who is not a member".to_owned(),
            None => "pushed under a channel that the run does not know".to_owned(),
        };
        tally.add(Instance::seen(leak.at_us).subscriber(subscriber).message(message).note(note));
    }
    for (subscriber, message, at_us) in pushed_to_absentees(input, truth) {
        if !input.ledger.facts.leaked.contains_key(&(subscriber, message)) {
            let instance = Instance::seen(at_us).subscriber(subscriber).message(message);
            tally.add(instance.note("pushed to a subscriber that had left the channel"));
        }
    }
    tally
}

/// Live copies of messages that were sent wholly while their subscriber was no
/// member, and when they were acknowledged.
fn pushed_to_absentees(input: &Input, truth: &Truth) -> BTreeSet<(UserId, MessageRef, u64)> {
    let lag_us = input.plan.capabilities.lag_us;
    let mut found = BTreeSet::new();
    for log in &input.ledger.subscribers {
        for absence in &log.absences {
            let channel = truth.channels.get(absence.channel.0 as usize);
            let (Some(channel), Some(window)) = (channel, log.window(absence.channel)) else { continue };
            for (index, message) in channel.indexed().filter(|(index, _)| window.is_live(*index)) {
                if absence::surely_away(message, absence, lag_us) {
                    found.insert((log.user, MessageRef { channel: absence.channel, index }, message.at_us()));
                }
            }
        }
    }
    found
}

/// Messages of the run that showed up anywhere.
fn carriers(truth: &Truth) -> u64 {
    let shown = truth.channels.iter().flat_map(|channel| &channel.messages);
    shown.filter(|message| is_shown(message)).count() as u64
}

fn is_shown(message: &Message) -> bool {
    message.is_stored() || message.in_pages || message.pushes > 0
}

/// The texts of rows that the acknowledged id gives to a message.
fn foreign_texts_of_messages<'t>(input: &Input<'t>, truth: &Truth) -> BTreeSet<&'t str> {
    let reads = input.ledger.final_reads.iter().filter_map(|read| {
        let channel = truth.channels.get(read.channel.0 as usize)?;
        let of_message = |(id, _): &&(Box<str>, String)| channel.by_acknowledged_id(id).is_some();
        Some(read.foreign.iter().filter(of_message).map(|(_, text)| text.as_str()))
    });
    reads.flatten().collect()
}

/// The beginnings, key included, of the texts whose rows only the acknowledged
/// id gives to their messages.
fn beginnings_of_cut_texts(input: &Input, truth: &Truth) -> BTreeSet<String> {
    let codec = TextCodec::new(truth.keys.clone(), input.plan.message_size_bytes);
    let mut beginnings = BTreeSet::new();
    for read in &input.ledger.final_reads {
        let Some(channel) = truth.channels.get(read.channel.0 as usize) else { continue };
        for row in &read.rows {
            let Owner::ById(index) = channel.owner(read.channel, row) else { continue };
            let send = truth.message(MessageRef { channel: read.channel, index }).and_then(|message| message.send);
            beginnings.extend(send.map(|send| format!("{}:{} ", codec.prefix(), truth.key(send))));
        }
    }
    beginnings
}
