//! What a post, a delivery and an idle socket cost the target: CPU time fitted
//! over the probes.

use super::least_squares::{are_independent, non_negative, squared_error};
use super::summary::{CapacityProbe, Cost, Egress, EgressCost, Outcome, Purpose, TargetUse};

/// Fits CPU seconds = a · posts + b · deliveries + c · sockets · seconds, all
/// not negative, to the probes from half of the capacity on and to those that
/// are made for it: at lower loads less is done at once, and each costs more.
/// Each equation is divided by its CPU time, so that a long probe at a high load
/// does not outweigh all others.
pub(super) fn fit(probes: &[CapacityProbe], capacity: f64, source: &str) -> Option<Cost> {
    let says_something = |probe: &&CapacityProbe| {
        !matches!(probe.outcome, Outcome::Interrupted | Outcome::NoRun)
            && (!probe.purpose.is_search() || probe.load >= capacity / 2.0)
    };
    let observed: Vec<(&CapacityProbe, &TargetUse)> = probes
        .iter()
        .filter(says_something)
        .filter_map(|probe| Some((probe, probe.target.as_ref().filter(|used| used.cpu_s > 0.0)?)))
        .collect();
    if observed.is_empty() {
        return None;
    }
    let rows: Vec<([f64; 3], f64)> = observed
        .iter()
        .map(|(_, used)| {
            let weight = 1.0 / used.cpu_s;
            let causes = [used.posts as f64, used.deliveries as f64, used.sockets as f64 * used.seconds];
            (causes.map(|cause| cause * weight), 1.0)
        })
        .collect();
    let mut cost = Cost {
        source: source.to_owned(),
        rss_max_bytes: observed.iter().filter_map(|(_, used)| used.rss_max_bytes).max(),
        rss_bytes_per_1000_sockets: memory_of_sockets(observed.iter().map(|(_, used)| *used)),
        probes: observed.iter().map(|(probe, _)| probe.number).collect(),
        ..Cost::default()
    };
    // Deliveries grow with the posts, unless some probes had no subscribers.
    let has = |column: usize| rows.iter().any(|(row, _)| row[column] > 0.0);
    let present: Vec<usize> = (0..3).filter(|column| has(*column)).collect();
    // And what idle sockets cost is not what a line through high loads leaves at 0.
    let idle = observed.iter().any(|(probe, _)| probe.purpose == Purpose::CostOfSockets);
    if !idle || !are_independent(&rows, &present) || rows.len() <= present.len() {
        let why = "the probes that tell posts, deliveries and sockets apart were not made";
        cost.unknown_because = Some(why.to_owned());
        return Some(cost);
    }
    let x = non_negative(&rows)?;
    cost.error = (squared_error(&rows, &x) / rows.len() as f64).sqrt();
    cost.cpu_s_per_1000_posts = has(0).then_some(x[0] * 1e3);
    cost.cpu_s_per_10000_deliveries = has(1).then_some(x[1] * 1e4);
    cost.cpu_s_per_minute_of_1000_sockets = has(2).then_some(x[2] * 1e3 * 60.0);
    Some(cost)
}

/// What the target sent for a thousand posts and for ten thousand deliveries, over
/// all probes together. A probe whose sockets are idle is not in it: its frames are
/// heartbeats.
pub(super) fn egress(probes: &[CapacityProbe]) -> Option<EgressCost> {
    let probes = probes.iter().filter(|probe| probe.purpose != Purpose::CostOfSockets);
    let all: Vec<Egress> = probes.filter_map(|probe| probe.egress).collect();
    let sum = |of: fn(&Egress) -> u64| all.iter().map(of).sum::<u64>() as f64;
    let each = |bytes: f64, times: f64, by: f64| (bytes > 0.0 && times > 0.0).then(|| bytes / times * by);
    let cost = EgressCost {
        bytes_per_1000_posts: each(sum(|one| one.answer_bytes), sum(|one| one.posts), 1e3),
        bytes_per_10000_deliveries: each(sum(|one| one.frame_bytes), sum(|one| one.deliveries), 1e4),
    };
    (cost != EgressCost::default()).then_some(cost)
}

/// The median over the probes of what their sockets added, for a thousand.
fn memory_of_sockets<'p>(uses: impl Iterator<Item = &'p TargetUse>) -> Option<u64> {
    let of = |used: &TargetUse| {
        Some(used.rss_of_sockets_bytes? * 1_000 / Some(used.sockets).filter(|sockets| *sockets > 0)?)
    };
    let mut all: Vec<u64> = uses.filter_map(of).collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied()
}
