//! `phantom`: delivered live, and stored nowhere. Absent from P, from what the
//! target declares truncated, from A (then it is a loss) and from vanished.
//!
//! An attempt may execute late. Absence counts only where two complete final
//! reads began after the last attempt had settled; until then the message
//! stays open, and the run cannot be called correct.

use super::Input;
use super::summary::FindingClass::Zero;
use super::tally::{Instance, Tally};
use super::truth::{Channel, Message, Truth};
use crate::ledger::SubscriberLog;
use crate::model::{FindingKind, MessageRef, SendState, UserId};

/// Phantoms, and what may yet be one.
pub(super) struct Phantoms {
    /// The finding.
    pub(super) tally: Tally,
    /// Pushed, absent, and attempted too shortly before the final reads.
    pub(super) unsettled: u64,
}

/// Judges every message that was pushed.
pub(super) fn find(input: &Input, truth: &Truth) -> Phantoms {
    let mut tally = Tally::new(FindingKind::Phantom, Zero, "messages delivered live")
        .parts(&["unknown", "rejected", "written"])
        .unless(truth.unknown_because());
    let (mut found, mut unsettled) = (Vec::new(), 0);
    for (id, channel) in truth.known() {
        for (index, message) in channel.indexed().filter(|(_, message)| message.pushes > 0) {
            tally.could_have(1);
            let Some(part) = part_of(channel, message) else { continue };
            // A refusal is an answer: nothing of it is under way any more.
            let refused = message.is(SendState::Rejected);
            let settle_us = if refused { input.plan.capabilities.lag_us } else { input.plan.settle_us() };
            if !is_settled(channel, message, settle_us) {
                unsettled += 1;
                continue;
            }
            found.push((message.at_us(), MessageRef { channel: id, index }, part));
        }
    }
    // Only the few examples name a subscriber; to look for one costs a pass
    // over all of them.
    found.sort_unstable();
    let (examples, others) = found.split_at(found.len().min(Tally::EXAMPLES));
    for &(at_us, message, part) in examples {
        tally.add_to(part, Instance::at(at_us).message(message).subscriber(seen_by(input, message)));
    }
    for &(at_us, message, part) in others {
        tally.add_to(part, Instance::at(at_us).message(message));
    }
    Phantoms { tally, unsettled }
}

fn part_of(channel: &Channel, message: &Message) -> Option<&'static str> {
    if message.is_stored() || channel.is_truncated(message) || channel.is_vanished(message) {
        return None;
    }
    match message.state()? {
        SendState::Unknown => Some("unknown"),
        SendState::Rejected => Some("rejected"),
        SendState::Written => Some("written"),
        SendState::Acknowledged | SendState::Unattempted => None,
    }
}

fn is_settled(channel: &Channel, message: &Message, settle_us: u64) -> bool {
    // An attempt that was under way when the run ended has no end, and never
    // settles.
    let Some(last_attempt_us) = message.send.and_then(|send| send.last_attempt_us) else { return false };
    let settled_us = last_attempt_us.saturating_add(settle_us);
    channel.complete.iter().filter(|read| read.written_us >= settled_us).count() >= 2
}

fn seen_by(input: &Input, message: MessageRef) -> Option<UserId> {
    let has = |log: &&SubscriberLog| log.window(message.channel).is_some_and(|window| window.is_live(message.index));
    input.ledger.subscribers.iter().filter(has).map(|log| log.user).min()
}
