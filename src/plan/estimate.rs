//! What a plan will need, before it starts.

use super::{ArrivalProcess, FaultKind, HttpUse, ReceiveDesign, Roster, RunPlan, UserChoice, expected_messages};
use crate::model::UserId;

/// Descriptors beside sockets to the target: files of the run, timers, the
/// runtime's own, connections that read history.
const MARGIN_DESCRIPTORS: u64 = 64;

/// Resident memory of an idle process: histograms of the workers, code,
/// allocator.
const BASE_BYTES: u64 = 48 << 20;
/// A WebSocket with a read buffer of 4 KiB and its task, as measured.
const SUBSCRIBER_BYTES: u64 = 8 << 10;
/// An HTTP connection with hyper's buffers and its task.
const SENDER_CONNECTION_BYTES: u64 = 20 << 10;
/// The window of one (subscriber, channel) pair, as measured.
const WINDOW_BYTES: u64 = 96;
/// The row of one message in the sender log, as measured.
const SEND_BYTES: u64 = 30;
/// The row of one message as it is judged, and its rows in two final reads.
const MESSAGE_BYTES: u64 = 192 + 2 * 96;
/// One in so many deliveries takes a byte where 1 % are missing, as measured.
const DELIVERIES_A_BYTE: u64 = 64;
/// Bytes of history pages that a run holds before it writes them to disk.
pub const PAGES_HELD_BYTES: usize = 64 << 20;
/// No run is held to less than this.
const LEAST_LEDGER_CAP_BYTES: u64 = 256 << 20;
/// The two arrays of the roster.
const MEMBERSHIP_BYTES: u64 = 8;
/// A channel's offsets, and its counters in the schedules of the workers.
const CHANNEL_BYTES: u64 = 32;

/// Descriptors that the generator needs: one for each subscriber, one for each
/// HTTP connection that senders can hold at once, for sockets that faults leave
/// half-open, and 64.
pub fn descriptors_needed(plan: &RunPlan) -> u64 {
    let sockets = match plan.receive.design {
        ReceiveDesign::Poll => 0,
        // The next one is opened before the last one is left; the target may post
        // two events at once.
        ReceiveDesign::SocketMode | ReceiveDesign::Webhook => 2 * plan.population.subscribers,
        _ => plan.population.subscribers,
    };
    let half_open = if has(plan, FaultKind::Handoff) { plan.population.subscribers } else { 0 };
    u64::from(sockets) + u64::from(half_open) + sender_connections(plan) + MARGIN_DESCRIPTORS
}

/// Ports of one source address that the generator needs towards the target: one
/// for each connection, and where each attempt has a connection of its own those
/// that the system sets aside for a minute after it.
pub fn ports_needed(plan: &RunPlan) -> u64 {
    const SET_ASIDE_US: u64 = 60_000_000;
    let peak = plan.arrival.peak_per_s();
    let closed = match plan.send.http {
        HttpUse::New if !plan.send.design.is_over_socket() => {
            (peak * plan.arrival.duration_us().min(SET_ASIDE_US) as f64 / 1e6) as u64
        }
        _ => 0,
    };
    descriptors_needed(plan) - MARGIN_DESCRIPTORS + closed
}

/// Resident memory in bytes that the generator needs, roughly: meant to warn
/// before a run that cannot fit, not to account for every byte.
pub fn memory_estimate_bytes(plan: &RunPlan) -> u64 {
    let population = &plan.population;
    let mean_members = (u64::from(population.members.min) + u64::from(population.members.max)) / 2;
    let memberships = u64::from(population.channels) * mean_members;
    let messages = messages_bound(plan);
    BASE_BYTES
        + u64::from(population.subscribers) * SUBSCRIBER_BYTES
        + sender_connections(plan) * SENDER_CONNECTION_BYTES
        + ledger_bytes(plan)
        + messages.saturating_mul(MESSAGE_BYTES)
        + memberships * MEMBERSHIP_BYTES
        + u64::from(population.channels) * CHANNEL_BYTES
}

/// The most memory in bytes that the ledger of a run may take while it goes on:
/// twice what is expected of a server that loses one delivery in a hundred.
/// Past it, what can be is written to disk, and that is said.
pub fn ledger_cap_bytes(plan: &RunPlan) -> u64 {
    (2 * ledger_bytes(plan)).max(LEAST_LEDGER_CAP_BYTES)
}

/// Windows, holes and sends.
fn ledger_bytes(plan: &RunPlan) -> u64 {
    let population = &plan.population;
    let mean_members = (u64::from(population.members.min) + u64::from(population.members.max)) / 2;
    let messages = messages_bound(plan);
    let deliveries = messages.saturating_mul(mean_members);
    // A window exists from the first delivery of its pair on.
    let windows = (u64::from(population.channels) * mean_members).min(deliveries);
    windows * WINDOW_BYTES + messages.saturating_mul(SEND_BYTES) + deliveries / DELIVERIES_A_BYTE
}

/// A sender's connection is open while one of its messages is under way, with
/// all its retries, and until it has been idle for long enough. In such a time
/// no more connections are in use than messages are intended.
fn sender_connections(plan: &RunPlan) -> u64 {
    let send = &plan.send;
    let retries = u64::from(send.attempts.saturating_sub(1));
    let open_us = u64::from(send.attempts)
        .saturating_mul(send.timeout_us)
        .saturating_add(retries.saturating_mul(send.backoff.max_us))
        .saturating_add(send.idle_timeout_us);
    let peak = plan.arrival.peak_per_s();
    let messages = (peak * open_us as f64 / 1e6).min(expected_messages(plan));
    let of_users = u64::from(plan.population.senders).min(bound(messages, ArrivalProcess::Poisson));
    // A message that is posted twice at once needs a second connection.
    if has(plan, FaultKind::Hedge) { 2 * of_users } else { of_users }
}

fn has(plan: &RunPlan, kind: FaultKind) -> bool {
    plan.faults.iter().any(|fault| fault.kind == kind)
}

/// More messages than the schedule will hold.
pub(super) fn messages_bound(plan: &RunPlan) -> u64 {
    bound(expected_messages(plan), plan.arrival.process)
}

/// More messages than the schedule will hold for any one channel.
pub(super) fn messages_per_channel_bound(plan: &RunPlan) -> u64 {
    let roster = Roster::new(plan);
    let exponent = match plan.population.choice {
        UserChoice::Uniform => 0.0,
        UserChoice::Zipf { exponent } => exponent,
    };
    let mut shares = vec![0.0; plan.population.channels as usize];
    let mut total = 0.0;
    for UserId(user) in roster.senders() {
        let channels = roster.channels(UserId(user));
        let weight = (f64::from(user) + 1.0).powf(-exponent);
        for channel in channels {
            shares[channel.0 as usize] += weight / channels.len() as f64;
        }
        total += if channels.is_empty() { 0.0 } else { weight };
    }
    let largest = shares.into_iter().fold(0.0, f64::max);
    // Users and channels are drawn at random even where gaps are constant.
    bound(if total > 0.0 { expected_messages(plan) * largest / total } else { 0.0 }, ArrivalProcess::Poisson)
}

/// More than a count of this expectation comes to: eight standard deviations,
/// and some more where counts are small.
fn bound(expected: f64, process: ArrivalProcess) -> u64 {
    let deviation = if process == ArrivalProcess::Poisson { 8.0 * expected.sqrt() + 16.0 } else { 1.0 };
    (expected + deviation).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::super::PhaseKind::{Ramp, Steady};
    use super::super::tests::{example, phase};
    use super::super::{ArrivalSchedule, Range};
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn descriptors_follow_subscribers_and_senders_in_flight() {
        for (change, expected, reason) in [
            ((100, 100, 200.0), 100 + 100 + 64, "every sender has a connection open"),
            ((0, 100, 200.0), 100 + 64, "nobody listens"),
            ((100, 10, 200.0), 100 + 10 + 64, "ten senders"),
            // Ten messages, 8 standard deviations and 16, rounded up.
            ((100, 100, 1.0), 100 + 52 + 64, "few messages need few connections"),
            ((100, 100, 0.0), 100 + 16 + 64, "no messages need next to none"),
        ] {
            let mut plan = example();
            let (subscribers, senders, rate) = change;
            plan.population.subscribers = subscribers;
            plan.population.senders = senders;
            plan.arrival.phases = vec![phase(Steady, 10, rate, rate)];
            assert_eq!(descriptors_needed(&plan), expected, "{reason}");
        }
    }

    #[test]
    fn memory_grows_with_all_that_is_held() {
        let base = memory_estimate_bytes(&example());
        assert!((48 << 20..64 << 20).contains(&base), "a small run: {base}");
        type Change = fn(&mut RunPlan);
        let changes: [(Change, &str); 4] = [
            (|plan| plan.population.subscribers += 10_000, "subscribers"),
            (|plan| plan.arrival.phases.push(phase(Ramp, 10, 0.0, 1e5)), "messages"),
            (|plan| plan.population.members = Range { min: 100, max: 100 }, "memberships"),
            (|plan| plan.population.channels = 100_000, "channels"),
        ];
        for (change, reason) in changes {
            let mut plan = example();
            change(&mut plan);
            assert!(memory_estimate_bytes(&plan) > base, "{reason}");
        }
    }

    #[test]
    fn bounds_are_above_every_schedule_and_not_far_above() {
        for (choice, reason) in [(UserChoice::Uniform, "uniform"), (UserChoice::Zipf { exponent: 1.5 }, "skewed")] {
            for seed in 0..20 {
                let mut plan = example();
                plan.seed = seed;
                plan.population.choice = choice;
                let roster = Arc::new(Roster::new(&plan));
                let mut counts: HashMap<_, u64> = HashMap::new();
                let schedule = ArrivalSchedule::new(Arc::new(plan.clone()), roster);
                let total = schedule.map(|one| *counts.entry(one.message.channel).or_default() += 1).count() as u64;
                let largest = counts.into_values().max().unwrap_or(0);
                assert!((total..2 * total).contains(&messages_bound(&plan)), "{reason}");
                let of_channel = messages_per_channel_bound(&plan);
                assert!((largest..3 * largest).contains(&of_channel), "{reason}: {largest} below {of_channel}");
            }
        }
    }
}
