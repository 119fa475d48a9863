//! The charts of a run. Each answers the question in its title.

use super::super::chart::{Axis, Band, Chart, Drawn, Line, Scale};
use super::super::figures::{clock, count, duration, memory, percent, rate};
use super::super::safe_text::plain;
use super::Figures;
use crate::judge::{FaultSummary, LatencySummary, RunSummary};
use crate::ledger::{IntervalLatency, Latencies, MeasuredInterval};
use crate::model::LatencyKind;
use crate::plan::RunPlan;

/// More points than that cannot be told apart.
const POINTS_MAX: usize = 400;

/// Every chart for which there is data.
pub(super) fn charts(summary: &RunSummary, figures: &Figures<'_>) -> Vec<Drawn> {
    let time = Time::new(summary, figures.intervals);
    let all = [
        latency_over_time(summary, &time),
        tail(summary, figures.latencies),
        load(summary, &time),
        sockets(summary, &time),
        generator(summary, &time),
    ];
    all.into_iter().flatten().map(Chart::draw).collect()
}

/// What the charts over time share. A point is one interval, or the worst of
/// several where there are more than can be told apart.
struct Time<'a> {
    groups: Vec<&'a [MeasuredInterval]>,
    faults: &'a [FaultSummary],
    warm_up_us: u64,
}

impl<'a> Time<'a> {
    fn new(summary: &'a RunSummary, intervals: &'a [MeasuredInterval]) -> Self {
        let each = intervals.len().div_ceil(POINTS_MAX).max(1);
        let plan: Option<RunPlan> = serde_json::from_value(summary.plan.clone()).ok();
        let warm_up_us = plan.map_or(0, |plan| plan.arrival.warm_up_us());
        Self { groups: intervals.chunks(each).collect(), faults: &summary.faults, warm_up_us }
    }

    /// A chart over the whole run; nothing where fewer than two points are
    /// known.
    fn chart(
        &self,
        question: &'static str,
        answer: String,
        lines: Vec<Line>,
        y: Axis,
        value_words: fn(f64) -> String,
    ) -> Option<Chart> {
        let (first, last) = (self.groups.first()?, self.groups.last()?);
        let (start, end) = (begin(first), ended(last));
        if self.groups.len() < 2 || end <= start {
            return None;
        }
        let at: Vec<f64> = self.groups.iter().map(|group| (begin(group) + ended(group)) / 2.0).collect();
        Some(Chart {
            question,
            answer,
            x: Axis { scale: Scale::Linear { min: start, max: end }, ticks: seconds(start, end) },
            y,
            at_words: self.groups.iter().map(|group| words(group)).collect(),
            at,
            lines,
            bands: self.bands(),
            value_words,
        })
    }

    fn line(&self, name: &str, ink: &'static str, value: impl Fn(&[MeasuredInterval]) -> Option<f64>) -> Line {
        Line { name: name.to_owned(), ink, values: self.groups.iter().map(|group| value(group)).collect() }
    }

    /// What is counted, a second.
    fn per_second(&self, name: &str, ink: &'static str, of: fn(&MeasuredInterval) -> u64) -> Line {
        self.line(name, ink, |group| {
            let length: u64 = group.iter().map(|interval| interval.figures.length_us).sum();
            (length > 0).then(|| group.iter().map(of).sum::<u64>() as f64 * 1e6 / length as f64)
        })
    }

    /// The greatest of a gauge.
    fn greatest(&self, name: &str, ink: &'static str, of: fn(&MeasuredInterval) -> u64) -> Line {
        self.line(name, ink, |group| group.iter().map(of).max().map(|value| value as f64))
    }

    /// The worst of a quantile.
    fn worst(&self, kind: LatencyKind, name: &str, ink: &'static str, of: fn(&IntervalLatency) -> u64) -> Line {
        self.line(name, ink, |group| {
            let measured = group.iter().filter_map(|interval| interval.latencies.get(&kind));
            measured.map(of).max().map(|value| value as f64)
        })
    }

    /// What is not the measured load, and the faults.
    fn bands(&self) -> Vec<Band> {
        let is_load = |group: &&&[MeasuredInterval]| group.iter().any(|interval| interval.figures.phase == "load");
        let load = self.groups.iter().find(is_load).zip(self.groups.iter().rfind(is_load));
        let mut bands = Vec::new();
        if let (Some((first, last)), Some(start), Some(end)) = (load, self.groups.first(), self.groups.last()) {
            let warm = begin(first) + self.warm_up_us as f64;
            for (label, from, to) in [
                ("connect", begin(start), begin(first)),
                ("warm-up", begin(first), warm.min(ended(last))),
                ("drain", ended(last), ended(end)),
            ] {
                if to > from {
                    bands.push(Band { from, to, label: label.to_owned(), kind: "phase" });
                }
            }
        }
        let fired = |fault: &FaultSummary| {
            let from = fault.fired_us? as f64;
            let to = fault.healed_us.map_or(from, |healed| healed as f64);
            Some(Band { from, to, label: fault.kind.clone(), kind: "fault" })
        };
        bands.extend(self.faults.iter().filter_map(fired));
        bands
    }
}

fn begin(group: &[MeasuredInterval]) -> f64 {
    group[0].figures.at_us as f64
}

fn ended(group: &[MeasuredInterval]) -> f64 {
    let last = &group[group.len() - 1].figures;
    (last.at_us + last.length_us) as f64
}

fn words(group: &[MeasuredInterval]) -> String {
    let phase = plain(&group[0].figures.phase, 40);
    let from = clock(group[0].figures.at_us);
    match group.len() {
        1 => format!("{from} {phase}"),
        several => format!("{from} {phase}, worst of {several} intervals"),
    }
}

/// Marks at round times.
fn seconds(start_us: f64, end_us: f64) -> Vec<(f64, String)> {
    const STEPS_S: [f64; 13] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1_800.0, 3_600.0, 14_400.0];
    let span = (end_us - start_us) / 1e6;
    let step = STEPS_S.into_iter().find(|step| span / step <= 7.0).unwrap_or(86_400.0) * 1e6;
    let first = (start_us / step).ceil() as u64;
    let last = (end_us / step).floor() as u64;
    (first..=last).map(|rank| rank as f64 * step).map(|at| (at, clock(at as u64))).collect()
}

fn us(value: f64) -> String {
    duration(value.round() as u64)
}

/// A tick of a logarithmic axis, a power of ten in µs: no digits behind the
/// point.
fn power_of_ten(value: f64) -> String {
    match value {
        value if value < 1e3 => format!("{value:.0} µs"),
        value if value < 1e6 => format!("{:.0} ms", value / 1e3),
        _ => format!("{:.0} s", value / 1e6),
    }
}

/// The least and the greatest of all values.
fn range(lines: &[Line]) -> Option<(f64, f64)> {
    let values = lines.iter().flat_map(|line| &line.values).flatten().copied().filter(|value| *value > 0.0);
    values.fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((least, most)) => Some((f64::min(least, value), f64::max(most, value))),
    })
}

fn latency_over_time(summary: &RunSummary, time: &Time<'_>) -> Option<Chart> {
    let mut lines = vec![
        time.worst(LatencyKind::Delivery, "delivery p99", "a", |latency| latency.p99_us),
        time.worst(LatencyKind::Delivery, "delivery p50", "faint", |latency| latency.p50_us),
        time.worst(LatencyKind::Ack, "ack p99", "c", |latency| latency.p99_us),
    ];
    lines.retain(|line| line.values.iter().any(Option::is_some));
    let (least, most) = range(&lines)?;
    let worst = |line: &Line| {
        let values = line.values.iter().enumerate().filter_map(|(rank, value)| Some((rank, (*value)?)));
        values.max_by(|one, other| one.1.total_cmp(&other.1))
    };
    let headline = lines.first()?;
    let (rank, value) = worst(headline)?;
    let at = clock(time.groups.get(rank)?[0].figures.at_us);
    let mut answer = format!("{} was worst at {at}: {}.", headline.name, us(value));
    if !summary.measurement.valid {
        answer.push_str(" The measurement is not valid: read the shape, not the figures.");
    }
    let axis = Axis::decades(least, most, power_of_ten);
    time.chart("How long did messages take, second by second?", answer, lines, axis, us)
}

/// Latency by percentile, as far as the samples carry it.
fn tail(summary: &RunSummary, latencies: &Latencies) -> Option<Chart> {
    const SHARES: [f64; 33] = [
        0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.88, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985,
        0.99, 0.992, 0.994, 0.996, 0.998, 0.999, 0.9992, 0.9995, 0.9998, 0.9999, 0.999_95, 0.999_98, 0.999_99,
    ];
    /// How many times rarer than everything: 1 at 0 %, 100 at 99 %.
    fn rarity(share: f64) -> f64 {
        1.0 / (1.0 - share)
    }
    let line = |kind: LatencyKind, ink| {
        let histogram = latencies.histogram(kind);
        let unfinished = summary.latency_us.get(kind.name()).map_or(0, |latency| latency.at_least_count);
        let samples = histogram.len() + unfinished;
        // Messages that never came are the slowest of all.
        let known = |share: f64| {
            let rank = (share * samples as f64).ceil().max(1.0);
            let is_carried = rank <= histogram.len() as f64 && samples as f64 >= 10.0 * rarity(share);
            is_carried.then(|| histogram.value_at_quantile((rank / histogram.len() as f64).min(1.0)) as f64)
        };
        Line { name: kind.name().to_owned(), ink, values: SHARES.map(known).to_vec() }
    };
    let mut lines =
        vec![line(LatencyKind::Delivery, "a"), line(LatencyKind::Ack, "c"), line(LatencyKind::Service, "b")];
    lines.retain(|line| line.values.iter().any(Option::is_some));
    let (least, most) = range(&lines)?;
    let last = SHARES.iter().rposition(|_| true)?;
    let reached = (0..=last).rev().find(|rank| lines.iter().any(|line| line.values[*rank].is_some()))?;
    let ticks = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
    let ticks = ticks.into_iter().filter(|(share, _)| *share <= SHARES[reached]);
    let name = &lines.first()?.name;
    let of_name = summary.latency_us.get(name)?;
    Some(Chart {
        question: "How slow is the slowest?",
        answer: tail_answer(name, of_name),
        x: Axis {
            scale: Scale::Log { min: 1.0, max: rarity(SHARES[reached]).max(10.0) },
            ticks: ticks.map(|(share, label)| (rarity(share), label.to_owned())).collect(),
        },
        y: Axis::decades(least, most, power_of_ten),
        at: SHARES.map(rarity).to_vec(),
        at_words: SHARES.map(|share| format!("{:.4}", share * 100.0)).map(trimmed_percent).to_vec(),
        lines,
        bands: Vec::new(),
        value_words: us,
    })
}

fn trimmed_percent(digits: String) -> String {
    format!("{} % are not slower", digits.trim_end_matches('0').trim_end_matches('.'))
}

fn tail_answer(name: &str, latency: &LatencySummary) -> String {
    let one_in = [(latency.p9999, "10,000"), (latency.p999, "1,000"), (latency.p99, "100"), (latency.p90, "10")];
    match one_in.into_iter().find_map(|(value, share)| Some((value?, share))) {
        Some((value, share)) => format!("{name}: one in {share} took longer than {}.", duration(value)),
        None => format!("{name}: {} samples, too few for a tail.", count(latency.count)),
    }
}

fn load(summary: &RunSummary, time: &Time<'_>) -> Option<Chart> {
    let lines = vec![
        time.per_second("offered", "faint", |interval| interval.figures.intended),
        time.per_second("acknowledged", "b", |interval| interval.figures.acknowledged),
        time.greatest("in flight or queued", "c", |interval| interval.figures.in_flight + interval.figures.queued),
    ];
    let (_, most) = range(&lines)?;
    let rates = &summary.rates;
    let answer = format!(
        "{} offered, {} achieved, {} delivered over the load.",
        rate(rates.offered_per_s),
        rate(rates.achieved_per_s),
        rate(rates.delivered_per_s)
    );
    let whole = |value: f64| count(value.round() as u64);
    let axis = Axis::from_zero(most, |value| if value.fract() == 0.0 { whole(value) } else { format!("{value:.1}") });
    time.chart("Did the target keep up with the load?", answer, lines, axis, |value| count(value.round() as u64))
}

fn sockets(summary: &RunSummary, time: &Time<'_>) -> Option<Chart> {
    let ledger = &summary.ledger;
    let reconnects = ledger.connections.saturating_sub(ledger.subscribers);
    if ledger.connections == 0 {
        return None;
    }
    let lines = vec![
        time.greatest("reconnecting", "c", |interval| interval.figures.reconnecting),
        time.per_second("deliveries healed a second", "b", |interval| interval.figures.healed),
    ];
    let (_, most) = range(&lines)?;
    let slowest = summary.latency_us.get("heal").and_then(|heal| heal.max);
    let slowest = slowest.map_or_else(String::new, |max| format!(", the slowest caught up after {}", duration(max)));
    let answer = format!("{} sockets, {} reconnects{slowest}.", count(ledger.subscribers), count(reconnects));
    let axis = Axis::from_zero(most, |value| count(value.round() as u64));
    time.chart("Did everybody come back?", answer, lines, axis, |value| count(value.round() as u64))
}

fn generator(summary: &RunSummary, time: &Time<'_>) -> Option<Chart> {
    let mut previous = 0;
    let cpu: Vec<Option<f64>> = time
        .groups
        .iter()
        .map(|group| {
            let last = &group[group.len() - 1].figures;
            let spent = last.cpu_us.saturating_sub(std::mem::replace(&mut previous, last.cpu_us));
            let length: u64 = group.iter().map(|interval| interval.figures.length_us).sum();
            (length > 0).then(|| spent as f64 / length as f64)
        })
        .collect();
    let lines = vec![Line { name: "CPU, of one core".to_owned(), ink: "d", values: cpu }];
    let (_, most) = range(&lines)?;
    let own = &summary.generator;
    let lag = own.lag_p99_us.map_or_else(|| "unknown".to_owned(), duration);
    let answer = format!(
        "{} of a core over the run, sends left late by {lag} (lag p99), {} of memory.",
        percent(own.cpu_fraction),
        memory(own.rss_bytes)
    );
    time.chart("Was the generator the bottleneck?", answer, lines, Axis::from_zero(most, percent), percent)
}
