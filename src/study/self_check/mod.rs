//! Whether posthaste measures what it says it does, on this machine: runs
//! against `posthaste serve --null`, a process of its own that answers after a
//! known delay and stamps what it does.
//!
//! Unlike the other studies, the runs are made in this process: its workers are
//! what is checked, and the process that is to be measured with is this one.

mod null_run;

use crate::engine::{EngineError, Stop};
use crate::judge::self_check::{Ceiling, SelfCheck, accuracy, ceiling, self_check, stall};
use crate::ledger::{AccuracyFact, RungFact, ShortCheck, StallFact};
use crate::model::LatencyKind;
use crate::plan::RunPlan;
use crate::server::StampedLatency;
use null_run::{NullRun, Setting};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Why a check came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckError {
    /// The null server did not start, or did not leave its stamps.
    #[error("the null server: {0}")]
    Server(#[from] std::io::Error),
    /// The run against it came to nothing.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Its plan is not one.
    #[error("{0}")]
    Plan(String),
}

/// How much is checked.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Known delays, each on acknowledgement and fan-out.
    pub delays: Vec<Duration>,
    /// Rates in messages a second and subscribers at which they are checked.
    pub loads: Vec<(f64, u32)>,
    /// How long each is.
    pub length: Duration,
    /// How long the server stands still, and the load in which it does.
    pub stall: (Duration, Duration),
    /// Messages a second of that load.
    pub stall_rate: f64,
    /// Rates that are climbed.
    pub rungs: Vec<f64>,
}

impl Extent {
    /// All of it: in under a minute.
    pub fn whole() -> Self {
        Self {
            delays: [0, 1, 10, 100].map(Duration::from_millis).into(),
            loads: vec![(1_000.0, 40), (1_000.0, 5_000)],
            length: Duration::from_secs(1),
            stall: (Duration::from_millis(1_400), Duration::from_secs(20)),
            stall_rate: 300.0,
            rungs: vec![2_000.0, 4_000.0, 8_000.0, 16_000.0, 32_000.0],
        }
    }
}

/// What checks are made with.
pub struct Bench<'a> {
    /// posthaste's own program.
    pub program: PathBuf,
    /// Worker threads.
    pub workers: usize,
    /// Descriptors that this process may open.
    pub descriptors: u64,
    /// For files that are gone afterwards.
    pub folder: &'a Path,
    /// Once it changes, the check ends.
    pub stop: watch::Receiver<Stop>,
    /// Is told what begins.
    pub told: &'a dyn Fn(&str),
}

impl Bench<'_> {
    /// The whole check. `wanted_per_s` is what a workload asks for at its height.
    ///
    /// # Errors
    /// A server that does not start, or a run that came to nothing.
    pub fn check(&self, extent: &Extent, wanted_per_s: Option<f64>) -> Result<SelfCheck, SelfCheckError> {
        let mut notes = Vec::new();
        let mut rows = Vec::new();
        for (rate_per_s, subscribers) in &extent.loads {
            let subscribers = self.within_descriptors(*subscribers, &mut notes);
            for delay in &extent.delays {
                (self.told)(&format!(
                    "known delay of {} ms, {rate_per_s} messages a second, {subscribers} subscribers",
                    delay.as_millis()
                ));
                let setting = Setting { length: extent.length, ..Setting::of(*delay, *rate_per_s, subscribers) };
                rows.extend(facts(&setting, &self.run(&setting)?));
            }
        }
        let rungs = self.climb(extent, wanted_per_s)?;
        let found = ceiling(&rungs, wanted_per_s);
        let stalled = self.stall(extent, &found)?;
        Ok(self_check(rows.iter().map(accuracy).collect(), stall(&stalled), found, notes))
    }

    /// The short form: one delay, at about the rate and the connections of a
    /// plan.
    ///
    /// # Errors
    /// A server that does not start, or a run that came to nothing.
    pub fn short(&self, plan: &RunPlan) -> Result<ShortCheck, SelfCheckError> {
        let began = Instant::now();
        let rate_per_s = plan.arrival.peak_per_s();
        let subscribers = plan.population.subscribers.clamp(10, 200);
        let setting = Setting {
            length: Duration::from_millis(600),
            ..Setting::of(Duration::from_millis(10), rate_per_s.clamp(100.0, 1_000.0), subscribers)
        };
        let accuracy = facts(&setting, &self.run(&setting)?).into();
        Ok(ShortCheck { accuracy, skipped: None, took_us: began.elapsed().as_micros() as u64 })
    }

    fn within_descriptors(&self, subscribers: u32, notes: &mut Vec<String>) -> u32 {
        // Some for the senders, and for everything else.
        let room = u32::try_from(self.descriptors.saturating_sub(500)).unwrap_or(u32::MAX);
        if subscribers > room {
            notes.push(format!(
                "{room} subscribers instead of {subscribers}: this process may open {} files; raise ulimit -n",
                self.descriptors
            ));
        }
        subscribers.min(room)
    }

    /// The highest rate that can be measured, by halves: what can be at one rate can
    /// be at a lower one.
    fn climb(&self, extent: &Extent, wanted_per_s: Option<f64>) -> Result<Vec<RungFact>, SelfCheckError> {
        let mut rates = extent.rungs.clone();
        rates.extend(wanted_per_s);
        rates.sort_by(f64::total_cmp);
        let mut rungs: Vec<RungFact> = Vec::new();
        let (mut from, mut to) = (0, rates.len());
        while from < to {
            let middle = from.midpoint(to);
            let rate_per_s = rates[middle];
            (self.told)(&format!("ceiling: {rate_per_s} messages a second"));
            let setting = Setting { length: Duration::from_secs(1), ..Setting::of(Duration::ZERO, rate_per_s, 20) };
            let run = self.run(&setting)?;
            rungs.push(RungFact {
                rate_per_s,
                achieved_per_s: run.summary.rates.achieved_per_s,
                delivered_per_s: run.summary.rates.delivered_per_s,
                reasons: run.summary.measurement.reasons.clone(),
                worker_cpu: run.summary.generator.workers.iter().map(|worker| worker.cpu_fraction).fold(0.0, f64::max),
                server_cpu: run.stamps.cpu_us as f64 / run.stamps.wall_us.max(1) as f64,
            });
            match rungs.last().is_some_and(|rung| rung.reasons.is_empty()) {
                true => from = middle + 1,
                false => to = middle,
            }
        }
        rungs.sort_by(|a, b| a.rate_per_s.total_cmp(&b.rate_per_s));
        Ok(rungs)
    }

    /// The server stands still once.
    fn stall(&self, extent: &Extent, ceiling: &Ceiling) -> Result<StallFact, SelfCheckError> {
        let (stall, length) = extent.stall;
        (self.told)(&format!("the server stands still for {} ms in {} s", stall.as_millis(), length.as_secs()));
        let setting = Setting {
            length,
            // Few, so that few wait for their answers when the server stops: the
            // others are late because they left late.
            senders: 10,
            stall: Some((length.mul_f64(0.4), stall)),
            ..Setting::of(Duration::ZERO, extent.stall_rate, 20)
        };
        let run = self.run(&setting)?;
        let p99_us = |kind| run.latencies.histogram(kind).value_at_quantile(0.99);
        Ok(StallFact {
            stall_us: stall.as_micros() as u64,
            load_us: length.as_micros() as u64,
            rate_per_s: extent.stall_rate,
            drain_per_s: ceiling.sends_per_s.max(10.0 * extent.stall_rate),
            ack_p99_us: p99_us(LatencyKind::Ack),
            delivery_p99_us: p99_us(LatencyKind::Delivery),
            service_p99_us: p99_us(LatencyKind::Service),
        })
    }

    fn run(&self, setting: &Setting) -> Result<NullRun, SelfCheckError> {
        null_run::make(self, setting)
    }
}

/// Both latencies of a run under a known delay.
fn facts(setting: &Setting, run: &NullRun) -> [AccuracyFact; 2] {
    let fact = |latency: LatencyKind, stamped: &StampedLatency| {
        let reported = run.latencies.histogram(latency);
        AccuracyFact {
            latency,
            delay_us: setting.delay.as_micros() as u64,
            rate_per_s: setting.rate_per_s,
            subscribers: setting.subscribers,
            samples: reported.len(),
            stamped: stamped.count,
            stamped_p50_us: stamped.p50_us,
            reported_p50_us: reported.value_at_quantile(0.5),
        }
    };
    [fact(LatencyKind::Ack, &run.stamps.ack), fact(LatencyKind::Delivery, &run.stamps.push)]
}
