//! How live copies arrived: `live_duplicates`, `live_reordered`. Both are
//! counted where they arrive and need no knowledge of what is stored.

use super::Input;
use super::stale::NO_POSITIONS;
use super::summary::FindingClass::{Info, Rate, Zero};
use super::tally::{Instance, Tally};
use super::truth::Truth;
use crate::ledger::Reordered;
use crate::model::{FindingKind, MessageRef};
use crate::plan::Positions;

/// Counts Σ (D − 1)⁺. A copy on a later connection may be a replay, which a
/// client that resumes asks for, so both are told apart.
pub(super) fn live_duplicates(input: &Input) -> Tally {
    let mut tally = Tally::new(FindingKind::LiveDuplicates, Rate, "frames with a message of the run")
        .parts(&["same_connection", "across_reconnect"]);
    for log in &input.ledger.subscribers {
        tally.could_have(log.message_frames);
        for window in &log.windows {
            let (same, across) = (window.duplicates_same_connection(), window.duplicates_across_reconnect());
            tally.part("same_connection", same);
            tally.part("across_reconnect", across);
            tally.add_many(same + across);
            for &(index, at_us) in window.duplicate_examples() {
                let message = MessageRef { channel: window.channel, index };
                tally.cite(Instance::seen(at_us).message(message).subscriber(log.user));
            }
        }
    }
    tally
}

/// Counts first copies that arrived behind a message of a greater position on
/// one connection. The largest displacement, in ranks of the channel's
/// history, stands beside the count.
pub(super) fn live_reordered(input: &Input, truth: &Truth, first_deliveries: u64) -> Tally {
    let class = if input.plan.capabilities.live_order { Zero } else { Info };
    let mut tally = Tally::new(FindingKind::LiveReordered, class, "first live deliveries")
        .parts(&[DISPLACEMENT])
        .unless((input.plan.capabilities.positions == Positions::None).then_some(NO_POSITIONS));
    tally.could_have(first_deliveries);
    for reordered in &input.ledger.facts.reordered {
        tally.at_most(DISPLACEMENT, displacement(truth, reordered));
        let instance = Instance::seen(reordered.at_us).message(reordered.message).subscriber(reordered.subscriber);
        tally.add(instance.note(format!("arrived behind message {}", reordered.ahead)));
    }
    tally
}

const DISPLACEMENT: &str = "largest_displacement";

/// How many ranks of the history lie between the two; 0 where one of them is
/// not stored.
fn displacement(truth: &Truth, reordered: &Reordered) -> u64 {
    let rank = |index: u32| {
        let message = truth.message(MessageRef { channel: reordered.message.channel, index })?;
        message.is_stored().then_some(message.rank)
    };
    match (rank(reordered.ahead), rank(reordered.message.index)) {
        (Some(ahead), Some(late)) => u64::from(ahead.saturating_sub(late)),
        _ => 0,
    }
}
