//! Under which server ids a message stands: `store_duplicates`, `ack_identity`.
//!
//! H(m) is the number of distinct server ids of a message over all final
//! reads, so a page that overlaps another is no duplicate.

use super::Input;
use super::summary::FindingClass::{Rate, Zero};
use super::tally::{Instance, Tally};
use super::truth::{Channel, Truth};
use crate::model::{FindingKind, MessageRef, SendState};
use std::collections::HashMap;

/// Counts Σ (H − 1)⁺.
pub(super) fn store_duplicates(input: &Input, truth: &Truth) -> Tally {
    // Without a key, no target can recognise a repetition.
    let recognised = input.plan.capabilities.dedup && input.plan.send.design.carries_key();
    let class = if recognised { Zero } else { Rate };
    let mut tally = Tally::new(FindingKind::StoreDuplicates, class, "stored messages")
        .parts(&["one_attempt", "retried"])
        .unless(truth.unread_because());
    for (id, channel) in truth.known() {
        for (index, message) in channel.indexed().filter(|(_, message)| message.is_stored()) {
            tally.could_have(1);
            let retried = message.send.is_some_and(|send| send.attempts > 1);
            for _ in 1..message.copies.len() {
                let instance = Instance::at(message.at_us()).message(MessageRef { channel: id, index });
                tally.add_to(if retried { "retried" } else { "one_attempt" }, instance);
            }
        }
    }
    tally
}

/// Counts acknowledged ids that are not the message's: history gives the id to
/// another message, or the message is stored and never under this id. A lost
/// message whose id nobody has is lost, and nothing else.
pub(super) fn ack_identity(truth: &Truth) -> Tally {
    let mut tally = Tally::new(FindingKind::AckIdentity, Zero, "acknowledged messages with a server id")
        .unless(truth.unread_because());
    for (id, channel) in truth.known() {
        let owners = owners(channel);
        for (index, message) in channel.indexed().filter(|(_, message)| message.is(SendState::Acknowledged)) {
            let Some(server_id) = message.send.and_then(|send| send.server_id.as_deref()) else { continue };
            tally.could_have(1);
            let owner = owners.get(server_id).filter(|owner| **owner != index);
            if owner.is_none() && message.has_copy(server_id) {
                continue;
            }
            let instance = Instance::at(message.at_us()).message(MessageRef { channel: id, index });
            if let Some(owner) = owner {
                tally.add(instance.note(format!("{server_id} is the id of message {owner} of the channel")));
            } else if message.is_stored() && !message.erased && !channel.is_truncated(message) {
                tally.add(instance.note(format!("acknowledged as {server_id}, and no row has this id")));
            }
        }
    }
    tally
}

/// The first message of each server id; where several share one, the id is the
/// first one's.
fn owners<'c>(channel: &'c Channel) -> HashMap<&'c str, u32> {
    let mut owners = HashMap::new();
    for (index, message) in channel.indexed() {
        for copy in &message.copies {
            owners.entry(copy.server_id).or_insert(index);
        }
    }
    owners
}
