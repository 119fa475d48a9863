//! What became of a message in the store, by its sender's final state:
//! `vanished`, `acked_lost`, `silent_loss`, `unverifiable`, `rejected_stored`,
//! `unknown_stored`, `unknown_absent`.
//!
//! One bug, one finding: a vanished message is not also lost, and what the
//! target declares truncated is neither.

use super::summary::FindingClass::{Info, Zero};
use super::tally::{Instance, Tally};
use super::truth::{Channel, Message, Truth};
use crate::model::{ChannelId, FindingKind, MessageRef, SendState};

/// The findings of this file.
struct Stored {
    vanished: Tally,
    acked_lost: Tally,
    silent_loss: Tally,
    unverifiable: Tally,
    rejected_stored: Tally,
    unknown_stored: Tally,
    unknown_absent: Tally,
}

/// Judges every message of every channel of which P is known.
pub(super) fn find(truth: &Truth) -> Vec<Tally> {
    let tally = |kind, class, of_what| Tally::new(kind, class, of_what).unless(truth.unread_because());
    let mut found = Stored {
        vanished: tally(FindingKind::Vanished, Zero, "messages seen in history"),
        acked_lost: tally(FindingKind::AckedLost, Zero, "acknowledged messages").parts(&[MIDDLE, END]),
        silent_loss: tally(FindingKind::SilentLoss, Info, "written messages").parts(&["pushed", "not_pushed"]),
        unverifiable: tally(FindingKind::Unverifiable, Info, "acknowledged messages"),
        rejected_stored: tally(FindingKind::RejectedStored, Zero, "rejected messages"),
        unknown_stored: tally(FindingKind::UnknownStored, Info, "unknown messages"),
        unknown_absent: tally(FindingKind::UnknownAbsent, Info, "unknown messages"),
    };
    for (id, channel) in truth.known() {
        for (index, message) in channel.indexed() {
            found.judge(channel, MessageRef { channel: id, index }, message);
        }
        found.judge_losses(truth, id, channel);
    }
    let Stored { vanished, acked_lost, silent_loss, unverifiable, rejected_stored, unknown_stored, unknown_absent } =
        found;
    vec![vanished, acked_lost, silent_loss, unverifiable, rejected_stored, unknown_stored, unknown_absent]
}

/// Why a finding that rests on a history that the target does not have is not
/// checked.
pub(super) const NO_HISTORY: &str = "the target has no history: what it acknowledged counts as stored";

impl Truth<'_> {
    /// Why no finding about what is stored can be checked; `None` where it can.
    pub(super) fn unread_because(&self) -> Option<&'static str> {
        if self.has_history { self.unknown_because() } else { Some(NO_HISTORY) }
    }
}

const MIDDLE: &str = "in_the_middle";
const END: &str = "at_the_end";

impl Stored {
    fn judge(&mut self, channel: &Channel, reference: MessageRef, message: &Message) {
        let instance = || Instance::at(message.at_us()).message(reference);
        if message.in_pages || message.is_stored() {
            self.vanished.could_have(1);
        }
        let vanished = channel.is_vanished(message);
        if vanished {
            self.vanished.add(instance().note("a subscriber read it from history, and no final read shows it"));
        }
        match message.state() {
            Some(SendState::Acknowledged) => {
                self.acked_lost.could_have(1);
                self.unverifiable.could_have(1);
                if !message.is_stored() && !message.erased && channel.is_truncated(message) {
                    self.unverifiable.add(instance().note("in a range that the target declares truncated"));
                }
            }
            Some(SendState::Rejected) => {
                self.rejected_stored.could_have(1);
                if message.is_stored() {
                    self.rejected_stored.add(instance().note("every attempt was refused"));
                }
            }
            Some(SendState::Unknown) => {
                self.unknown_stored.could_have(1);
                self.unknown_absent.could_have(1);
                if message.is_stored() {
                    self.unknown_stored.add(instance());
                } else if !vanished && message.pushes == 0 {
                    self.unknown_absent.add(instance());
                }
            }
            Some(SendState::Written) => {
                self.silent_loss.could_have(1);
                if is_gone(channel, message) {
                    // A message that was pushed and is stored nowhere is a
                    // phantom to its receivers and lost to its sender.
                    let part = if message.pushes > 0 { "pushed" } else { "not_pushed" };
                    self.silent_loss.add_to(part, instance());
                }
            }
            Some(SendState::Unattempted) | None => {}
        }
    }

    /// A loss in the middle of a sender's sequence says that the store dropped
    /// one message; a loss at its end may be a tail that was never flushed.
    fn judge_losses(&mut self, truth: &Truth, id: ChannelId, channel: &Channel) {
        if !channel.messages.iter().any(|message| channel.is_lost(message)) {
            return;
        }
        for indices in channel.by_sender().values() {
            let mut later_is_stored = false;
            for &index in indices.iter().rev() {
                let message = &channel.messages[index as usize];
                if channel.is_lost(message) {
                    let reference = MessageRef { channel: id, index };
                    let (part, mut note) = if later_is_stored {
                        (MIDDLE, "in the middle of its sender's sequence".to_owned())
                    } else {
                        (END, "at the end of its sender's sequence".to_owned())
                    };
                    if let Some(other) = truth.astray(reference) {
                        note = format!("stands in channel {other} instead; {note}");
                    }
                    self.acked_lost.add_to(part, Instance::at(message.at_us()).message(reference).note(note));
                }
                later_is_stored |= message.is(SendState::Acknowledged) && message.is_stored();
            }
        }
    }
}

/// Not in P, T or vanished.
fn is_gone(channel: &Channel, message: &Message) -> bool {
    channel.is_gone(message) && !channel.is_vanished(message)
}
