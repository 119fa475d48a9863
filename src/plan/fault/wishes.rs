//! Whom the faults of a plan touch, and what subscribers do because of them.

use super::{Fault, FaultKind, Touches};
use crate::model::{MessageRef, Random, UserId};
use crate::plan::roster::first_subscriber;
use crate::plan::{RunPlan, disconnects};

/// Something that a subscriber does by the workload's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// When, in µs after the start of the load.
    pub at_us: u64,
    /// What.
    pub act: Act,
    /// The rank of the fault that it belongs to; `None` for churn.
    pub fault: Option<usize>,
}

/// What a subscriber does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// It disconnects.
    Disconnect {
        /// Whether the connection is reset; otherwise it closes cleanly.
        reset: bool,
        /// How long the subscriber stays away in µs.
        away_us: u64,
    },
    /// It connects anew, and leaves the old socket half-open for so long.
    HandOff {
        /// In µs.
        for_us: u64,
    },
    /// It reads nothing for so long.
    StopReading {
        /// In µs.
        for_us: u64,
    },
}

/// What a subscriber does by the workload's wish, ascending.
pub fn wishes(plan: &RunPlan, user: UserId) -> Vec<Wish> {
    let churn = disconnects(plan, user).into_iter().map(|one| Wish {
        at_us: one.at_us,
        act: Act::Disconnect { reset: one.reset, away_us: one.away_us },
        fault: None,
    });
    let mut wishes: Vec<Wish> = churn.collect();
    for (rank, fault) in plan.faults.iter().enumerate().filter(|(rank, _)| touches_subscriber(plan, *rank, user)) {
        let mut random = Random::new(plan.seed, "fault-reset").split(user.0.into());
        let act = match fault.kind {
            FaultKind::Disconnect => Act::Disconnect { reset: random.unit() < 0.5, away_us: fault.for_us },
            FaultKind::Handoff => Act::HandOff { for_us: fault.for_us },
            FaultKind::SlowReader | FaultKind::Suspend => Act::StopReading { for_us: fault.for_us },
            _ => continue,
        };
        wishes.push(Wish { at_us: fault.at_us, act, fault: Some(rank) });
    }
    wishes.sort_by_key(|wish| wish.at_us);
    wishes
}

/// Whether the fault of a rank touches a subscriber.
pub fn touches_subscriber(plan: &RunPlan, rank: usize, user: UserId) -> bool {
    let population = &plan.population;
    let subscribers = first_subscriber(population)..population.users;
    let Some(fault) = plan.faults.get(rank) else { return false };
    fault.kind.touches() == Touches::Subscribers
        && subscribers.contains(&user.0)
        && drawn(plan, rank, fault, user.0.into())
}

/// Whether the fault of a rank touches the connections of a user.
pub fn touches_user(plan: &RunPlan, rank: usize, user: UserId) -> bool {
    let Some(fault) = plan.faults.get(rank) else { return false };
    fault.kind.touches() == Touches::Connections && drawn(plan, rank, fault, user.0.into())
}

/// The rank of the first fault that has a message posted twice; `intended_us`
/// is after the start of the load.
pub fn hedged_by(plan: &RunPlan, message: MessageRef, intended_us: u64) -> Option<usize> {
    message_touched_by(plan, FaultKind::Hedge, message, intended_us)
}

/// The rank of the first fault that loses the answer to a message's first
/// attempt; `intended_us` is after the start of the load.
pub fn answer_dropped_by(plan: &RunPlan, message: MessageRef, intended_us: u64) -> Option<usize> {
    message_touched_by(plan, FaultKind::DropAck, message, intended_us)
}

fn message_touched_by(plan: &RunPlan, kind: FaultKind, message: MessageRef, intended_us: u64) -> Option<usize> {
    let place = (u64::from(message.channel.0) << 32) | u64::from(message.index);
    plan.faults.iter().enumerate().position(|(rank, fault)| {
        fault.kind == kind
            && (fault.at_us..fault.at_us.saturating_add(fault.for_us)).contains(&intended_us)
            && drawn(plan, rank, fault, place)
    })
}

fn drawn(plan: &RunPlan, rank: usize, fault: &Fault, who: u64) -> bool {
    Random::new(plan.seed.wrapping_add(rank as u64), "fault").split(who).unit() < fault.share
}

#[cfg(test)]
mod tests {
    use super::super::FaultSettings;
    use super::*;
    use crate::model::ChannelId;
    use crate::plan::tests::example;

    fn plan(kind: FaultKind, share: f64) -> RunPlan {
        let mut plan = example();
        plan.population.users = 2_000;
        plan.population.senders = 500;
        plan.population.subscribers = 1_500;
        plan.churn.share_per_minute = 0.0;
        plan.faults =
            vec![Fault { kind, at_us: 2_000_000, for_us: 3_000_000, share, settings: FaultSettings::default() }];
        plan
    }

    #[test]
    fn a_share_of_the_subscribers_is_touched_at_the_time() {
        for (kind, share, expected) in [
            (FaultKind::Disconnect, 0.2, 300.0),
            (FaultKind::Handoff, 1.0, 1_500.0),
            (FaultKind::SlowReader, 0.0, 0.0),
            (FaultKind::Hedge, 1.0, 0.0),
            (FaultKind::Crash, 1.0, 0.0),
        ] {
            let plan = plan(kind, share);
            let all: Vec<Vec<Wish>> = (0..2_000).map(|user| wishes(&plan, UserId(user))).collect();
            let touched = all.iter().filter(|wishes| !wishes.is_empty()).count() as f64;
            assert!((touched - expected).abs() <= 5.0 * f64::sqrt(expected), "{kind:?}: {touched}");
            assert!(all[..500].iter().all(Vec::is_empty), "only subscribers");
            assert!(all.iter().flatten().all(|wish| (wish.at_us, wish.fault) == (2_000_000, Some(0))));
        }
    }

    #[test]
    fn faults_and_churn_stand_in_order() {
        let mut plan = plan(FaultKind::Disconnect, 1.0);
        plan.churn.share_per_minute = 30.0;
        let wishes = wishes(&plan, UserId(1_999));
        assert!(wishes.iter().any(|wish| wish.fault.is_none()) && wishes.iter().any(|wish| wish.fault.is_some()));
        assert!(wishes.is_sorted_by_key(|wish| wish.at_us));
    }

    #[test]
    fn messages_within_the_length_are_posted_twice() {
        let plan = plan(FaultKind::Hedge, 0.5);
        let message = |index| MessageRef { channel: ChannelId(3), index };
        let hedged = (0..1_000).filter(|index| hedged_by(&plan, message(*index), 2_000_000).is_some()).count();
        assert!((400..600).contains(&hedged), "{hedged}");
        for outside_us in [1_999_999, 5_000_000] {
            assert!((0..1_000).all(|index| hedged_by(&plan, message(index), outside_us).is_none()));
        }
    }
}
