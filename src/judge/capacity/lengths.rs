//! How long probes take: the lengths that one would like, or what a budget
//! leaves of them.

use super::summary::{BaseLoad, CapacityProbe, Find, Purpose, SearchSettings};
use crate::plan::{Metric, Quantile, Threshold};

/// Holds that must all keep the objective.
pub(super) const HOLDS: u32 = 3;
/// Probes of the search that a budget plans for: about nine coarse ones, four to
/// halve what lies between, and three that failed and are made again.
const PLANNED_PROBES: f64 = 16.0;
/// Holds that it plans for: two may fail.
const PLANNED_HOLDS: f64 = HOLDS as f64 + 2.0;
/// Probes for the cost of posts and of sockets.
const COST_PROBES: f64 = 2.0;
/// What one would like, in seconds.
const LIKED: Lengths = Lengths { warm_up_s: 15.0, probe_s: 30.0, hold_s: 300.0, overload_s: 30.0 };
/// What says something all the same.
const LEAST: Lengths = Lengths { warm_up_s: 1.0, probe_s: 2.5, hold_s: 4.0, overload_s: 3.0 };
/// After an overload a target is watched for so many times its length.
const WATCHED: f64 = 2.5;
/// A probe is never made longer than this for the sake of its samples.
const LONGEST_S: f64 = 120.0;
/// The lowest rate that a schedule has.
const LOWEST_RATE: f64 = 1.0;

/// Lengths in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lengths {
    /// What is not counted of each probe.
    pub warm_up_s: f64,
    /// What is counted of a probe.
    pub probe_s: f64,
    /// What is counted of a hold.
    pub hold_s: f64,
    /// The overload.
    pub overload_s: f64,
}

/// A part of a probe's schedule at one rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// Whether it is not counted.
    pub is_warm_up: bool,
    /// Its length in seconds.
    pub seconds: f64,
    /// Messages a second.
    pub rate_per_s: f64,
}

impl Lengths {
    /// Lengths that fit into a budget, and whether they are shorter than one
    /// would like.
    pub fn within(budget_s: f64, overhead_s: f64) -> (Self, bool) {
        let runs = PLANNED_PROBES + PLANNED_HOLDS + COST_PROBES + 1.0;
        let liked = LIKED.all_s();
        let share = ((budget_s - runs * overhead_s) / liked).clamp(0.0, 1.0);
        let scaled = |liked: f64, least: f64| (liked * share).max(least);
        let lengths = Self {
            warm_up_s: scaled(LIKED.warm_up_s, LEAST.warm_up_s),
            probe_s: scaled(LIKED.probe_s, LEAST.probe_s),
            hold_s: scaled(LIKED.hold_s, LEAST.hold_s),
            overload_s: scaled(LIKED.overload_s, LEAST.overload_s),
        };
        (lengths, share < 1.0)
    }

    /// Of all planned probes.
    fn all_s(&self) -> f64 {
        (PLANNED_PROBES + COST_PROBES) * (self.warm_up_s + self.probe_s)
            + PLANNED_HOLDS * (self.warm_up_s + self.hold_s)
            + self.warm_up_s
            + self.overload_s * (1.0 + WATCHED)
    }
}

/// What a run takes beside its load, before there was one: set-up, connects, and
/// a drain with its quiet times.
pub fn overhead_s(base: &BaseLoad) -> f64 {
    4.0 + f64::from(base.subscribers) / base.connect_per_s.max(1.0) + f64::from(base.users) / 1_000.0
}

impl SearchSettings {
    /// The schedule of a probe.
    pub fn phases(&self, purpose: Purpose, load: f64) -> Vec<Phase> {
        let rate = self.rate_of(load).max(LOWEST_RATE);
        let warm_up = |rate_per_s| Phase { is_warm_up: true, seconds: self.warm_up_s, rate_per_s };
        let counted = |seconds, rate_per_s| Phase { is_warm_up: false, seconds, rate_per_s };
        match purpose {
            Purpose::Coarse | Purpose::Bisect => {
                vec![warm_up(rate), counted(self.with_samples(self.probe_s, rate), rate)]
            }
            Purpose::Hold => vec![warm_up(rate), counted(self.with_samples(self.hold_s, rate), rate)],
            Purpose::CostOfPosts => vec![warm_up(rate), counted(self.probe_s, rate)],
            Purpose::CostOfSockets => vec![warm_up(LOWEST_RATE), counted(self.probe_s, LOWEST_RATE)],
            Purpose::Overload => {
                let (over, back) = (rate * Self::OVERLOAD, rate * Self::RETURN);
                let watched_s = self.overload_s * WATCHED;
                vec![warm_up(back), counted(self.overload_s, over), counted(watched_s, back)]
            }
        }
    }

    /// An overload is so many times the capacity,
    pub const OVERLOAD: f64 = 1.2;
    /// and the load to which it returns leaves room to work off what waits.
    pub const RETURN: f64 = 0.8;

    /// How long a probe takes, with what the ones before took beside their load.
    pub(super) fn takes_s(&self, purpose: Purpose, load: f64, probes: &[CapacityProbe]) -> f64 {
        self.load_s(purpose, load) + self.overhead_s(probes)
    }

    fn load_s(&self, purpose: Purpose, load: f64) -> f64 {
        self.phases(purpose, load).iter().map(|phase| phase.seconds).sum()
    }

    /// Median of what runs took beside their load.
    fn overhead_s(&self, probes: &[CapacityProbe]) -> f64 {
        let over = |probe: &CapacityProbe| (probe.took_s - self.load_s(probe.purpose, probe.load)).max(0.0);
        let mut all: Vec<f64> = probes.iter().filter(|probe| probe.run.is_some()).map(over).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or_else(|| overhead_s(&self.base))
    }

    /// A length in which a rate has the samples that the objective needs, and a
    /// fifth more.
    fn with_samples(&self, seconds: f64, rate: f64) -> f64 {
        seconds.max((self.samples as f64 * 1.2 / rate).min(LONGEST_S))
    }

    /// Messages a second at a load.
    pub fn rate_of(&self, load: f64) -> f64 {
        match self.find {
            Find::Rate => load,
            Find::Users => load * self.base.rate_per_s / f64::from(self.base.users.max(1)),
        }
    }

    /// Users at a load, and what grows with them: (users, channels, senders,
    /// subscribers).
    pub fn population_of(&self, load: f64) -> [u32; 4] {
        let base = &self.base;
        let all = [base.users, base.channels, base.senders, base.subscribers];
        match self.find {
            Find::Rate => all,
            Find::Users => {
                let scaled = |count: u32| (f64::from(count) * load / f64::from(base.users.max(1))).round() as u32;
                let [users, channels, senders, subscribers] = all.map(scaled);
                [users.max(1), channels.max(1), senders.clamp(1, users.max(1)), subscribers.min(users.max(1))]
            }
        }
    }

    /// Messages that the objective needs: those of its slowest quantile.
    pub fn samples_of(objective: &[String]) -> u64 {
        let of = |expr: &String| match Threshold::parse(expr).ok()?.metric {
            Metric::Latency { quantile, .. } => Some(match quantile {
                Quantile::P50 | Quantile::Max | Quantile::Count => 6,
                Quantile::P90 => 36,
                Quantile::P95 => 72,
                Quantile::P99 => 368,
                Quantile::P999 => 3_688,
                Quantile::P9999 => 36_887,
            }),
            _ => None,
        };
        objective.iter().filter_map(of).max().unwrap_or(100)
    }
}
