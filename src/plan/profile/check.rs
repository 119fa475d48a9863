//! What must hold across the sections of a profile.

use super::error::ProfileError;
use super::keys::Reading;
use super::{changes, receive};
use crate::model::KeyLayout;
use crate::plan::estimate::{messages_bound, messages_per_channel_bound};
use crate::plan::{
    ArrivalProcess, Capabilities, FaultKind, Population, RunPlan, Threshold, UserChoice, closed_loop_per_s,
};

/// (Channel, member) pairs that a run can hold in memory.
const MOST_MEMBERSHIPS: u64 = 500_000_000;

/// The plan with its key layout, if its sections agree with each other.
pub(super) fn check(reading: &Reading<'_>, mut plan: RunPlan) -> Result<RunPlan, ProfileError> {
    population(reading, &plan.population)?;
    closed_loop(reading, &mut plan)?;
    let Population { users, senders, subscribers, .. } = plan.population;
    if plan.members.churn_per_minute > 0.0 && (senders >= users || subscribers == 0) {
        let message = "members.churn_per_minute: only subscribers who never send leave channels, and there are none; \
                       lower population.senders below population.users";
        return Err(reading.error("members.churn_per_minute", message));
    }
    send(reading, &plan)?;
    thresholds(reading, &plan)?;
    receive::check(reading, &plan)?;
    changes::check(reading, &plan)?;
    backoff(reading, "send", plan.send.backoff.base_us, plan.send.backoff.max_us)?;
    backoff(reading, "connect", plan.connect.backoff.base_us, plan.connect.backoff.max_us)?;
    let channels = plan.population.channels.into();
    // The roster costs time, so it is drawn only where the coarse bound fails.
    let layout = KeyLayout::fitting(channels, messages_bound(&plan))
        .or_else(|| KeyLayout::fitting(channels, messages_per_channel_bound(&plan)));
    let Some(key_layout) = layout else {
        let message = format!(
            "{channels} channels with up to {} messages each do not fit the 46 bits that a message key has for them; \
             lower the rate or duration of [arrival], or population.channels",
            messages_per_channel_bound(&plan)
        );
        return Err(reading.error("arrival", message));
    };
    let ordered = plan.capabilities.live_order && plan.receive.design.keeps_order();
    let capabilities = Capabilities { live_order: ordered, ..plan.capabilities };
    Ok(RunPlan { key_layout, capabilities, ..plan })
}

fn population(reading: &Reading<'_>, population: &Population) -> Result<(), ProfileError> {
    let Population { users, channels, members, senders, subscribers, .. } = *population;
    let of = match reading.root.at("population.users").and_then(|node| node.flag()) {
        Some(rank) => format!("the {users} users of {}", reading.source.overrides[rank].origin),
        None => format!("the {users} of population.users"),
    };
    for (key, value, what) in [
        ("members", members.max, "members"),
        ("senders", senders, "senders"),
        ("subscribers", subscribers, "subscribers"),
    ] {
        if value > users {
            let path = format!("population.{key}");
            return Err(reading.error(&path, format!("{path}: {value} {what} are more than {of}")));
        }
    }
    let room = u64::from(channels) * u64::from(members.min);
    if u64::from(senders) > room {
        let message = format!(
            "population.senders: {channels} channels of at least {} members have room for {room} senders, not for \
             {senders}; raise population.channels or population.members, or lower population.senders",
            members.min
        );
        return Err(reading.error("population.senders", message));
    }
    let memberships = u64::from(channels) * u64::from(members.max);
    if memberships > MOST_MEMBERSHIPS {
        let message = format!(
            "population.channels: {channels} channels of up to {} members are {memberships} memberships, more than \
             {MOST_MEMBERSHIPS}",
            members.max
        );
        return Err(reading.error("population.channels", message));
    }
    Ok(())
}

/// A closed loop's rate is reckoned, and its users are all alike.
fn closed_loop(reading: &Reading<'_>, plan: &mut RunPlan) -> Result<(), ProfileError> {
    let ArrivalProcess::Closed { think_us } = plan.arrival.process else { return Ok(()) };
    if plan.population.choice != UserChoice::Uniform {
        let message = "population.choice: in a closed loop nobody chooses who sends: every sender does, when it has \
                       its answer and has thought; leave the choice uniform, or give an open loop";
        return Err(reading.error("population.choice", message));
    }
    let rate = closed_loop_per_s(plan.population.senders, think_us);
    plan.arrival.phases.iter_mut().for_each(|phase| (phase.rate_from, phase.rate_to) = (rate, rate));
    Ok(())
}

fn thresholds(reading: &Reading<'_>, plan: &RunPlan) -> Result<(), ProfileError> {
    let parsed = plan.thresholds.iter().filter_map(|expr| Threshold::parse(expr).ok());
    let wrong =
        parsed.enumerate().find_map(|(rank, threshold)| Some((rank, threshold.check_faults(&plan.faults).err()?)));
    wrong.map_or(Ok(()), |(rank, why)| Err(reading.error(&format!("thresholds.{rank}"), why)))
}

fn send(reading: &Reading<'_>, plan: &RunPlan) -> Result<(), ProfileError> {
    let design = plan.send.design;
    if !design.is_over_socket() {
        return Ok(());
    }
    if plan.population.subscribers < plan.population.users {
        let message = format!(
            "send.design: {} sends over the socket that its user holds, and only {} of {} users hold one; set \
             population.subscribers to all of them",
            design.name(),
            plan.population.subscribers,
            plan.population.users
        );
        return Err(reading.error("send.design", message));
    }
    if plan.trace.sample.is_some() {
        let message = format!(
            "trace.sample: a trace is told in a header, and send.design = {:?} sends frames, which have none; set \
             send.design to http, or leave --trace out",
            design.name()
        );
        return Err(reading.error("trace.sample", message));
    }
    if let Some(rank) = plan.faults.iter().position(|fault| fault.kind == FaultKind::Hedge) {
        let message =
            format!("the fault hedge posts twice over HTTP, and send.design = {:?} posts nothing", design.name());
        return Err(reading.error(&format!("faults.{rank}.kind"), message));
    }
    Ok(())
}

fn backoff(reading: &Reading<'_>, section: &str, base_us: u64, max_us: u64) -> Result<(), ProfileError> {
    if base_us <= max_us {
        return Ok(());
    }
    let given = ["base", "max"].into_iter().find(|key| reading.root.at(&format!("{section}.backoff.{key}")).is_some());
    let path = format!("{section}.backoff.{}", given.unwrap_or("base"));
    Err(reading.error(&path, format!("{section}.backoff.base is above {section}.backoff.max")))
}
