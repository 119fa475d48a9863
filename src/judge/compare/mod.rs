//! Two builds, or two designs, side by side: what can be said of their
//! difference. Correctness is never statistical: one lost message decides.

mod signed_rank;
mod summary;

pub use signed_rank::{interval, middle, p_above, p_below};
pub use summary::{CompareSide, CompareSummary, CompareVerdict, Gate, GateOutcome, PairRow, Reading};

use super::summary::RunSummary;
use crate::plan::{Metric, Quantile, RateMetric};

/// After how many pairs it is looked whether something can be said.
pub const LOOKS: [usize; 3] = [8, 12, 20];

/// The chance of a false alarm over all looks and metrics, at a difference that
/// just reaches the margin; each look has a third.
const ALPHA: f64 = 0.05;

/// At most so many metrics may decide: with more, eight pairs could show
/// nothing.
pub const GATES_MAX: usize = 4;

/// What is said of a metric, or of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// B is worse by more than the margin.
    Regression,
    /// B is not worse by as much as the margin.
    NoRegression,
    /// Neither can be said yet.
    Open,
}

/// The metrics that decide where none is named, with their margins.
pub fn default_gates() -> Vec<Gate> {
    let latency = |kind, quantile, margin| Gate { metric: Metric::Latency { kind, quantile }.to_string(), margin };
    use crate::model::LatencyKind::{Ack, Delivery};
    vec![
        latency(Ack, Quantile::P99, 0.10),
        latency(Delivery, Quantile::P50, 0.05),
        latency(Delivery, Quantile::P99, 0.10),
        Gate { metric: Metric::Rate(RateMetric::Achieved).to_string(), margin: 0.03 },
    ]
}

/// A gate as a user writes it: `ack.p99` or `ack.p99=10%`. The error is a
/// fragment that says what would be right.
pub fn parse_gate(text: &str) -> Result<Gate, String> {
    let (name, margin) = match text.split_once('=') {
        Some((name, margin)) => (name.trim(), Some(margin.trim())),
        None => (text.trim(), None),
    };
    let metric = Metric::parse(name)?;
    let default = match &metric {
        Metric::Latency { quantile: Quantile::P50, .. } => 0.05,
        Metric::Latency { quantile: Quantile::P95, .. } => {
            return Err(format!("{name} is in no summary; take p90 or p99"));
        }
        Metric::Latency { quantile: Quantile::Count, .. } => {
            return Err(format!(
                "{name} is no latency, rate or cost: a comparison takes ack.p99, rates.achieved_per_s, target.cpu_per_message, …"
            ));
        }
        Metric::Latency { .. } => 0.10,
        Metric::Rate(_) => 0.03,
        Metric::TargetCpu | Metric::TargetMemory => 0.05,
        _ => {
            return Err(format!(
                "{name} is no latency, rate or cost; findings are never a matter of statistics: one alone fails a build"
            ));
        }
    };
    let margin = match margin {
        None => default,
        Some(margin) => {
            let percent = margin.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
            let margin = percent.ok_or_else(|| format!("{text}: the margin is a percentage, such as {name}=10%"))?;
            if !(0.1..=1_000.0).contains(&margin) {
                return Err(format!("{text}: the margin is between 0.1% and 1000%"));
            }
            margin / 100.0
        }
    };
    Ok(Gate { metric: metric.to_string(), margin })
}

/// A metric of a run, whether or not its measurement is valid; nothing where it
/// was not measured.
pub fn reading(summary: &RunSummary, metric: &str) -> Option<Reading> {
    match Metric::parse(metric).ok()? {
        Metric::Latency { kind, quantile } => {
            let latency = summary.latency_us.get(kind.name())?;
            let (value, name) = match quantile {
                Quantile::P50 => (latency.p50, "p50"),
                Quantile::P90 => (latency.p90, "p90"),
                Quantile::P99 => (latency.p99, "p99"),
                Quantile::P999 => (latency.p999, "p999"),
                Quantile::P9999 => (latency.p9999, "p9999"),
                Quantile::Max => (latency.max, "max"),
                Quantile::P95 | Quantile::Count => return None,
            };
            let at_least = latency.lower_bounds.iter().any(|bound| bound == name);
            Some(Reading { value: value? as f64, at_least })
        }
        Metric::Rate(rate) => {
            let rates = &summary.rates;
            let value = match rate {
                RateMetric::Offered => rates.offered_per_s,
                RateMetric::Achieved => rates.achieved_per_s,
                RateMetric::Delivered => rates.delivered_per_s,
            };
            Some(Reading { value, at_least: false })
        }
        Metric::TargetCpu => {
            let process = summary.target_process.as_ref().filter(|process| process.unknown_because.is_none())?;
            let messages = summary.ledger.acknowledged + summary.ledger.written;
            (messages > 0).then(|| Reading { value: process.cpu_s * 1e6 / messages as f64, at_least: false })
        }
        Metric::TargetMemory => {
            let bytes = summary.target_process.as_ref()?.rss_max_bytes?;
            Some(Reading { value: bytes as f64, at_least: false })
        }
        _ => None,
    }
    .filter(|reading| reading.value > 0.0)
}

/// Whether more of a metric is better.
pub fn more_is_better(metric: &str) -> bool {
    matches!(Metric::parse(metric), Ok(Metric::Rate(_)))
}

/// After how many pairs to look, where there may be `most` of them: at least
/// eight.
pub fn looks(most: usize) -> Vec<usize> {
    let mut looks: Vec<usize> = LOOKS.into_iter().filter(|look| *look < most).collect();
    looks.push(most);
    looks
}

/// ln(B / A) of each pair, such that more is worse. A pair without a value, or
/// of which A is only a lower bound, is not there.
fn differences<'p>(gate: &Gate, pairs: impl IntoIterator<Item = &'p PairRow>) -> Vec<f64> {
    let sign = if more_is_better(&gate.metric) { -1.0 } else { 1.0 };
    let values = pairs.into_iter().filter_map(|pair| pair.values.get(&gate.metric));
    values.filter(|(a, _)| !a.at_least).map(|(a, b)| sign * (b.value / a.value).ln()).collect()
}

/// What can be said after so many pairs: of each gate, and of all. Holm's
/// correction keeps the chance of a false alarm for all gates together; that
/// nothing is worse must be shown for each.
pub fn decide(gates: &[Gate], pairs: &[PairRow]) -> (Vec<GateOutcome>, Decision) {
    let alpha = ALPHA / LOOKS.len() as f64;
    let mut outcomes: Vec<(GateOutcome, Decision)> = gates.iter().map(|gate| outcome(gate, pairs, alpha)).collect();
    let mut by_p: Vec<usize> = (0..outcomes.len()).collect();
    by_p.sort_by(|one, other| outcomes[*one].0.p_worse.total_cmp(&outcomes[*other].0.p_worse));
    for (rank, gate) in by_p.iter().enumerate() {
        if outcomes[*gate].0.p_worse > alpha / (gates.len() - rank) as f64 {
            break;
        }
        outcomes[*gate].1 = Decision::Regression;
    }
    let is = |decision| move |outcome: &(GateOutcome, Decision)| outcome.1 == decision;
    let all = match () {
        () if outcomes.iter().any(is(Decision::Regression)) => Decision::Regression,
        () if !outcomes.is_empty() && outcomes.iter().all(is(Decision::NoRegression)) => Decision::NoRegression,
        () => Decision::Open,
    };
    let word = |decision| match decision {
        Decision::Regression => "regression",
        Decision::NoRegression => "no regression",
        Decision::Open => "open",
    };
    let outcomes = outcomes.into_iter().map(|(outcome, decision)| {
        let verdict = word(decision).to_owned();
        GateOutcome { verdict, ..outcome }
    });
    (outcomes.collect(), all)
}

fn outcome(gate: &Gate, pairs: &[PairRow], alpha: f64) -> (GateOutcome, Decision) {
    let worse_by = differences(gate, pairs);
    let margin = gate.margin.ln_1p();
    let p_worse = p_above(&worse_by, margin);
    let valid = pairs.iter().filter(|pair| pair.not_valid_because.is_none());
    let p_not_worse = p_below(&differences(gate, valid), margin);
    // A B that is only a lower bound may be worse than it looks.
    let is_known = pairs.iter().filter_map(|pair| pair.values.get(&gate.metric)).all(|(_, b)| !b.at_least);
    let decision = if is_known && p_not_worse <= alpha { Decision::NoRegression } else { Decision::Open };
    let (low, high) = interval(&worse_by, 0.95);
    let (ratio, low, high) = match more_is_better(&gate.metric) {
        false => (middle(&worse_by), low, high),
        true => (-middle(&worse_by), -high, -low),
    };
    let known = |log: f64| log.is_finite().then(|| log.exp());
    let outcome = GateOutcome {
        metric: gate.metric.clone(),
        margin: gate.margin,
        pairs: worse_by.len(),
        ratio: (!worse_by.is_empty()).then(|| ratio.exp()),
        low: known(low),
        high: known(high),
        p_worse,
        p_not_worse,
        verdict: String::new(),
    };
    (outcome, decision)
}

/// How far a metric of one build strays from itself, as a share: the further
/// end of the interval of an A/A comparison. Nothing where there are too few
/// pairs.
pub fn noise(outcome: &GateOutcome) -> Option<f64> {
    let (low, high) = (outcome.low?, outcome.high?);
    Some(f64::max(high.max(1.0), 1.0 / low.min(1.0)) - 1.0)
}

#[cfg(test)]
mod tests;
