//! What became of the faults of the plan. One that was armed and never hit
//! anything proves nothing, so the run is inconclusive.

use super::Input;
use super::summary::FaultSummary;
use crate::plan::Touches;

/// Each fault, in the order of the plan.
pub(super) fn summaries(input: &Input) -> Vec<FaultSummary> {
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
                what: match fault.kind.touches() {
                    Touches::Subscribers => "subscribers",
                    Touches::Messages => "messages",
                    Touches::Connections => "connections",
                    Touches::Store => "stores",
                    Touches::Process => "processes",
                }
                .to_owned(),
            }
        })
        .collect()
}

/// The faults that touched nothing, in words.
pub(super) fn never_hit(input: &Input) -> Vec<String> {
    // What a killed run's faults touched was to be told at its end.
    if input.record.killed {
        return Vec::new();
    }
    let all = summaries(input).into_iter().filter(|fault| fault.touched == 0);
    all.map(|fault| {
        let at_s = fault.at_us.saturating_sub(input.record.load_start_us) as f64 / 1e6;
        format!(
            "the fault {} at {at_s} s of the load never hit any of the {}: nothing was tested by it",
            fault.kind, fault.what
        )
    })
    .collect()
}
