//! What came of each threshold. A threshold without data, or on latencies that
//! are withheld, is neither passed nor broken: it makes the run inconclusive.

use super::latency::{Samples, samples_needed};
use super::measurement::share;
use super::stale::NO_POSITIONS;
use super::stored::NO_HISTORY;
use super::summary::{FindingSummary, LedgerCounts, Rates, TargetProcess, ThresholdOutcome};
use super::verdict::grouped;
use crate::model::{FindingKind, LatencyKind};
use crate::plan::{Comparison, During, Metric, Quantile, RateMetric, Threshold};
use std::collections::{BTreeMap, BTreeSet};

/// The figures that thresholds can name.
pub(super) struct Figures<'f> {
    /// Every finding.
    pub(super) findings: &'f BTreeMap<FindingKind, FindingSummary>,
    /// Counts of messages and deliveries.
    pub(super) counts: &'f LedgerCounts,
    /// Messages and deliveries a second.
    pub(super) rates: &'f Rates,
    /// What the target's process used.
    pub(super) target: Option<&'f TargetProcess>,
    /// The latencies.
    pub(super) samples: &'f Samples,
    /// The latencies while faults were in force.
    pub(super) during: &'f BTreeMap<During, Samples>,
    /// Whether the latencies are barred from thresholds.
    pub(super) withheld: bool,
}

/// A figure as far as it is known.
struct Figure {
    value: Option<f64>,
    shown: String,
    /// Whether the truth may be greater than the value.
    at_least: bool,
    /// Whether it may decide a threshold.
    usable: bool,
}

/// The faults to which some of the thresholds are confined.
pub fn confined(thresholds: &[String]) -> BTreeSet<During> {
    thresholds.iter().filter_map(|expr| Threshold::parse(expr).ok()?.during).collect()
}

/// Judges the thresholds of the plan in their order.
pub(super) fn judge(thresholds: &[String], figures: &Figures) -> Vec<ThresholdOutcome> {
    thresholds.iter().map(|expr| outcome(expr, figures)).collect()
}

fn outcome(expr: &str, figures: &Figures) -> ThresholdOutcome {
    let expr = expr.to_owned();
    let Ok(threshold) = Threshold::parse(&expr) else {
        return ThresholdOutcome { expr, value: None, shown: "not a threshold".to_owned(), passed: None };
    };
    if let Some(reason) = figures.not_promised(&threshold.metric) {
        // What a target does not promise, it cannot break: the threshold says so.
        return ThresholdOutcome { expr, value: None, shown: format!("does not apply: {reason}"), passed: Some(true) };
    }
    let figure = figures.figure(&threshold);
    let passed = figure.value.filter(|_| figure.usable).and_then(|value| decide(&threshold, value, figure.at_least));
    ThresholdOutcome { expr, value: figure.value, shown: figure.shown, passed }
}

/// A lower bound decides only what no greater value could turn round.
fn decide(threshold: &Threshold, value: f64, at_least: bool) -> Option<bool> {
    let holds = threshold.holds(value);
    match threshold.op {
        _ if !at_least => Some(holds),
        Comparison::Less | Comparison::LessOrEqual => (!holds).then_some(false),
        Comparison::Greater | Comparison::GreaterOrEqual => holds.then_some(true),
        Comparison::Equal => (value > threshold.value).then_some(false),
        Comparison::NotEqual => (value > threshold.value).then_some(true),
    }
}

impl Figure {
    fn known(value: f64, shown: String) -> Self {
        Self { value: Some(value), shown, at_least: false, usable: true }
    }

    fn missing(why: String) -> Self {
        Self { value: None, shown: why, at_least: false, usable: false }
    }
}

impl Figures<'_> {
    fn figure(&self, threshold: &Threshold) -> Figure {
        let samples = match threshold.during {
            None => Some(self.samples),
            Some(during) => self.during.get(&during),
        };
        match &threshold.metric {
            Metric::Latency { kind, quantile: Quantile::Count } => {
                let samples = samples.map_or(0, |samples| samples.count(*kind));
                Figure::known(samples as f64, format!("{} samples", grouped(samples)))
            }
            Metric::Latency { kind, quantile } => match samples {
                Some(samples) => self.latency(samples, *kind, share_below(*quantile)),
                None => Figure::missing("no data".to_owned()),
            },
            Metric::FindingCount(kind) => match self.finding(*kind) {
                Ok(finding) => Figure::known(finding.count as f64, of(finding.count, finding.of, &finding.of_what)),
                Err(missing) => missing,
            },
            Metric::FindingShare(kind) => match self.finding(*kind) {
                Ok(finding) => share_of(finding.count, finding.of, &finding.of_what),
                Err(missing) => missing,
            },
            Metric::Ledger(name) => named(self.counts, name),
            Metric::Rate(RateMetric::Offered) => named(self.rates, "offered_per_s"),
            Metric::Rate(RateMetric::Achieved) => named(self.rates, "achieved_per_s"),
            Metric::Rate(RateMetric::Delivered) => named(self.rates, "delivered_per_s"),
            Metric::TargetCpu => match self.process().and_then(|process| Ok((process, self.messages()?))) {
                Ok((process, messages)) => {
                    let us = process.cpu_s * 1e6 / messages as f64;
                    Figure::known(
                        us,
                        format!("{} a message ({:.2} s for {})", duration(us as u64), process.cpu_s, grouped(messages)),
                    )
                }
                Err(why) => Figure::missing(why),
            },
            Metric::TargetMemory => match self.process().map(|process| process.rss_max_bytes) {
                Ok(Some(bytes)) => Figure::known(bytes as f64, format!("{:.1} MB", bytes as f64 / 1e6)),
                Ok(None) => Figure::missing("no data: what is observed does not tell its memory".to_owned()),
                Err(why) => Figure::missing(why),
            },
            Metric::ErrorShare => {
                let counts = self.counts;
                let left = counts.intended - counts.unattempted;
                share_of(counts.rejected + counts.unknown, left, "messages that left")
            }
        }
    }

    fn latency(&self, samples: &Samples, kind: LatencyKind, quantile: f64) -> Figure {
        let Some(found) = samples.quantile(kind, quantile) else {
            let (samples, needed) = (grouped(samples.count(kind)), grouped(samples_needed(quantile)));
            return Figure::missing(format!("no data: {samples} samples, and {needed} are needed"));
        };
        let mark = if found.at_least { "≥ " } else { "" };
        let withheld = if self.withheld { ", withheld: the measurement is not valid" } else { "" };
        Figure {
            value: Some(found.value_us as f64),
            shown: format!("{mark}{}{withheld}", duration(found.value_us)),
            at_least: found.at_least,
            usable: !self.withheld,
        }
    }

    fn process(&self) -> Result<&TargetProcess, String> {
        let process = self.target.ok_or("no data: the target's process is not observed; name it with --observe")?;
        match &process.unknown_because {
            Some(why) => Err(format!("no data: {why}")),
            None => Ok(process),
        }
    }

    /// Messages that the target took.
    fn messages(&self) -> Result<u64, String> {
        match self.counts.acknowledged + self.counts.written {
            0 => Err("no data: no message was acknowledged".to_owned()),
            messages => Ok(messages),
        }
    }

    fn not_promised(&self, metric: &Metric) -> Option<&str> {
        let (Metric::FindingCount(kind) | Metric::FindingShare(kind)) = metric else { return None };
        let reason = self.findings.get(kind)?.unchecked_because.as_deref()?;
        [NO_HISTORY, NO_POSITIONS].contains(&reason).then_some(reason)
    }

    fn finding(&self, kind: FindingKind) -> Result<&FindingSummary, Figure> {
        let Some(finding) = self.findings.get(&kind) else {
            return Err(Figure::missing("no data".to_owned()));
        };
        match &finding.unchecked_because {
            Some(reason) => Err(Figure::missing(format!("not checked: {reason}"))),
            None => Ok(finding),
        }
    }
}

/// The quantile as a share; 1 is the maximum.
fn share_below(quantile: Quantile) -> f64 {
    match quantile {
        Quantile::P50 => 0.5,
        Quantile::P90 => 0.9,
        Quantile::P95 => 0.95,
        Quantile::P99 => 0.99,
        Quantile::P999 => 0.999,
        Quantile::P9999 => 0.9999,
        Quantile::Max | Quantile::Count => 1.0,
    }
}

/// A figure of the summary by its name there.
fn named(figures: &impl serde::Serialize, name: &str) -> Figure {
    let all = serde_json::to_value(figures).unwrap_or_default();
    match all.get(name).and_then(|value| Some((value.as_f64()?, value.as_u64()))) {
        Some((value, Some(whole))) => Figure::known(value, grouped(whole)),
        Some((value, None)) => Figure::known(value, format!("{value:.1}")),
        None => Figure::missing("no data".to_owned()),
    }
}

fn share_of(part: u64, whole: u64, what: &str) -> Figure {
    if whole == 0 {
        return Figure::missing(format!("no data: no {what}"));
    }
    let value = share(part, whole);
    Figure::known(value, format!("{:.3} % ({})", value * 100.0, of(part, whole, what)))
}

fn of(part: u64, whole: u64, what: &str) -> String {
    format!("{} of {} {what}", grouped(part), grouped(whole))
}

/// Three digits of µs, ms or s.
fn duration(us: u64) -> String {
    let (value, unit) = match us {
        0..1_000 => return format!("{us} µs"),
        1_000..1_000_000 => (us as f64 / 1e3, "ms"),
        _ => (us as f64 / 1e6, "s"),
    };
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_have_three_digits() {
        for (us, shown) in [
            (0, "0 µs"),
            (999, "999 µs"),
            (1_000, "1.00 ms"),
            (9_994, "9.99 ms"),
            (10_000, "10.0 ms"),
            (99_949, "99.9 ms"),
            (100_000, "100 ms"),
            (999_499, "999 ms"),
            (1_000_000, "1.00 s"),
            (10_000_000, "10.0 s"),
            (100_000_000, "100 s"),
        ] {
            assert_eq!(duration(us), shown);
        }
    }
}
