//! Who leaves which channel during the load, and joins it again: pure.

use super::roster::Roster;
use super::{Range, RunPlan};
use crate::model::{ChannelId, Random, UserId};
use serde::{Deserialize, Serialize};

/// How memberships change during the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Members {
    /// Expected leaves of a membership in a minute. Only users who hold a
    /// subscription and never send leave: a sender who is not in its channel
    /// would be refused.
    pub churn_per_minute: f64,
    /// How long a member stays away in µs.
    pub away_us: Range<u64>,
}

impl Members {
    /// Nobody leaves.
    pub const STEADY: Members = Members { churn_per_minute: 0.0, away_us: Range { min: 0, max: 0 } };
}

/// Whether a channel is private: its first member, who never leaves, invites
/// the others.
pub fn is_private(plan: &RunPlan, channel: ChannelId) -> bool {
    Random::new(plan.seed, "private").split(channel.0.into()).unit() < plan.population.private_share
}

/// A member leaves a channel and joins it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {
    /// When, in µs after the start of the load.
    pub at_us: u64,
    /// The channel.
    pub channel: ChannelId,
    /// How long the member stays away in µs.
    pub away_us: u64,
}

/// A member is back for at least so long before it leaves again.
const BACK_US: u64 = 1_000_000;

/// The leaves of one user, ascending by time.
pub fn leaves(plan: &RunPlan, roster: &Roster, user: UserId) -> Vec<Leave> {
    let rate_per_us = plan.members.churn_per_minute / 60_000_000.0;
    if rate_per_us <= 0.0 || !roster.is_subscriber(user) || roster.is_sender(user) {
        return Vec::new();
    }
    let end_us = plan.arrival.duration_us();
    let mut found = Vec::new();
    for &channel in roster.channels(user) {
        if is_private(plan, channel) && roster.members(channel).first() == Some(&user) {
            continue;
        }
        let place = (u64::from(user.0) << 32) | u64::from(channel.0);
        let mut random = Random::new(plan.seed, "members").split(place);
        let mut from_us = plan.arrival.warm_up_us();
        loop {
            let at_us = from_us.saturating_add((random.exponential() / rate_per_us) as u64);
            if at_us >= end_us {
                break;
            }
            let away_us = random.between(plan.members.away_us.min, plan.members.away_us.max);
            found.push(Leave { at_us, channel, away_us });
            from_us = at_us.saturating_add(away_us).saturating_add(BACK_US);
        }
    }
    found.sort_by_key(|leave| (leave.at_us, leave.channel));
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, phase};
    use super::*;
    use crate::plan::PhaseKind;

    #[test]
    fn a_share_of_the_channels_is_private() {
        let mut plan = example();
        let private = |plan: &RunPlan| (0..1_000).filter(|channel| is_private(plan, ChannelId(*channel))).count();
        assert_eq!(private(&plan), 0, "none, unless asked for");
        plan.population.private_share = 0.25;
        assert!((180..320).contains(&private(&plan)), "{}", private(&plan));
        plan.population.private_share = 1.0;
        assert_eq!(private(&plan), 1_000);
    }

    #[test]
    fn only_subscribers_who_never_send_leave_and_come_back_in_between() {
        let mut plan = example();
        plan.population.users = 300;
        plan.population.senders = 100;
        plan.population.subscribers = 250;
        plan.population.channels = 30;
        plan.population.members = Range { min: 20, max: 20 };
        plan.arrival.phases = vec![phase(PhaseKind::Steady, 60, 10.0, 10.0)];
        plan.members = Members { churn_per_minute: 1.0, away_us: Range { min: 500_000, max: 2_000_000 } };
        let roster = Roster::new(&plan);
        let all: Vec<Vec<Leave>> = (0..300).map(|user| leaves(&plan, &roster, UserId(user))).collect();
        assert!(all[..100].iter().all(Vec::is_empty), "senders stay");
        let memberships: usize = (100..300).map(|user| roster.channels(UserId(user)).len()).sum();
        let found = all.iter().flatten().count() as f64;
        let expected = memberships as f64;
        assert!((found - expected).abs() < 5.0 * expected.sqrt() + 0.05 * expected, "{found} of {expected}");
        for (user, leaves) in all.iter().enumerate() {
            assert!(leaves.is_sorted_by_key(|leave| leave.at_us));
            for (rank, leave) in leaves.iter().enumerate() {
                assert!(roster.channels(UserId(user as u32)).contains(&leave.channel));
                let next = leaves[rank + 1..].iter().find(|next| next.channel == leave.channel);
                assert!(next.is_none_or(|next| next.at_us >= leave.at_us + leave.away_us + BACK_US));
            }
        }
        assert_eq!(all, (0..300).map(|user| leaves(&plan, &roster, UserId(user))).collect::<Vec<_>>());
        // Who invites into a private channel stays in it; the others leave as before.
        plan.population.senders = 1;
        plan.population.private_share = 1.0;
        let roster = Roster::new(&plan);
        for channel in (0..30).map(ChannelId) {
            let leave = |user: &UserId| leaves(&plan, &roster, *user).iter().any(|leave| leave.channel == channel);
            let (first, others) = roster.members(channel).split_first().unwrap();
            assert!(!leave(first) && others.iter().any(leave), "{channel}");
        }
        plan.members = Members::STEADY;
        assert!((0..300).all(|user| leaves(&plan, &roster, UserId(user)).is_empty()));
    }
}
