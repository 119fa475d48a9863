//! Latency figures. What never finished counts as "at least so long": a
//! quantile that reaches such a sample is a lower bound.

use super::deliveries::Deliveries;
use super::summary::LatencySummary;
use super::truth::Truth;
use super::{Input, changes};
use crate::ledger::{Latencies, SendRow, new_histogram};
use crate::model::{LatencyKind, SendState};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::ops::Range;

/// The samples of every kind: measured, and "at least so long".
pub(super) struct Samples(BTreeMap<LatencyKind, Sample>);

/// The samples of one kind.
struct Sample {
    /// Measured values and bounds together.
    all: Histogram<u64>,
    /// How many are only bounds.
    bounds: u64,
    /// The least bound in µs.
    least_bound_us: Option<u64>,
}

/// A quantile in µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quantile {
    /// The value.
    pub(super) value_us: u64,
    /// Whether the truth may be greater: to be read as ≥.
    pub(super) at_least: bool,
}

/// How many samples a quantile needs: with n of them, the largest is below the
/// quantile with probability qⁿ, and where that exceeds 2.5 % no sample bounds
/// the quantile's two-sided 95 % interval from above (David and Nagaraja,
/// "Order Statistics", section 7.1). 6 for p50, 36 for p90, 368 for p99, 3,688
/// for p99.9, 36,887 for p99.99.
pub(super) fn samples_needed(quantile: f64) -> u64 {
    if quantile <= 0.0 || quantile >= 1.0 {
        return 1;
    }
    (0.025f64.ln() / quantile.ln()).ceil() as u64
}

impl Samples {
    /// The measured latencies, and the bounds that the ledger knows: sends and
    /// changes that were never acknowledged waited at least until their last attempt
    /// ended, and pushes that never came were waited for until the connection
    /// was known to be gone.
    pub(super) fn new(input: &Input, truth: &Truth, deliveries: &Deliveries) -> Self {
        let of_kind = |kind: LatencyKind| {
            let bounds = match kind {
                LatencyKind::Ack => open_sends_us(input, truth),
                LatencyKind::Delivery => deliveries.waited_us.iter().map(|(_, waited_us)| *waited_us).collect(),
                LatencyKind::Change => changes::open_us(input),
                _ => Vec::new(),
            };
            (kind, Sample::new(input.latencies.histogram(kind), &bounds))
        };
        Self(LatencyKind::ALL.into_iter().map(of_kind).collect())
    }

    /// The same of some times of the run. `ack` is of the messages that were
    /// intended within them, as the ledger has it; everything else of the seconds
    /// that they touch.
    pub(super) fn within(
        input: &Input,
        truth: &Truth,
        deliveries: &Deliveries,
        times: &[Range<u64>],
        latencies: &Latencies,
    ) -> Self {
        let of_kind = |kind: LatencyKind| {
            let sample = match kind {
                LatencyKind::Ack => {
                    let sends = times.iter().flat_map(|time| sends_between(input, truth, time.clone()));
                    Sample::of_sends(sends)
                }
                LatencyKind::Delivery => Sample::of_deliveries(deliveries, times, latencies.histogram(kind)),
                _ => Sample::new(latencies.histogram(kind), &[]),
            };
            (kind, sample)
        };
        Self(LatencyKind::ALL.into_iter().map(of_kind).collect())
    }

    /// A quantile in µs; `None` without enough samples.
    pub(super) fn quantile(&self, kind: LatencyKind, quantile: f64) -> Option<Quantile> {
        self.0.get(&kind)?.quantile(quantile)
    }

    /// How many samples there are, bounds included.
    pub(super) fn count(&self, kind: LatencyKind) -> u64 {
        self.0.get(&kind).map_or(0, |sample| sample.all.len())
    }

    /// The figures of the summary by name.
    pub(super) fn summaries(&self, withheld: bool) -> BTreeMap<String, LatencySummary> {
        self.0.iter().map(|(kind, sample)| (kind.name().to_owned(), sample.summary(withheld))).collect()
    }
}

impl Sample {
    fn new(measured: &Histogram<u64>, bounds_us: &[u64]) -> Self {
        let mut all = new_histogram();
        // Both have the same bounds and digits, so that nothing is bent.
        all.add(measured).expect("histograms of one configuration add");
        for &bound_us in bounds_us {
            // A bound stays true when it is lowered to what the histogram holds.
            all.saturating_record(bound_us.max(1));
        }
        Self {
            all,
            bounds: bounds_us.len() as u64,
            least_bound_us: bounds_us.iter().min().map(|&bound_us| bound_us.max(1)),
        }
    }

    /// Acknowledged sends, and unknown ones as bounds.
    fn of_sends(sends: impl Iterator<Item = (SendState, u64)>) -> Self {
        let mut measured = new_histogram();
        let mut bounds_us = Vec::new();
        for (state, waited_us) in sends {
            match state {
                SendState::Acknowledged => measured.saturating_record(waited_us.max(1)),
                _ => bounds_us.push(waited_us),
            }
        }
        Self::new(&measured, &bounds_us)
    }

    /// Deliveries, and as bounds those that never came of messages that were
    /// intended within some times.
    fn of_deliveries(deliveries: &Deliveries, times: &[Range<u64>], measured: &Histogram<u64>) -> Self {
        let is_within = |intended_us: u64| times.iter().any(|time| time.contains(&intended_us));
        let waited = deliveries.waited_us.iter().filter(|(intended_us, _)| is_within(*intended_us));
        let bounds_us: Vec<u64> = waited.map(|(_, waited_us)| *waited_us).collect();
        Self::new(measured, &bounds_us)
    }

    fn quantile(&self, quantile: f64) -> Option<Quantile> {
        if self.all.is_empty() || self.all.len() < samples_needed(quantile) {
            return None;
        }
        Some(self.mark(self.all.value_at_quantile(quantile)))
    }

    /// A bound at or below a quantile may belong above it. A value of the
    /// histogram is the greatest of its bucket, so that equal ones compare.
    fn mark(&self, value_us: u64) -> Quantile {
        Quantile { value_us, at_least: self.least_bound_us.is_some_and(|bound_us| bound_us <= value_us) }
    }

    fn summary(&self, withheld: bool) -> LatencySummary {
        let mut lower_bounds = Vec::new();
        let mut value = |name: &str, quantile: Option<Quantile>| {
            let quantile = quantile?;
            if quantile.at_least {
                lower_bounds.push(name.to_owned());
            }
            Some(quantile.value_us)
        };
        LatencySummary {
            count: self.all.len(),
            at_least_count: self.bounds,
            p50: value("p50", self.quantile(0.5)),
            p90: value("p90", self.quantile(0.9)),
            p99: value("p99", self.quantile(0.99)),
            p999: value("p999", self.quantile(0.999)),
            p9999: value("p9999", self.quantile(0.9999)),
            max: value("max", self.quantile(1.0)),
            lower_bounds,
            withheld,
        }
    }
}

/// How long the sends after the warm-up waited that were never acknowledged,
/// in µs.
fn open_sends_us(input: &Input, truth: &Truth) -> Vec<u64> {
    let sends = sends_between(input, truth, 0..u64::MAX);
    sends.filter_map(|(state, waited_us)| (state == SendState::Unknown).then_some(waited_us)).collect()
}

fn sends_between(input: &Input, truth: &Truth, intended: Range<u64>) -> impl Iterator<Item = (SendState, u64)> {
    waited_between(input, truth, intended).map(|(_, state, waited_us)| (state, waited_us))
}

/// How long each acknowledged or unknown send waited that was intended within a
/// time after the warm-up, in µs: to its acknowledgement, or to its last
/// attempt.
pub(super) fn waited_between<'t>(
    input: &Input,
    truth: &'t Truth,
    intended: Range<u64>,
) -> impl Iterator<Item = (&'t SendRow, SendState, u64)> {
    let from_us = input.first_measured_us().max(intended.start);
    let ended_us = input.record.ended_us;
    let messages = truth.channels.iter().flat_map(|channel| &channel.messages);
    let sends = messages.filter_map(|message| Some((message.send?, message.state()?)));
    let sends = sends.filter(move |(send, _)| (from_us..intended.end).contains(&send.intended_us));
    sends.filter_map(move |(send, state)| {
        let until_us = match state {
            SendState::Acknowledged => send.acknowledged_us?,
            SendState::Unknown => send.last_attempt_us.unwrap_or(ended_us),
            _ => return None,
        };
        Some((send, state, until_us.saturating_sub(send.intended_us)))
    })
}

/// `delivery` of a time: what was measured in it, and as bounds the pushes that
/// never came of messages that were intended within it.
pub(super) fn delivery_between(
    deliveries: &Deliveries,
    intended: Range<u64>,
    measured: &Histogram<u64>,
    withheld: bool,
) -> LatencySummary {
    Sample::of_deliveries(deliveries, &[intended], measured).summary(withheld)
}

/// `ack` of the messages that were intended within a time, as the ledger has
/// it.
pub(super) fn ack_between(input: &Input, truth: &Truth, intended: Range<u64>, withheld: bool) -> LatencySummary {
    Sample::of_sends(sends_between(input, truth, intended)).summary(withheld)
}
