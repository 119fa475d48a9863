//! When a target was itself again after an overload, by what each second of the
//! run brought.

use super::summary::{Purpose, Recovery, SearchSettings};
use crate::plan::{Metric, Quantile, Threshold};
use std::collections::BTreeMap;

/// So many seconds in a row must keep the objective.
const IN_A_ROW: usize = 3;

/// One second of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Second {
    /// Its start in seconds since the first intended message.
    pub start_s: f64,
    /// Its length in seconds.
    pub length_s: f64,
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Messages that were sent or waited for their user at its end.
    pub backlog: u64,
    /// p50, p90, p99 and the maximum of the latencies that ended in it, in µs,
    /// by their names.
    pub latency_us: BTreeMap<String, [u64; 4]>,
}

/// What an overload at `load` did, whose probe has this number.
pub fn recovery(settings: &SearchSettings, probe: u32, load: f64, seconds: &[Second]) -> Recovery {
    let phases = settings.phases(Purpose::Overload, load);
    let [before_s, overload_s, watched_s] = [0, 1, 2].map(|rank| phases.get(rank).map_or(0.0, |phase| phase.seconds));
    let ends_s = before_s + overload_s;
    let within = |from_s: f64, to_s: f64| {
        seconds.iter().filter(move |second| second.start_s >= from_s && second.start_s + second.length_s <= to_s)
    };
    let during: Vec<&Second> = within(before_s, ends_s).collect();
    let during_s: f64 = during.iter().map(|second| second.length_s).sum();
    let acknowledged: u64 = during.iter().map(|second| second.acknowledged).sum();
    let backlog = within(0.0, before_s).map(|second| second.backlog).max().unwrap_or(0);
    let objective: Vec<Threshold> = settings.objective.iter().filter_map(|expr| Threshold::parse(expr).ok()).collect();
    let after: Vec<&Second> =
        seconds.iter().filter(|second| second.start_s >= ends_s && second.start_s < ends_s + watched_s).collect();
    let kept: Vec<bool> = after.iter().map(|second| is_kept(second, &objective, backlog)).collect();
    let first = kept.windows(IN_A_ROW).position(|row| row.iter().all(|kept| *kept));
    Recovery {
        probe,
        overload: load * SearchSettings::OVERLOAD,
        overload_s,
        return_to: load * SearchSettings::RETURN,
        achieved_per_s: if during_s > 0.0 { acknowledged as f64 / during_s } else { 0.0 },
        recovered_after_s: first.map(|rank| (after[rank].start_s - ends_s).max(0.0)),
        watched_s,
    }
}

/// Whether a second kept the latencies of the objective; where it names none,
/// whether no more waited than before the overload, or nearly so.
fn is_kept(second: &Second, objective: &[Threshold], backlog_before: u64) -> bool {
    let mut named = false;
    for threshold in objective {
        let Metric::Latency { kind, quantile } = threshold.metric else { continue };
        let rank = match quantile {
            Quantile::P50 => 0,
            Quantile::P90 => 1,
            // A second has too few samples for more.
            Quantile::P95 | Quantile::P99 | Quantile::P999 | Quantile::P9999 => 2,
            Quantile::Max => 3,
            Quantile::Count => continue,
        };
        named = true;
        let value = second.latency_us.get(kind.name()).map(|quantiles| quantiles[rank]);
        if value.is_some_and(|value| !threshold.holds(value as f64)) {
            return false;
        }
    }
    named || second.backlog <= (2 * backlog_before).max(10)
}
