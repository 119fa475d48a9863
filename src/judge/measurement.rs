//! Whether the latencies can be believed. Each reason against them is a
//! sentence with what to do about it; the ledger is judged all the same.

use super::Input;
use super::summary::Measurement;
use super::truth::Truth;
use super::verdict::grouped;
use crate::ledger::WorkerFigures;
use crate::model::{LatencyKind, SendState};
use std::collections::BTreeSet;

/// Sleep of the machine that a clock read at both ends may show without one.
const SUSPENDED_US: u64 = 1_000_000;
/// A wall clock that moves by more between two seconds was set.
const STEPPED_US: u64 = 100_000;
/// So many seconds at least, and such a share of the load, in which a worker used
/// more of a core than it may: the mean of a load that rises hides them.
const BUSY_SECONDS: usize = 2;
const BUSY_SHARE: f64 = 0.05;
/// Looks into a socket that a p99 needs, as any p99.
const LEAST_LOOKS: u64 = 368;

/// Everything that stands against the latencies. `first_deliveries` are those
/// of messages intended after the warm-up.
pub(super) fn judge(input: &Input, truth: &Truth, first_deliveries: u64) -> Measurement {
    let mut reasons = Vec::new();
    reasons.extend(lag(input));
    reasons.extend(workers(input));
    reasons.extend(unread(input));
    reasons.extend(achieved(input, truth));
    reasons.extend(histograms(input, truth, first_deliveries));
    reasons.extend(machine(input));
    Measurement { valid: reasons.is_empty(), reasons }
}

/// p99 of `lag` in µs, however few the samples: it is held against a limit and
/// not reported as a latency.
pub(super) fn lag_p99_us(input: &Input) -> Option<u64> {
    let lag = input.latencies.histogram(LatencyKind::Lag);
    (!lag.is_empty()).then(|| lag.value_at_quantile(0.99))
}

/// p99 in µs of what lay in the sockets of the worker where it is largest.
pub(super) fn receive_wait_p99_us(input: &Input) -> Option<u64> {
    let looked = input.record.generator.workers.iter().filter(|worker| worker.receive_looks >= LEAST_LOOKS);
    looked.map(|worker| worker.receive_wait_p99_us).max()
}

/// CPU time over wall time of a worker.
pub(super) fn cpu_fraction(worker: &WorkerFigures) -> f64 {
    share(worker.cpu_us, worker.wall_us)
}

/// The share of a worker's canary ticks that came late.
pub(super) fn late_share(worker: &WorkerFigures) -> f64 {
    share(worker.canary_late, worker.canary_ticks)
}

/// A share of a whole; 0 of nothing.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn lag(input: &Input) -> Option<String> {
    let lag_us = lag_p99_us(input)?;
    let ack = input.latencies.histogram(LatencyKind::Ack);
    let tenth_us = if ack.is_empty() { 0 } else { ack.value_at_quantile(0.5) / 10 };
    let limit_us = input.plan.measurement.lag_p99_us.max(tenth_us);
    (lag_us > limit_us).then(|| {
        format!(
            "sends left late: lag p99 is {} ms and {} ms are allowed{}; lower the rate, or add workers or cores",
            in_ms(lag_us),
            in_ms(limit_us),
            bad(input, &input.record.generator.bad.lagging)
        )
    })
}

fn workers(input: &Input) -> Vec<String> {
    let limits = &input.plan.measurement;
    let mut reasons = Vec::new();
    for (rank, worker) in input.record.generator.workers.iter().enumerate() {
        let late = late_share(worker);
        if late > limits.canary_late_share {
            reasons.push(format!(
                "worker {rank} stalled: {:.2} % of its canary ticks came more than {} ms late, the worst {} ms{}; \
                 add workers, or give the generator cores of its own",
                late * 100.0,
                in_ms(limits.canary_late_us),
                in_ms(worker.canary_worst_us),
                bad(input, &worker.late_at_us)
            ));
        }
        let (cpu, busy) = (cpu_fraction(worker), worker.busy_at_us.len());
        let is_long = busy >= BUSY_SECONDS && busy as f64 * 1e6 > BUSY_SHARE * worker.wall_us as f64;
        let used = match cpu > limits.worker_cpu_share {
            true => format!("{:.0} % of a core", cpu * 100.0),
            false if is_long => format!("too much of a core for {busy} seconds"),
            false => continue,
        };
        reasons.push(format!(
            "worker {rank} used {used} and {:.0} % are allowed{}; add workers, or lower the rate",
            limits.worker_cpu_share * 100.0,
            bad(input, &worker.busy_at_us)
        ));
    }
    reasons
}

/// What the target had sent lay in the sockets until the generator read it.
fn unread(input: &Input) -> Option<String> {
    let workers = input.record.generator.workers.iter().enumerate();
    let looked = workers.filter(|(_, worker)| worker.receive_looks >= LEAST_LOOKS);
    let (rank, worker) = looked.max_by_key(|(_, worker)| worker.receive_wait_p99_us)?;
    let delivery = input.latencies.histogram(LatencyKind::Delivery);
    let tenth_us = if delivery.is_empty() { 0 } else { delivery.value_at_quantile(0.5) / 10 };
    let limit_us = input.plan.measurement.receive_wait_p99_us.max(tenth_us);
    (worker.receive_wait_p99_us > limit_us).then(|| {
        format!(
            "worker {rank} read late: p99 of what lay in its sockets is {} ms and {} ms are allowed, the worst {} ms{}; \
             add workers or cores, or lower the rate or the fan-out",
            in_ms(worker.receive_wait_p99_us),
            in_ms(limit_us),
            in_ms(worker.receive_wait_worst_us),
            bad(input, &worker.unread_at_us)
        )
    })
}

fn achieved(input: &Input, truth: &Truth) -> Option<String> {
    let record = input.record;
    if record.interrupted || record.killed || record.stopped.is_some() {
        return None;
    }
    let messages = || truth.channels.iter().flat_map(|channel| &channel.messages);
    let intended = messages().filter(|message| message.send.is_some()).count() as u64;
    let unattempted = messages().filter(|message| message.is(SendState::Unattempted)).count() as u64;
    (share(unattempted, intended) > 1.0 - input.plan.measurement.achieved_share).then(|| {
        format!(
            "{} of {} intended messages never left: the generator lacked descriptors or ports, or earlier sends of \
             the same users took until the end; lower the rate, or spread it over more users",
            grouped(unattempted),
            grouped(intended)
        )
    })
}

/// Every message and every first delivery has exactly one sample.
fn histograms(input: &Input, truth: &Truth, first_deliveries: u64) -> Vec<String> {
    let errors = input.record.generator.histogram_errors.max(input.latencies.errors());
    if errors > 0 {
        return vec![format!(
            "{errors} latencies were longer than the histograms hold (one hour); shorten the run, or look for a clock step"
        )];
    }
    let first_measured_us = input.first_measured_us();
    let messages = truth.channels.iter().flat_map(|channel| &channel.messages);
    let acknowledged = messages.filter(|message| {
        message.is(SendState::Acknowledged) && message.send.is_some_and(|send| send.intended_us >= first_measured_us)
    });
    let expected = [(LatencyKind::Ack, acknowledged.count() as u64), (LatencyKind::Delivery, first_deliveries)];
    let differs = |(kind, expected): (LatencyKind, u64)| {
        let samples = input.latencies.histogram(kind).len();
        (samples != expected).then(|| {
            format!(
                "{} has {samples} samples and the ledger {expected}: part of the measurement is missing; \
                 report the run again from all its files, or run again",
                kind.name()
            )
        })
    };
    expected.into_iter().filter_map(differs).collect()
}

fn machine(input: &Input) -> Vec<String> {
    let figures = &input.record.generator;
    let mut reasons = Vec::new();
    if figures.suspended_us > SUSPENDED_US {
        reasons.push(format!(
            "the machine slept for {} ms during the run{}; keep it awake, and run again",
            in_ms(figures.suspended_us),
            bad(input, &figures.bad.suspended)
        ));
    }
    if figures.stepped_us > STEPPED_US {
        reasons.push(format!(
            "the wall clock was set by {} ms during the run{}; let it be slewed, and run again",
            in_ms(figures.stepped_us),
            bad(input, &figures.bad.stepped)
        ));
    }
    if figures.throttled > 0 {
        reasons.push(format!(
            "the cgroup held the generator back {} times{}; raise its CPU quota, or lower the rate",
            figures.throttled,
            bad(input, &figures.bad.throttled)
        ));
    }
    if figures.exhausted > 0 {
        reasons.push(format!(
            "{} connections failed for want of descriptors or ports{}; raise `ulimit -n`, or use more source addresses",
            figures.exhausted,
            bad(input, &figures.bad.exhausted)
        ));
    }
    reasons
}

/// Stretches of seconds that are named at most.
const STRETCHES: usize = 5;

/// The seconds of the load that instants (µs since the start of the run) lie in:
/// " (seconds 3-5, 9)", or nothing. What lies before the load is in second 0.
fn bad(input: &Input, at_us: &[u64]) -> String {
    let second = |at_us: &u64| at_us.saturating_sub(input.record.load_start_us) / 1_000_000;
    let seconds: BTreeSet<u64> = at_us.iter().map(second).collect();
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for second in seconds {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == second => *last = second,
            _ => stretches.push((second, second)),
        }
    }
    let named = stretches.iter().take(STRETCHES).map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    let named: Vec<String> = named.collect();
    let more = stretches.len().saturating_sub(STRETCHES);
    match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" (seconds {} of the load)", named.join(", ")),
        (false, more) => format!(" (seconds {} and {more} other stretches of the load)", named.join(", ")),
    }
}

fn in_ms(us: u64) -> f64 {
    (us as f64 / 100.0).round() / 10.0
}
