//! How clients came back from a fault that took their connections: what it cost
//! their sends, how many sockets moved, and what that asked of the history.

use super::Input;
use super::faults::RETURN_US;
use super::summary::{FaultRecovery, SocketRecovery};
use super::truth::Truth;
use crate::ledger::{CatchUpKind, Connection, ConnectionEnd, FaultRecord, SubscriberLog};
use crate::model::{SendState, UserId};
use crate::plan::{FaultKind, ReceiveDesign, Touches};
use std::collections::BTreeMap;
use std::ops::Range;

/// Counts the way back; `None` for a fault that takes nobody's connection, or
/// never touched anything.
pub(super) fn of(input: &Input, truth: &Truth, kind: FaultKind, record: &FaultRecord) -> Option<FaultRecovery> {
    if kind.touches() != Touches::Process && kind != FaultKind::Herd {
        return None;
    }
    let fired_us = record.fired_us?;
    let over_us = record.healed_us.unwrap_or(input.record.ended_us);
    let mut recovery = sends(truth, fired_us..over_us);
    if holds_sockets(input.plan.receive.design) {
        recovery.sockets = Some(sockets(input, fired_us, over_us));
    }
    Some(recovery)
}

/// Whether the ledger knows when subscribers of a design had a connection.
fn holds_sockets(design: ReceiveDesign) -> bool {
    !design.fetches() && design != ReceiveDesign::Webhook
}

fn sockets(input: &Input, fired_us: u64, over_us: u64) -> SocketRecovery {
    let back = back(input, fired_us..over_us.saturating_add(RETURN_US));
    let mut recovery = SocketRecovery { moved: back.len() as u64, ..SocketRecovery::default() };
    let mut last_us = fired_us;
    let mut seconds: BTreeMap<u64, u64> = BTreeMap::new();
    for page in input.ledger.pages.iter().filter(|page| page.kind == CatchUpKind::Policy) {
        let Some(on) = back.get(&page.reader).filter(|on| on.contains(&page.written_us)) else { continue };
        last_us = last_us.max(page.written_us).max(on.start);
        recovery.pages += 1;
        *seconds.entry((page.written_us - fired_us) / 1_000_000).or_default() += 1;
    }
    recovery.pages_in_worst_second = seconds.into_values().max().unwrap_or_default();
    let connected_us = back.values().map(|on| on.start).max();
    recovery.reconnected_us = connected_us.map(|at_us| at_us - fired_us);
    recovery.caught_up_us = connected_us.map(|at_us| at_us.max(last_us) - fired_us);
    recovery
}

/// What became of the messages that were under way while it lasted.
fn sends(truth: &Truth, lasted: Range<u64>) -> FaultRecovery {
    let mut recovery = FaultRecovery::default();
    for message in truth.channels.iter().flat_map(|channel| &channel.messages) {
        let (Some(send), Some(state)) = (message.send, message.state()) else { continue };
        // What never left is posthaste's own doing.
        if state == SendState::Unattempted {
            continue;
        }
        let ended_us = send.last_attempt_us.unwrap_or(u64::MAX);
        if send.intended_us >= lasted.end || ended_us < lasted.start {
            continue;
        }
        recovery.sends += 1;
        recovery.retries += u64::from(send.attempts.saturating_sub(1));
        recovery.failed_sends += u64::from(!matches!(state, SendState::Acknowledged | SendState::Written));
    }
    recovery
}

/// Of each subscriber that lost its connection at these times and came back:
/// from when until when it had the next one.
fn back(input: &Input, lost: Range<u64>) -> BTreeMap<UserId, Range<u64>> {
    let of_log = |log: &SubscriberLog| {
        let is_lost = |end| matches!(end, ConnectionEnd::Lost | ConnectionEnd::Dead);
        let moved = |one: &Connection| is_lost(one.end) && one.noticed_us.is_some_and(|at| lost.contains(&at));
        let ends = log.connections.windows(2).find(|pair| moved(&pair[0]))?;
        Some((log.user, ends[1].armed_us..ends[1].noticed_us.unwrap_or(u64::MAX)))
    };
    input.ledger.subscribers.iter().filter_map(of_log).collect()
}
