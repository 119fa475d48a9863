//! What became of the faults of the plan. One that was armed and never hit
//! anything proves nothing, so the run is inconclusive.

use super::Input;
use super::deliveries::Deliveries;
use super::latency::{ack_between, delivery_between};
use super::recovery;
use super::summary::{FaultLatency, FaultSummary, LatencySummary};
use super::truth::Truth;
use crate::ledger::{FaultRecord, RunRecord};
use crate::model::LatencyKind;
use crate::plan::{During, FaultKind, RunPlan, Touches};
use std::ops::Range;

/// Each fault, in the order of the plan.
pub(super) fn summaries(input: &Input, truth: &Truth, deliveries: &Deliveries, withheld: bool) -> Vec<FaultSummary> {
    let seen = |rank| input.record.faults.get(rank).copied().unwrap_or_default();
    let faults = (0..).zip(&input.plan.faults);
    faults
        .map(|(rank, fault)| {
            let record = seen(rank);
            let ack = |_, intended| Some(ack_between(input, truth, intended, withheld));
            let delivery = |part, intended| {
                let measured = input.timed.deliveries.get(rank)?.get(&part)?;
                Some(delivery_between(deliveries, intended, measured, withheld))
            };
            FaultSummary {
                kind: fault.kind.name().to_owned(),
                at_us: input.record.load_start_us + fault.at_us,
                fired_us: record.fired_us,
                healed_us: record.healed_us,
                touched: record.touched,
                what: touched_things(fault.kind).to_owned(),
                ack_us: split(&record, ack),
                delivery_us: split(&record, delivery),
                recovery: recovery::of(input, truth, fault.kind, &record),
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
pub(super) const RETURN_US: u64 = 10_000_000;

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

/// The parts of a run that a fault makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultPart {
    /// Before it first touched something.
    Before,
    /// Until it had ended for everything that it touched.
    During,
    /// From then on.
    After,
}

/// The part into which a latency falls that was taken between two instants;
/// `None` where the fault never touched anything.
pub fn part_of(record: &FaultRecord, start_us: u64, end_us: u64) -> Option<FaultPart> {
    let (fired_us, over_us) = (record.fired_us?, record.healed_us.unwrap_or(u64::MAX));
    Some(match () {
        () if end_us <= fired_us => FaultPart::Before,
        () if start_us < over_us => FaultPart::During,
        () => FaultPart::After,
    })
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

/// A latency before, during and after a fault; `None` where it never touched
/// anything, or where a part is not known.
fn split(
    record: &FaultRecord,
    latency: impl Fn(FaultPart, Range<u64>) -> Option<LatencySummary>,
) -> Option<FaultLatency> {
    let (fired_us, over_us) = (record.fired_us?, record.healed_us.unwrap_or(u64::MAX));
    Some(FaultLatency {
        before: latency(FaultPart::Before, 0..fired_us)?,
        during: latency(FaultPart::During, fired_us..over_us)?,
        after: latency(FaultPart::After, over_us..u64::MAX)?,
    })
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
