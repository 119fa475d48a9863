//! Members who leave a channel and join it again: what they are entitled to in
//! between. Nobody can say what a member was between the request of a call and
//! its answer, so the edges are optional: never missing, still counted where
//! they should not be.

use super::entitled::LiveInterval;
use super::truth::{Channel, Message};
use crate::ledger::{Absence, RunSet, SubscriberLog};
use crate::model::{ChannelId, SendState};

/// The absences of a subscriber from one channel.
pub(super) fn from(log: &SubscriberLog, channel: ChannelId) -> Vec<Absence> {
    log.absences.iter().filter(|absence| absence.channel == channel).copied().collect()
}

/// The messages that a subscriber need not have because of its absences: those
/// that were under way while it was not surely a member, and all that were
/// never acknowledged: nobody knows when these were stored.
pub(super) fn optional(channel: &Channel, absences: &[Absence]) -> RunSet {
    if absences.is_empty() {
        return RunSet::default();
    }
    let during = |message: &Message| match under_way_us(message) {
        Some((from_us, to_us)) => absences.iter().any(|absence| {
            to_us >= absence.leaving_us && absence.joined_us.is_none_or(|joined_us| from_us <= joined_us)
        }),
        None => true,
    };
    channel.indexed().filter(|(_, message)| during(message)).map(|(index, _)| index).collect()
}

/// The live intervals without the absences. What was acknowledged just before
/// a leave may have been in a buffer, as before a close.
pub(super) fn cut(intervals: &[LiveInterval], absences: &[Absence], margin_us: u64) -> Vec<LiveInterval> {
    let mut pieces = intervals.to_vec();
    for absence in absences {
        let back_us = absence.joined_us.unwrap_or(u64::MAX);
        pieces = pieces.into_iter().flat_map(|piece| piece.without(absence.leaving_us, back_us, margin_us)).collect();
    }
    pieces
}

/// Whether the subscriber was surely no member while the message was sent and
/// pushed.
pub(super) fn surely_away(message: &Message, absence: &Absence, lag_us: u64) -> bool {
    let (Some(left_us), Some((from_us, to_us))) = (absence.left_us, under_way_us(message)) else { return false };
    let back = absence.joining_us.is_some_and(|joining_us| to_us.saturating_add(lag_us) >= joining_us);
    from_us > left_us && !back
}

/// First byte and acknowledgement.
fn under_way_us(message: &Message) -> Option<(u64, u64)> {
    let send = message.send.filter(|send| send.state == SendState::Acknowledged)?;
    Some((send.first_byte_us.unwrap_or(send.intended_us), send.acknowledged_us?))
}
