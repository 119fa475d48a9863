//! What became of the faults of the plan. One that was armed and never hit
//! anything proves nothing, so the run is inconclusive.

use super::Input;
use super::latency::ack_between;
use super::summary::{FaultLatency, FaultSummary};
use super::truth::Truth;
use crate::ledger::RunRecord;
use crate::model::LatencyKind;
use crate::plan::{During, FaultKind, RunPlan, Touches};
use std::ops::Range;

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

/// When faults were in force, in µs since the start of the run, in order and
/// without overlaps. One that had not ended is in force until the end.
pub fn times_of(plan: &RunPlan, record: &RunRecord, during: During) -> Vec<Range<u64>> {
    let faults = plan.faults.iter().zip(&record.faults).filter(|(fault, _)| during.takes(fault));
    let mut times: Vec<Range<u64>> =
        faults.filter_map(|(_, seen)| Some(seen.fired_us?..seen.healed_us.unwrap_or(record.ended_us))).collect();
    times.sort_by_key(|time| time.start);
    let mut apart: Vec<Range<u64>> = Vec::new();
    for time in times {
        match apart.last_mut().filter(|last| last.end >= time.start) {
            Some(last) => last.end = last.end.max(time.end),
            None => apart.push(time),
        }
    }
    apart
}

/// How long after a fault clients still come back from it.
const RETURN_US: u64 = 10_000_000;

/// Whether a latency that was taken between two instants is one of these times
/// of faults. Whoever lost a connection heals when the fault is over: that may
/// be up to ten seconds later.
pub fn is_of(times: &[Range<u64>], kind: LatencyKind, start_us: u64, end_us: u64) -> bool {
    let after_us = match kind {
        LatencyKind::Heal | LatencyKind::HealMessage | LatencyKind::Notice => RETURN_US,
        _ => 0,
    };
    times.iter().any(|time| start_us < time.end.saturating_add(after_us) && end_us > time.start)
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
