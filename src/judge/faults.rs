//! What became of the faults of the plan. One that was armed and never hit
//! anything proves nothing, so the run is inconclusive.

use super::Input;
use super::latency::ack_between;
use super::summary::{FaultLatency, FaultSummary};
use super::truth::Truth;
use crate::plan::{FaultKind, Touches};

/// Each fault, in the order of the plan.
pub(super) fn summaries(input: &Input, truth: &Truth, withheld: bool) -> Vec<FaultSummary> {
    let seen = |rank| input.record.faults.get(rank).copied().unwrap_or_default();
    let faults = (0..).zip(&input.plan.faults);
    faults
        .map(|(rank, fault)| {
            let record = seen(rank);
            FaultSummary {
                kind: fault.kind.name().to_owned(),
                at_us: input.record.load_start_us + fault.at_us,
                fired_us: record.fired_us,
                healed_us: record.healed_us,
                touched: record.touched,
                what: touched_things(fault.kind).to_owned(),
                ack_us: record.fired_us.map(|fired_us| split(input, truth, fired_us, record.healed_us, withheld)),
            }
        })
        .collect()
}

/// What a fault touches, in the plural.
fn touched_things(kind: FaultKind) -> &'static str {
    match kind.touches() {
        Touches::Subscribers => "subscribers",
        Touches::Messages => "messages",
        Touches::Connections => "connections",
        Touches::Store => "stores",
        Touches::Process => "processes",
    }
}

/// `ack` before, during and after a fault.
fn split(input: &Input, truth: &Truth, fired_us: u64, healed_us: Option<u64>, withheld: bool) -> FaultLatency {
    let over_us = healed_us.unwrap_or(u64::MAX);
    let ack = |intended| ack_between(input, truth, intended, withheld);
    FaultLatency { before: ack(0..fired_us), during: ack(fired_us..over_us), after: ack(over_us..u64::MAX) }
}

/// The faults that touched nothing, in words.
pub(super) fn never_hit(input: &Input) -> Vec<String> {
    // What a killed run's faults touched was to be told at its end.
    if input.record.killed {
        return Vec::new();
    }
    let faults = input.plan.faults.iter().enumerate();
    let missed = faults.filter(|(rank, _)| input.record.faults.get(*rank).is_none_or(|record| record.touched == 0));
    missed
        .map(|(_, fault)| {
            format!(
                "the fault {} at {} s of the load never hit any of the {}: nothing was tested by it",
                fault.kind.name(),
                fault.at_us as f64 / 1e6,
                touched_things(fault.kind)
            )
        })
        .collect()
}
