//! The counts of messages and deliveries, and whether they add up: a ledger
//! that does not add up proves nothing.

use super::Input;
use super::deliveries::Deliveries;
use super::summary::{CountedRates, LedgerCounts, Rates};
use super::truth::Truth;
use crate::ledger::{ConnectionEnd, SubscriberLog};
use crate::model::SendState;

/// Counts the ledger.
pub(super) fn count(input: &Input, truth: &Truth, deliveries: &Deliveries) -> LedgerCounts {
    let ledger = input.ledger;
    let mut counts = LedgerCounts {
        entitled_deliveries: deliveries.entitled,
        live_deliveries: deliveries.live,
        healed: deliveries.healed.count(),
        unhealed: deliveries.unhealed.count(),
        unresolved: deliveries.unresolved.count(),
        subscribers: ledger.subscribers.len() as u64,
        connections: ledger.subscribers.iter().map(connections).sum(),
        message_frames: ledger.subscribers.iter().map(|log| log.message_frames).sum(),
        catch_up_pages: ledger.pages.len() as u64,
        ..LedgerCounts::default()
    };
    for message in truth.channels.iter().flat_map(|channel| &channel.messages) {
        let (Some(send), Some(state)) = (message.send, message.state()) else { continue };
        counts.intended += 1;
        *match state {
            SendState::Acknowledged => &mut counts.acknowledged,
            SendState::Rejected => &mut counts.rejected,
            SendState::Unknown => &mut counts.unknown,
            SendState::Written => &mut counts.written,
            SendState::Unattempted => &mut counts.unattempted,
        } += 1;
        counts.stored += u64::from(message.is_stored());
        counts.attempts += u64::from(send.attempts);
        counts.retries += u64::from(send.attempts.saturating_sub(1));
    }
    counts
}

/// The connections that a subscriber had. One that was not read for a while
/// goes on as the same.
fn connections(log: &SubscriberLog) -> u64 {
    log.connections.iter().filter(|connection| connection.end != ConnectionEnd::StoppedReading).count() as u64
}

/// One sentence for each identity that does not hold.
pub(super) fn contradictions(input: &Input, counts: &LedgerCounts) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut must_equal = |what: &str, left: u64, right: u64| {
        if left != right {
            reasons.push(format!("the ledger does not add up: {what}: {left} and {right}"));
        }
    };
    let ended = counts.acknowledged + counts.rejected + counts.unknown + counts.written + counts.unattempted;
    debug_assert_eq!(counts.intended, ended, "each message ends in one state");
    must_equal("intended messages and the sum of their final states", counts.intended, ended);
    let obtained_or_not = counts.live_deliveries + counts.healed + counts.unhealed + counts.unresolved;
    debug_assert_eq!(counts.entitled_deliveries, obtained_or_not, "each entitled delivery ends in one way");
    must_equal("entitled deliveries and the sum of their ends", counts.entitled_deliveries, obtained_or_not);
    must_equal("rows of the sender log and its messages", input.ledger.sends.len() as u64, counts.intended);
    let record = input.record;
    let complete = !record.killed && !record.interrupted && record.stopped.is_none();
    if complete && record.scheduled > 0 {
        must_equal("scheduled messages and intended ones", record.scheduled, counts.intended);
    }
    let windows = input.ledger.subscribers.iter().flat_map(|log| &log.windows);
    let copies = windows
        .map(|window| window.live().len() + window.duplicates_same_connection() + window.duplicates_across_reconnect());
    must_equal("live copies and the frames that brought them", copies.sum(), counts.message_frames);
    reasons
}

/// Messages and deliveries a second of the load; 0 where there was none.
pub(super) fn rates(input: &Input, truth: &Truth, counts: &LedgerCounts, first_deliveries: u64) -> Rates {
    let load_s = input.record.load_end_us.saturating_sub(input.record.load_start_us) as f64 / 1e6;
    let per_s = |count: u64| if load_s > 0.0 { count as f64 / load_s } else { 0.0 };
    Rates {
        load_s,
        offered_per_s: per_s(counts.intended),
        achieved_per_s: per_s(counts.acknowledged + counts.written),
        delivered_per_s: per_s(first_deliveries),
        counted: counted_rates(input, truth),
    }
}

fn counted_rates(input: &Input, truth: &Truth) -> CountedRates {
    let time_us = input.first_measured_us()..input.record.load_end_us;
    let seconds = time_us.end.saturating_sub(time_us.start) as f64 / 1e6;
    if seconds <= 0.0 {
        return CountedRates::default();
    }
    let (mut offered, mut achieved) = (0u64, 0u64);
    for message in truth.channels.iter().flat_map(|channel| &channel.messages) {
        let Some(send) = message.send else { continue };
        let done_us = match send.state {
            SendState::Acknowledged => send.acknowledged_us,
            SendState::Written => send.first_byte_us,
            _ => None,
        };
        offered += u64::from(time_us.contains(&send.intended_us));
        achieved += u64::from(done_us.is_some_and(|done_us| time_us.contains(&done_us)));
    }
    CountedRates {
        seconds,
        offered_per_s: offered as f64 / seconds,
        achieved_per_s: achieved as f64 / seconds,
        goodput: (offered > 0).then(|| achieved as f64 / offered as f64),
    }
}
