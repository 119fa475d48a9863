//! `sender_order`: a message that is stored before one which the same sender
//! had in the same channel acknowledged before the first byte of the message
//! was written.

use super::Input;
use super::summary::FindingClass::{Info, Zero};
use super::tally::{Instance, Tally};
use super::truth::{Channel, Message, Truth};
use crate::model::{FindingKind, MessageRef, Position, SendState};

/// Judges every sender in every channel of which P is known: a sweep by time,
/// O(n log n).
pub(super) fn sender_order(input: &Input, truth: &Truth) -> Tally {
    let class = if input.plan.capabilities.sender_order { Zero } else { Info };
    let mut tally = Tally::new(FindingKind::SenderOrder, class, "stored messages").unless(truth.unread_because());
    for (id, channel) in truth.known() {
        for indices in channel.by_sender().values() {
            sweep(channel, indices, |index, behind| {
                tally.could_have(1);
                let Some(behind) = behind else { return };
                let message = &channel.messages[index as usize];
                let note = format!("stands before message {behind}, which was acknowledged before it was sent");
                tally.add(Instance::at(message.at_us()).message(MessageRef { channel: id, index }).note(note));
            });
        }
    }
    tally
}

/// Calls `each` with every stored message of a sender and, where it stands
/// before a message that had been acknowledged, with that message.
fn sweep(channel: &Channel, indices: &[u32], mut each: impl FnMut(u32, Option<u32>)) {
    let stored = || {
        let messages = indices.iter().map(|&index| (index, &channel.messages[index as usize]));
        messages.filter(|(_, message)| !message.is(SendState::Rejected) && !channel.is_truncated(message))
    };
    let begun = |(index, message): (u32, &Message)| Some((message.send?.first_byte_us?, index, message.position()?));
    let done = |(index, message): (u32, &Message)| {
        let send = message.send.filter(|send| send.state == SendState::Acknowledged)?;
        Some((send.acknowledged_us?, index, message.position()?))
    };
    let mut begun: Vec<(u64, u32, Position)> = stored().filter_map(begun).collect();
    let mut done: Vec<(u64, u32, Position)> = stored().filter_map(done).collect();
    begun.sort_unstable();
    done.sort_unstable();
    let mut done = done.into_iter().peekable();
    let mut furthest: Option<(Position, u32)> = None;
    for (first_byte_us, index, position) in begun {
        while let Some((_, other, stands_at)) = done.next_if(|(acknowledged_us, ..)| *acknowledged_us < first_byte_us) {
            furthest = furthest.max(Some((stands_at, other)));
        }
        each(index, furthest.filter(|(stands_at, _)| *stands_at > position).map(|(_, other)| other));
    }
}
