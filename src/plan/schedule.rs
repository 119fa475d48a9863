//! When each message is intended, by whom, and for which channel: a pure
//! function of the seed, fixed before the run and independent of the target.

use super::{Arrival, ArrivalProcess, Roster, RunPlan, UserChoice};
use crate::model::{ChannelId, MessageRef, Random, UserId};
use std::sync::Arc;

/// One message of the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intended {
    /// Its rank in the whole schedule, from 0.
    pub n: u64,
    /// When, in µs after the start of the load.
    pub intended_us: u64,
    /// Who sends it.
    pub user: UserId,
    /// For which channel, and its rank there.
    pub message: MessageRef,
}

/// Walks the schedule. Every shard walks all of it and keeps its own users'
/// sends: so each knows every index without asking, and rates add up exactly
/// for any number of shards.
///
/// The n-th arrival lies where the integral of the rate reaches the sum of n
/// increments: of exactly 1 (constant), or exponential with mean 1, which
/// makes an inhomogeneous Poisson process (Çinlar, "Introduction to Stochastic
/// Processes", 1975, chapter 4).
#[derive(Clone, Debug)]
pub struct ArrivalSchedule {
    plan: Arc<RunPlan>,
    roster: Arc<Roster>,
    choice: SenderChoice,
    gaps: Random,
    picks: Random,
    n: u64,
    /// The integral of the rate at the next arrival.
    level: f64,
    phase: usize,
    phase_start_us: u64,
    /// The integral of the rate at the start of the phase.
    phase_level: f64,
    next_index: Vec<u32>,
}

impl ArrivalSchedule {
    /// The schedule of a plan, from its first message.
    pub fn new(plan: Arc<RunPlan>, roster: Arc<Roster>) -> Self {
        Self {
            choice: SenderChoice::new(&plan),
            gaps: Random::new(plan.seed, "arrivals"),
            picks: Random::new(plan.seed, "senders"),
            n: 0,
            // Half a gap before the first message: a constant rate of 10 a
            // second for one second is 10 messages, none at the very end.
            level: if plan.arrival.process == ArrivalProcess::Constant { -0.5 } else { 0.0 },
            phase: 0,
            phase_start_us: 0,
            phase_level: 0.0,
            next_index: vec![0; plan.population.channels as usize],
            plan,
            roster,
        }
    }

    /// When the integral of the rate reaches `level`; `None` past the end.
    fn invert(&mut self) -> Option<u64> {
        loop {
            let phase = self.plan.arrival.phases.get(self.phase)?;
            let length_s = phase.duration_us as f64 / 1e6;
            let inside = self.level - self.phase_level;
            let area = (phase.rate_from + phase.rate_to) / 2.0 * length_s;
            if inside < area {
                let after_s = time_in_phase(phase.rate_from, (phase.rate_to - phase.rate_from) / length_s, inside);
                let after_us = ((after_s * 1e6) as u64).min(phase.duration_us.saturating_sub(1));
                return Some(self.phase_start_us + after_us);
            }
            self.phase += 1;
            self.phase_start_us += phase.duration_us;
            self.phase_level += area;
        }
    }
}

/// Solves `rate · t + slope · t² / 2 = area` for the smaller t ≥ 0, in the form
/// that does not cancel where the slope is small.
fn time_in_phase(rate: f64, slope: f64, area: f64) -> f64 {
    let root = (rate * rate + 2.0 * slope * area).max(0.0).sqrt();
    if rate + root == 0.0 { 0.0 } else { 2.0 * area / (rate + root) }
}

impl Iterator for ArrivalSchedule {
    type Item = Intended;

    fn next(&mut self) -> Option<Intended> {
        self.level += match self.plan.arrival.process {
            ArrivalProcess::Poisson => self.gaps.exponential(),
            ArrivalProcess::Constant => 1.0,
        };
        let intended_us = self.invert()?;
        let user = self.choice.pick(&mut self.picks);
        let channels = self.roster.channels(user);
        let channel = channels.get(self.picks.below(channels.len() as u64) as usize).copied().unwrap_or(ChannelId(0));
        let next_index = &mut self.next_index[channel.0 as usize];
        let index = *next_index;
        *next_index += 1;
        let n = self.n;
        self.n += 1;
        Some(Intended { n, intended_us, user, message: MessageRef { channel, index } })
    }
}

impl Arrival {
    /// How many messages are expected: the integral of the rate.
    pub fn expected_messages(&self) -> f64 {
        let area = |phase: &super::Phase| (phase.rate_from + phase.rate_to) / 2.0 * (phase.duration_us as f64 / 1e6);
        self.phases.iter().map(area).sum()
    }
}

/// How a send chooses its user.
#[derive(Clone, Debug)]
enum SenderChoice {
    Uniform(u32),
    /// Cumulated weights: the user is found by bisection.
    Weighted(Arc<[f64]>),
}

impl SenderChoice {
    fn new(plan: &RunPlan) -> Self {
        let senders = plan.population.senders;
        match plan.population.choice {
            UserChoice::Uniform => SenderChoice::Uniform(senders),
            UserChoice::Zipf { exponent } => {
                let mut sum = 0.0;
                let cumulated = (1..=senders).map(|rank| {
                    sum += f64::from(rank).powf(-exponent);
                    sum
                });
                SenderChoice::Weighted(cumulated.collect())
            }
        }
    }

    fn pick(&self, random: &mut Random) -> UserId {
        match self {
            SenderChoice::Uniform(senders) => UserId(random.below(u64::from(*senders)) as u32),
            SenderChoice::Weighted(cumulated) => {
                let total = cumulated.last().copied().unwrap_or(0.0);
                let at = random.unit() * total;
                let rank = cumulated.partition_point(|weight| *weight <= at);
                UserId(rank.min(cumulated.len().saturating_sub(1)) as u32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{phase, plan};
    use super::super::{Phase, PhaseKind};
    use super::*;

    fn schedule(process: ArrivalProcess, phases: Vec<Phase>, seed: u64) -> Vec<Intended> {
        let mut plan = plan();
        plan.seed = seed;
        plan.arrival = Arrival { process, phases };
        let roster = Arc::new(Roster::new(&plan));
        ArrivalSchedule::new(Arc::new(plan), roster).collect()
    }

    #[test]
    fn a_constant_rate_has_equal_gaps_and_the_exact_count() {
        let all = schedule(ArrivalProcess::Constant, vec![phase(PhaseKind::Steady, 2, 50.0, 50.0)], 1);
        assert_eq!(all.len(), 100);
        assert!(all.windows(2).all(|pair| (19_999..=20_001).contains(&(pair[1].intended_us - pair[0].intended_us))));
        assert!(all.last().unwrap().intended_us < 2_000_000);
    }

    #[test]
    fn poisson_counts_follow_the_integral_of_the_rate() {
        let phases = || {
            vec![
                phase(PhaseKind::WarmUp, 10, 100.0, 100.0),
                phase(PhaseKind::Ramp, 20, 100.0, 500.0),
                phase(PhaseKind::Steady, 5, 0.0, 0.0),
                phase(PhaseKind::Spike, 2, 2_000.0, 2_000.0),
            ]
        };
        let all = schedule(ArrivalProcess::Poisson, phases(), 3);
        let arrival = Arrival { process: ArrivalProcess::Poisson, phases: phases() };
        assert_eq!(arrival.expected_messages(), 1_000.0 + 6_000.0 + 0.0 + 4_000.0);
        let count = |from_s: u64, to_s: u64| {
            all.iter().filter(|one| (from_s * 1_000_000..to_s * 1_000_000).contains(&one.intended_us)).count() as f64
        };
        for (from_s, to_s, expected, part) in [
            (0, 10, 1_000.0, "warm-up"),
            (10, 20, 2_000.0, "first half of the ramp: 100 to 300 a second"),
            (20, 30, 4_000.0, "second half: 300 to 500"),
            (30, 35, 0.0, "a silence is legal"),
            (35, 37, 4_000.0, "spike"),
        ] {
            let off = (count(from_s, to_s) - expected).abs();
            assert!(off <= 5.0 * f64::sqrt(expected), "{part}: {} for {expected}", count(from_s, to_s));
        }
        assert!(all.windows(2).all(|pair| pair[0].intended_us <= pair[1].intended_us && pair[0].n + 1 == pair[1].n));
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let all = schedule(ArrivalProcess::Poisson, vec![phase(PhaseKind::Steady, 100, 200.0, 200.0)], 9);
        let gaps: Vec<f64> = all.windows(2).map(|pair| (pair[1].intended_us - pair[0].intended_us) as f64).collect();
        let longer = |than: f64| gaps.iter().filter(|gap| **gap > than).count() as f64 / gaps.len() as f64;
        // P(gap > k means) = e⁻ᵏ.
        for (means, share) in [(1.0, 0.3679), (2.0, 0.1353), (3.0, 0.0498)] {
            assert!((longer(means * 5_000.0) - share).abs() < 0.01, "{means}: {}", longer(means * 5_000.0));
        }
    }

    #[test]
    fn the_same_seed_is_the_same_schedule_and_indices_are_dense() {
        let phases = || vec![phase(PhaseKind::Steady, 10, 200.0, 200.0)];
        let all = schedule(ArrivalProcess::Poisson, phases(), 4);
        assert_eq!(all, schedule(ArrivalProcess::Poisson, phases(), 4));
        assert_ne!(all, schedule(ArrivalProcess::Poisson, phases(), 5));
        let mut next = std::collections::HashMap::new();
        for one in &all {
            let expected = next.entry(one.message.channel).or_insert(0);
            assert_eq!(one.message.index, *expected);
            *expected += 1;
        }
    }

    #[test]
    fn users_send_into_their_own_channels_and_by_the_chosen_law() {
        let mut plan = plan();
        plan.arrival.phases = vec![phase(PhaseKind::Steady, 100, 1_000.0, 1_000.0)];
        plan.population.choice = UserChoice::Zipf { exponent: 1.0 };
        plan.population.senders = 10;
        let roster = Arc::new(Roster::new(&plan));
        let mut counts = [0u32; 10];
        for one in ArrivalSchedule::new(Arc::new(plan), roster.clone()) {
            counts[one.user.0 as usize] += 1;
            assert!(roster.channels(one.user).contains(&one.message.channel));
        }
        let total: u32 = counts.iter().sum();
        let harmonic: f64 = (1..=10).map(|rank| 1.0 / f64::from(rank)).sum();
        for (rank, count) in counts.iter().enumerate() {
            let expected = f64::from(total) / (rank as f64 + 1.0) / harmonic;
            assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}");
        }
    }
}
