//! A run that goes on, as metrics in the text format of OpenMetrics, which
//! Prometheus reads. Names follow its conventions: seconds and bytes as units,
//! `_total` for what only grows.

use crate::ledger::Latencies;
use crate::model::LatencyKind;
use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text::encode};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Upper bounds of the buckets of latencies, in seconds.
const BUCKETS_S: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, f64::INFINITY];

/// How a run stands: counts since its start, and levels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Messages by what became of them: "acknowledged", "rejected", …
    pub messages: Vec<(&'static str, u64)>,
    /// Other counts, by name, with what they count.
    pub counts: Vec<(&'static str, &'static str, u64)>,
    /// Levels, by name, with what they are.
    pub levels: Vec<(&'static str, &'static str, u64)>,
    /// CPU time of the generator in seconds.
    pub cpu_s: f64,
    /// Its resident memory in bytes.
    pub rss_bytes: u64,
}

/// What can be scraped while a run goes on; clones are the same.
#[derive(Clone)]
pub struct Metrics {
    state: Arc<State>,
    registry: Arc<Registry>,
    labels: [(&'static str, String); 3],
}

#[derive(Debug, Default)]
struct State {
    now: Mutex<(Standing, Latencies)>,
}

impl Metrics {
    /// Of a run with these labels: its id, workload, target.
    pub fn new(labels: [(&'static str, String); 3]) -> Self {
        let state = Arc::new(State::default());
        let mut registry = Registry::with_prefix("posthaste");
        let info = prometheus_client::metrics::info::Info::new(labels.to_vec());
        registry.register("run", "What runs", info);
        registry.register_collector(Box::new(state.clone()));
        Self { state, registry: Arc::new(registry), labels }
    }

    /// How the run stands now.
    pub fn stands(&self, standing: Standing) {
        self.lock().0 = standing;
    }

    /// Adds what was measured in an interval.
    pub fn add(&self, latencies: &Latencies) {
        self.lock().1.merge(latencies);
    }

    /// Everything in the text format.
    ///
    /// # Errors
    /// What the encoder says; the text is memory, so nothing is expected.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// What runs.
    pub fn labels(&self) -> &[(&'static str, String)] {
        &self.labels
    }

    /// Looks at how it stands, and at all latencies so far.
    pub fn look(&self, at: impl FnOnce(&Standing, &Latencies)) {
        let (standing, latencies) = &*self.lock();
        at(standing, latencies);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (Standing, Latencies)> {
        self.state.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for State {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let (standing, latencies) = &*self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut messages =
            encoder.encode_descriptor("messages", "Messages that ended so", None, MetricType::Counter)?;
        for (state, count) in &standing.messages {
            messages.encode_family(&[("state", *state)])?.encode_counter::<NoLabels, _, f64>(count, None)?;
        }
        for (name, help, count) in &standing.counts {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            metric.encode_counter::<NoLabels, _, f64>(count, None)?;
        }
        for (name, help, level) in &standing.levels {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            metric.encode_gauge(&i64::try_from(*level).unwrap_or(i64::MAX))?;
        }
        let mut cpu = encoder.encode_descriptor(
            "process_cpu",
            "CPU time of the generator",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        cpu.encode_counter::<NoLabels, _, f64>(&standing.cpu_s, None)?;
        let mut rss = encoder.encode_descriptor(
            "process_resident_memory",
            "Largest resident memory of the generator",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        rss.encode_gauge(&i64::try_from(standing.rss_bytes).unwrap_or(i64::MAX))?;
        let mut latency = encoder.encode_descriptor(
            "latency",
            "Latencies by kind; the warm-up is not in them",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for kind in LatencyKind::ALL {
            let histogram = latencies.histogram(kind);
            if !histogram.is_empty() {
                let (sum_s, buckets) = buckets(histogram);
                latency.encode_family(&[("kind", kind.name())])?.encode_histogram::<NoLabels>(
                    sum_s,
                    histogram.len(),
                    &buckets,
                    None,
                )?;
            }
        }
        Ok(())
    }
}

type NoLabels = [(String, String); 0];

/// The sum in seconds, and how many samples lie in each bucket.
pub(super) fn buckets(histogram: &Histogram<u64>) -> (f64, Vec<(f64, u64)>) {
    let mut counts = BUCKETS_S.map(|bound| (bound, 0));
    let mut sum_us = 0.0;
    for step in histogram.iter_recorded() {
        let (us, count) = (step.value_iterated_to() as f64, step.count_since_last_iteration());
        sum_us += us * count as f64;
        if let Some(bucket) = counts.iter_mut().find(|(bound, _)| us <= bound * 1e6) {
            bucket.1 += count;
        }
    }
    (sum_us / 1e6, counts.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_levels_and_latencies_in_the_text_format() {
        let metrics = Metrics::new([
            ("run_id", "r1".to_owned()),
            ("workload", "a\"b\\c\nd".to_owned()),
            ("target", "slack".to_owned()),
        ]);
        metrics.stands(Standing {
            messages: vec![("acknowledged", 19), ("unknown", 1)],
            counts: vec![("attempts", "Tries", 21)],
            levels: vec![("in_flight", "Tries that wait for their answer", 2)],
            cpu_s: 1.5,
            rss_bytes: 1_000,
        });
        let mut latencies = Latencies::default();
        [400, 1_000, 2_000, 60_000_000].iter().for_each(|us| latencies.record(LatencyKind::Ack, *us));
        metrics.add(&latencies);
        metrics.add(&latencies);
        let text = metrics.text().unwrap();
        for line in [
            "posthaste_run_info{run_id=\"r1\",workload=\"a\\\"b\\\\c\\nd\",target=\"slack\"} 1",
            "posthaste_messages_total{state=\"acknowledged\"} 19",
            "posthaste_attempts_total 21",
            "posthaste_in_flight 2",
            "posthaste_process_cpu_seconds_total 1.5",
            "posthaste_process_resident_memory_bytes 1000",
            "posthaste_latency_seconds_bucket{le=\"0.0005\",kind=\"ack\"} 2",
            "posthaste_latency_seconds_bucket{le=\"0.0025\",kind=\"ack\"} 6",
            "posthaste_latency_seconds_bucket{le=\"30.0\",kind=\"ack\"} 6",
            "posthaste_latency_seconds_bucket{le=\"+Inf\",kind=\"ack\"} 8",
            "posthaste_latency_seconds_count{kind=\"ack\"} 8",
            "# EOF",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("kind=\"heal\""), "what was not measured has no series");
    }
}
