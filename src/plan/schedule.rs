//! When each message is intended, by whom, and for which channel: an open
//! loop, fixed in advance by the seed. What a closed loop ([`Turn`]) has of that:
//! where a user's n-th message goes, and how long the user thinks before it.
//!
//! Arrivals of a unit-rate process (exponential gaps, or gaps of exactly 1) are
//! carried through the inverse of Λ(t) = ∫ rate: the result is a Poisson, or an
//! evenly spaced, process of that rate (Çinlar, "Introduction to Stochastic
//! Processes", 1975, chapter 4). The rate is linear within a phase, so Λ is a
//! parabola there and has a closed inverse.

use super::{ArrivalProcess, Phase, Range, Roster, RunPlan, UserChoice};
use crate::model::{ChannelId, MessageRef, Random, UserId};
use std::sync::Arc;

/// One message that the schedule asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intended {
    /// Its rank from 0: in the whole schedule, or among its user's in a closed loop.
    pub n: u64,
    /// When it is intended, in µs after the start of the load.
    pub intended_us: u64,
    /// Who sends it.
    pub user: UserId,
    /// Which message it is.
    pub message: MessageRef,
}

/// The messages that a plan asks for: how many, in the mean for a Poisson
/// process.
pub fn expected_messages(plan: &RunPlan) -> f64 {
    plan.arrival.phases.iter().map(messages_of).sum()
}

fn messages_of(phase: &Phase) -> f64 {
    (phase.rate_from + phase.rate_to) / 2.0 * (phase.duration_us as f64 / 1e6)
}

/// Walks the schedule from the first message to the last. A pure function of
/// the plan: every shard walks all of it and keeps the sends of its own users,
/// so that shards add up exactly and know every index without asking.
#[derive(Clone, Debug)]
pub struct ArrivalSchedule {
    roster: Arc<Roster>,
    process: ArrivalProcess,
    segments: Arc<[Segment]>,
    choice: Choice,
    gaps: Random,
    places: Random,
    /// Messages of the unit-rate process so far: Λ at the next arrival.
    mass: f64,
    segment: usize,
    n: u64,
    last_us: u64,
    /// The next index of each channel.
    next_index: Vec<u32>,
}

impl ArrivalSchedule {
    /// The schedule of a plan, before its first message.
    pub fn new(plan: Arc<RunPlan>, roster: Arc<Roster>) -> Self {
        let population = &plan.population;
        let sendable = population.channels > 0 && population.senders > 0 && !plan.arrival.is_closed();
        Self {
            process: plan.arrival.process,
            segments: if sendable { Segment::all(&plan.arrival.phases) } else { Arc::new([]) },
            choice: Choice::new(population.choice, population.senders.min(population.users)),
            gaps: Random::new(plan.seed, "gaps"),
            places: Random::new(plan.seed, "places"),
            // An evenly spaced process starts after half a gap, so that no
            // arrival falls on a phase's edge, where rounding would decide.
            mass: if plan.arrival.process == ArrivalProcess::Constant { -0.5 } else { 0.0 },
            segment: 0,
            n: 0,
            last_us: 0,
            next_index: vec![0; population.channels as usize],
            roster,
        }
    }

    fn next_intended_us(&mut self) -> Option<u64> {
        self.mass += match self.process {
            ArrivalProcess::Poisson => self.gaps.exponential(),
            // A closed loop has no segments.
            ArrivalProcess::Constant | ArrivalProcess::Closed { .. } => 1.0,
        };
        while self.segments.get(self.segment)?.end_mass <= self.mass {
            self.segment += 1;
        }
        let intended_us = self.segments[self.segment].at_us(self.mass);
        // Rounding must not turn time back.
        self.last_us = self.last_us.max(intended_us);
        Some(self.last_us)
    }
}

impl Iterator for ArrivalSchedule {
    type Item = Intended;

    fn next(&mut self) -> Option<Intended> {
        let intended_us = self.next_intended_us()?;
        let (user, channel) = loop {
            let user = UserId(self.choice.draw(&mut self.places));
            let channels = self.roster.channels(user);
            // A plan with fewer places than senders leaves senders without a
            // channel; every channel has a sender, so the loop ends.
            if !channels.is_empty() {
                break (user, channels[self.places.below(channels.len() as u64) as usize]);
            }
        };
        let counter = &mut self.next_index[channel.0 as usize];
        let message = MessageRef { channel, index: *counter };
        *counter += 1;
        let n = self.n;
        self.n += 1;
        Some(Intended { n, intended_us, user, message })
    }
}

/// A phase in the terms of the inversion.
#[derive(Clone, Debug)]
struct Segment {
    start_us: f64,
    end_us: f64,
    start_mass: f64,
    end_mass: f64,
    /// Messages a second at the start.
    rate: f64,
    /// Change of the rate in messages a second, each second.
    slope: f64,
}

impl Segment {
    fn all(phases: &[Phase]) -> Arc<[Segment]> {
        let (mut start_us, mut start_mass) = (0.0, 0.0);
        let mut segments = Vec::with_capacity(phases.len());
        for phase in phases {
            let duration_us = phase.duration_us as f64;
            let end_us = start_us + duration_us;
            let end_mass = start_mass + messages_of(phase);
            let slope =
                if phase.duration_us == 0 { 0.0 } else { (phase.rate_to - phase.rate_from) / (duration_us / 1e6) };
            segments.push(Segment { start_us, end_us, start_mass, end_mass, rate: phase.rate_from, slope });
            (start_us, start_mass) = (end_us, end_mass);
        }
        segments.into()
    }

    /// The time in µs at which Λ reaches `mass`: rate · t + slope · t² / 2 =
    /// messages, solved in the form that stays exact when the slope is 0.
    fn at_us(&self, mass: f64) -> u64 {
        let messages = mass - self.start_mass;
        // A falling ramp ends at a rate of 0, where rounding may fall below it.
        let root = (self.rate * self.rate + 2.0 * self.slope * messages).max(0.0).sqrt();
        let seconds = if messages > 0.0 { 2.0 * messages / (self.rate + root) } else { 0.0 };
        (self.start_us + seconds * 1e6).min(self.end_us) as u64
    }
}

/// One message of one user in a closed loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its rank among the messages of its user, from 0.
    pub n: u32,
    /// How long the user thinks before it, in µs.
    pub think_us: u64,
    /// Where it goes.
    pub channel: ChannelId,
}

impl Turn {
    /// A user's n-th message: a pure function of the seed. `None` for a user of no
    /// channel, and in an open loop.
    pub fn of(plan: &RunPlan, roster: &Roster, user: UserId, n: u32) -> Option<Self> {
        let ArrivalProcess::Closed { think_us } = plan.arrival.process else { return None };
        let channels = roster.channels(user);
        let mut random = Random::new(plan.seed, "turns").split((u64::from(user.0) << 32) | u64::from(n));
        let place = random.below((channels.len() as u64).max(1)) as usize;
        Some(Self { n, think_us: random.between(think_us.min, think_us.max), channel: *channels.get(place)? })
    }
}

/// What the users of a closed loop hardly exceed together, in messages a second: what
/// memory and keys are reckoned for. An answer takes a millisecond or longer, or the
/// generator has so many at once that it is at its own limit.
pub fn closed_loop_per_s(senders: u32, think_us: Range<u64>) -> f64 {
    const ANSWER_US: f64 = 1_000.0;
    const MOST_PER_S: f64 = 200_000.0;
    let turn_us = (think_us.min as f64 + think_us.max as f64) / 2.0 + ANSWER_US;
    (f64::from(senders) * 1e6 / turn_us).min(MOST_PER_S)
}

/// Chooses the sender of a message.
#[derive(Clone, Debug)]
enum Choice {
    Uniform { senders: u32 },
    Weighted(Arc<[Alias]>),
}

/// One column of an alias table: below `keep` of 2³² it is the column itself,
/// otherwise the other (Vose, "A linear algorithm for generating random numbers
/// with a given distribution", 1991).
#[derive(Clone, Copy, Debug)]
struct Alias {
    keep: u32,
    other: u32,
}

impl Choice {
    fn new(choice: UserChoice, senders: u32) -> Self {
        match choice {
            UserChoice::Uniform => Choice::Uniform { senders },
            UserChoice::Zipf { exponent } => {
                let weights = (1..=senders).map(|rank| f64::from(rank).powf(-exponent)).collect();
                Choice::Weighted(alias_table(weights))
            }
        }
    }

    fn draw(&self, random: &mut Random) -> u32 {
        match self {
            Choice::Uniform { senders } => random.below((*senders).into()) as u32,
            Choice::Weighted(table) => {
                let bits = random.next_u64();
                let column = (((bits >> 32) * table.len() as u64) >> 32) as u32;
                let Alias { keep, other } = table[column as usize];
                if (bits as u32) < keep { column } else { other }
            }
        }
    }
}

fn alias_table(weights: Vec<f64>) -> Arc<[Alias]> {
    let total: f64 = weights.iter().sum();
    let mut scaled: Vec<f64> = weights.iter().map(|weight| weight * weights.len() as f64 / total).collect();
    let mut table: Vec<Alias> = (0..weights.len() as u32).map(|other| Alias { keep: u32::MAX, other }).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..weights.len()).partition(|column| scaled[*column] < 1.0);
    while let (Some(low), Some(&high)) = (small.pop(), large.last()) {
        table[low] = Alias { keep: (scaled[low] * f64::from(u32::MAX)) as u32, other: high as u32 };
        scaled[high] -= 1.0 - scaled[low];
        if scaled[high] < 1.0 {
            large.pop();
            small.push(high);
        }
    }
    table.into()
}

#[cfg(test)]
mod tests {
    use super::super::PhaseKind::{Ramp, Spike, Steady, WarmUp};
    use super::super::tests::{example, phase};
    use super::*;
    use std::collections::HashMap;

    fn plan(process: ArrivalProcess, phases: Vec<Phase>) -> RunPlan {
        let mut plan = example();
        plan.arrival.process = process;
        plan.arrival.phases = phases;
        plan
    }

    fn walk(plan: &RunPlan) -> ArrivalSchedule {
        ArrivalSchedule::new(Arc::new(plan.clone()), Arc::new(Roster::new(plan)))
    }

    fn shapes() -> Vec<(Vec<Phase>, f64, &'static str)> {
        vec![
            (vec![phase(Steady, 10, 200.0, 200.0)], 2_000.0, "one rate"),
            (vec![phase(WarmUp, 5, 10.0, 10.0), phase(Steady, 5, 1_000.0, 1_000.0)], 5_050.0, "a step"),
            (vec![phase(Ramp, 10, 0.0, 500.0)], 2_500.0, "from nothing"),
            (vec![phase(Ramp, 10, 500.0, 0.0)], 2_500.0, "to nothing"),
            (vec![phase(Steady, 3, 0.0, 0.0), phase(Steady, 1, 90.0, 90.0)], 90.0, "silence first"),
            (vec![phase(Steady, 1, 90.0, 90.0), phase(Steady, 3, 0.0, 0.0)], 90.0, "silence last"),
            (
                vec![phase(Steady, 2, 100.0, 100.0), phase(Steady, 2, 0.0, 0.0), phase(Spike, 1, 5_000.0, 5_000.0)],
                5_200.0,
                "silence between",
            ),
            (vec![phase(Steady, 0, 100.0, 100.0), phase(Steady, 1, 50.0, 50.0)], 50.0, "an empty phase"),
            (vec![phase(Steady, 10, 0.0, 0.0)], 0.0, "silence only"),
        ]
    }

    #[test]
    fn counts_are_the_integral_of_the_rate() {
        for (phases, expected, reason) in shapes() {
            let constant = plan(ArrivalProcess::Constant, phases.clone());
            assert!((expected_messages(&constant) - expected).abs() < 1e-6, "{reason}");
            assert_eq!(walk(&constant).count() as f64, expected, "{reason}");
            for seed in 0..20 {
                let mut poisson = plan(ArrivalProcess::Poisson, phases.clone());
                poisson.seed = seed;
                let count = walk(&poisson).count() as f64;
                assert!((count - expected).abs() <= 5.0 * expected.sqrt(), "{reason}: {count} of {expected}");
            }
        }
    }

    #[test]
    fn arrivals_are_where_the_rate_is() {
        let phases = vec![phase(Steady, 2, 100.0, 100.0), phase(Steady, 2, 0.0, 0.0), phase(Spike, 1, 500.0, 500.0)];
        for process in [ArrivalProcess::Poisson, ArrivalProcess::Constant] {
            let times: Vec<u64> = walk(&plan(process, phases.clone())).map(|one| one.intended_us).collect();
            assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
            assert!(!times.iter().any(|at| (2_000_000..4_000_000).contains(at)), "nothing while the rate is 0");
            assert!(times.iter().all(|at| *at < 5_000_000));
        }
    }

    #[test]
    fn every_shape_is_monotone_and_ends_with_its_phases() {
        for (phases, _, reason) in shapes() {
            let plan = plan(ArrivalProcess::Poisson, phases);
            let times: Vec<u64> = walk(&plan).map(|one| one.intended_us).collect();
            assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "{reason}");
            assert!(times.iter().all(|at| *at <= plan.arrival.duration_us()), "{reason}");
        }
    }

    #[test]
    fn gaps_of_a_constant_rate_are_equal() {
        let times: Vec<u64> = walk(&plan(ArrivalProcess::Constant, vec![phase(Steady, 4, 250.0, 250.0)]))
            .map(|one| one.intended_us)
            .collect();
        assert_eq!(times[0], 2_000, "half a gap");
        assert!(times.windows(2).all(|pair| (3_999..=4_001).contains(&(pair[1] - pair[0]))));
    }

    #[test]
    fn gaps_of_a_poisson_process_are_exponential() {
        let times: Vec<u64> = walk(&plan(ArrivalProcess::Poisson, vec![phase(Steady, 500, 200.0, 200.0)]))
            .map(|one| one.intended_us)
            .collect();
        let mut gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / 5_000.0).collect();
        gaps.sort_by(f64::total_cmp);
        let count = gaps.len() as f64;
        // Kolmogorov-Smirnov: a true sample passes 1.95 / √n in 99.9 % of seeds.
        let distance = gaps.iter().enumerate().map(|(rank, gap)| (1.0 - (-gap).exp() - rank as f64 / count).abs());
        assert!(distance.fold(0.0, f64::max) < 1.95 / count.sqrt());
    }

    #[test]
    fn a_ramp_passes_its_quarter_of_the_messages_at_half_its_time() {
        for (from, to, share) in [(0.0, 1_000.0, 0.25), (1_000.0, 0.0, 0.75), (100.0, 300.0, 0.375)] {
            let plan = plan(ArrivalProcess::Constant, vec![phase(Ramp, 10, from, to)]);
            let early = walk(&plan).filter(|one| one.intended_us < 5_000_000).count() as f64;
            assert!((early - share * expected_messages(&plan)).abs() <= 1.0, "{from} to {to}: {early}");
        }
    }

    #[test]
    fn a_seed_is_a_schedule_and_a_clone_goes_on_alike() {
        let mut plan = example();
        let all: Vec<Intended> = walk(&plan).collect();
        assert_eq!(all, walk(&plan).collect::<Vec<_>>());
        let mut half = walk(&plan);
        half.by_ref().nth(499);
        assert_eq!(half.clone().collect::<Vec<_>>(), all[500..]);
        plan.seed = 43;
        assert_ne!(all, walk(&plan).collect::<Vec<_>>());
    }

    #[test]
    fn shards_add_up_to_the_whole_and_indices_are_dense() {
        let plan = example();
        let all: Vec<Intended> = walk(&plan).collect();
        let mut joined: Vec<Intended> =
            (0..3).flat_map(|shard| walk(&plan).filter(move |one| one.user.0 % 3 == shard)).collect();
        joined.sort_by_key(|one| one.n);
        assert_eq!(joined, all);
        let roster = Roster::new(&plan);
        let mut next: HashMap<_, u32> = HashMap::new();
        for (rank, one) in all.iter().enumerate() {
            assert_eq!(one.n, rank as u64);
            let index = next.entry(one.message.channel).or_default();
            assert_eq!(one.message.index, *index);
            *index += 1;
            assert!(roster.members(one.message.channel).contains(&one.user) && roster.is_sender(one.user));
        }
    }

    #[test]
    fn senders_are_chosen_by_their_law() {
        for (choice, exponent, reason) in [
            (UserChoice::Uniform, 0.0, "uniform"),
            (UserChoice::Zipf { exponent: 1.1 }, 1.1, "skewed"),
            (UserChoice::Zipf { exponent: 0.0 }, 0.0, "a Zipf law without skew"),
        ] {
            let mut plan = plan(ArrivalProcess::Poisson, vec![phase(Steady, 100, 2_000.0, 2_000.0)]);
            plan.population.choice = choice;
            let mut counts = [0u32; 100];
            walk(&plan).for_each(|one| counts[one.user.0 as usize] += 1);
            let total: f64 = counts.iter().copied().map(f64::from).sum();
            let sum: f64 = (1..=100).map(|rank| f64::from(rank).powf(-exponent)).sum();
            for (rank, count) in counts.iter().enumerate() {
                let expected = total * (rank as f64 + 1.0).powf(-exponent) / sum;
                assert!((f64::from(*count) - expected).abs() < 5.0 * expected.sqrt(), "{reason}, {rank}: {count}");
            }
        }
    }

    #[test]
    fn turns_are_pure_and_as_asked() {
        let mut plan = example();
        let roster = Roster::new(&plan);
        let turn = |plan: &RunPlan, user, n| Turn::of(plan, &roster, UserId(user), n);
        assert_eq!(turn(&plan, 0, 0), None, "an open loop has none");
        plan.arrival.process = ArrivalProcess::Closed { think_us: Range { min: 100, max: 299 } };
        assert_eq!(walk(&plan).count(), 0, "a closed loop has no schedule");
        let all: Vec<Turn> = (0..20_000).filter_map(|n| turn(&plan, 3, n)).collect();
        assert_eq!(all.len(), 20_000);
        assert_eq!(turn(&plan, 3, 777), Some(all[777]), "whenever it is asked for");
        let mean = all.iter().map(|turn| turn.think_us as f64).sum::<f64>() / 20_000.0;
        // A uniform time of this range has a standard deviation of 57.7.
        assert!((mean - 199.5).abs() < 5.0 * 57.7 / 20_000f64.sqrt(), "{mean}");
        assert!(all.iter().all(|turn| (100..300).contains(&turn.think_us)));
        let channels = roster.channels(UserId(3));
        let mut counts: HashMap<ChannelId, f64> = HashMap::new();
        all.iter().for_each(|turn| *counts.entry(turn.channel).or_default() += 1.0);
        assert_eq!(counts.len(), channels.len());
        let expected = 20_000.0 / channels.len() as f64;
        assert!(counts.values().all(|count| (count - expected).abs() < 5.0 * expected.sqrt()), "{counts:?}");
        assert!((0..100).any(|n| turn(&plan, 4, n).map(|turn| turn.think_us) != Some(all[n as usize].think_us)));
        plan.seed += 1;
        assert!((0..100).any(|n| turn(&plan, 3, n) != Some(all[n as usize])));
    }

    #[test]
    fn what_a_closed_loop_may_come_to() {
        for (senders, think_us, expected) in [
            (64, Range { min: 0, max: 0 }, 64_000.0),
            (100, Range { min: 0, max: 1_998_000 }, 100.0),
            (1, Range { min: 999_000, max: 999_000 }, 1.0),
            (u32::MAX, Range { min: 0, max: 0 }, 200_000.0),
            (5, Range { min: u64::MAX, max: u64::MAX }, 0.0),
        ] {
            let found = closed_loop_per_s(senders, think_us);
            assert!((found - expected).abs() < 1e-6, "{senders}: {found}");
        }
    }

    #[test]
    fn senders_without_a_channel_send_nothing_and_nobody_sends_to_no_channel() {
        let mut plan = example();
        plan.population.channels = 2;
        plan.population.members = Range { min: 2, max: 2 };
        assert!(walk(&plan).count() > 1_000, "100 senders, 4 places");
        plan.population.channels = 0;
        assert_eq!(walk(&plan).count(), 0);
        plan.population.channels = 2;
        plan.population.senders = 0;
        assert_eq!(walk(&plan).count(), 0);
    }
}
