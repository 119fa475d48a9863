//! The messages that waited longest for their acknowledgement, by name: from a bar
//! of the report to the span in the target.

use super::Input;
use super::latency::waited_between;
use super::summary::{SlowMessage, TraceLink};
use super::truth::Truth;
use crate::ledger::SendRow;
use crate::model::{MessageKey, SendState};
use crate::plan::Trace;
use std::cmp::Reverse;

/// How many are named.
const NAMED: usize = 20;

/// The slowest first; of equals, the earlier.
pub(super) fn find(input: &Input, truth: &Truth) -> Vec<SlowMessage> {
    let mut slowest: Vec<_> = Vec::with_capacity(2 * NAMED);
    let order = |sends: &mut Vec<_>| {
        sends.sort_by_key(|(send, _, waited_us): &(&SendRow, SendState, u64)| {
            (Reverse(*waited_us), send.intended_us, send.message)
        });
        sends.truncate(NAMED);
    };
    for waited in waited_between(input, truth, 0..u64::MAX) {
        slowest.push(waited);
        if slowest.len() == 2 * NAMED {
            order(&mut slowest);
        }
    }
    order(&mut slowest);
    let named = |(send, state, ack_us): (&SendRow, SendState, u64)| {
        let key = truth.key(send);
        SlowMessage {
            key: key.to_string(),
            channel: send.message.channel.0,
            index: send.message.index,
            sender: send.user.0,
            intended_us: send.intended_us,
            ack_us,
            at_least: state != SendState::Acknowledged,
            attempts: send.attempts,
            trace: link(&input.plan.trace, key),
        }
    };
    slowest.into_iter().map(named).collect()
}

/// Where a message is in the target's tracing.
pub(super) fn link(trace: &Trace, key: MessageKey) -> Option<TraceLink> {
    let id = trace.of(key)?;
    Some(TraceLink { id: id.to_string(), sampled: trace.keeps(id), url: trace.link(id) })
}
