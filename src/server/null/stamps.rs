//! What the null server knows of its own latencies.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What a null server stamped. A post counts from when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NullStamps {
    /// Until the acknowledgement was written.
    pub ack: StampedLatency,
    /// Until it was pushed to one subscriber, for each of them.
    pub push: StampedLatency,
    /// CPU time of the server from the first post on, in µs.
    pub cpu_us: u64,
    /// From the first post to the last, in µs.
    pub wall_us: u64,
}

/// Quantiles of what was stamped, in µs; 0 where nothing was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StampedLatency {
    /// How many.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 90 %.
    pub p90_us: u64,
    /// 99 %.
    pub p99_us: u64,
    /// The greatest.
    pub max_us: u64,
}

/// Stamps as they come.
pub(super) struct Stamps {
    ack: Histogram<u64>,
    push: Histogram<u64>,
    posts: Option<(Instant, Instant)>,
    cpu_before_us: u64,
}

impl Stamps {
    pub(super) fn new() -> Self {
        // As posthaste's own: 1 µs to an hour, three digits.
        let histogram = || Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are valid");
        Self { ack: histogram(), push: histogram(), posts: None, cpu_before_us: 0 }
    }

    /// A post was read.
    pub(super) fn posted(&mut self) {
        let now = Instant::now();
        let (_, last) = self.posts.get_or_insert_with(|| {
            self.cpu_before_us = thread_cpu_us();
            (now, now)
        });
        *last = now;
    }

    /// The acknowledgement of a post has been written.
    pub(super) fn acknowledged(&mut self, read_at: Instant) {
        self.ack.saturating_record(read_at.elapsed().as_micros() as u64);
    }

    /// A post has been written to one socket.
    pub(super) fn pushed(&mut self, read_at: Instant) {
        self.push.saturating_record(read_at.elapsed().as_micros() as u64);
    }

    /// What they come to.
    pub(super) fn summary(&self) -> NullStamps {
        let (first, last) = self.posts.unzip();
        NullStamps {
            ack: quantiles(&self.ack),
            push: quantiles(&self.push),
            cpu_us: if first.is_some() { thread_cpu_us().saturating_sub(self.cpu_before_us) } else { 0 },
            wall_us: first.zip(last).map_or(0, |(first, last)| last.duration_since(first).as_micros() as u64),
        }
    }
}

fn quantiles(of: &Histogram<u64>) -> StampedLatency {
    let at = |quantile| of.value_at_quantile(quantile);
    StampedLatency { count: of.len(), p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: of.max() }
}

fn thread_cpu_us() -> u64 {
    let now = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now();
    now.map_or(0, |now| std::time::Duration::from(now).as_micros() as u64)
}
