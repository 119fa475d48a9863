//! Who disconnects by the workload's wish, when, how, and for how long.

use super::RunPlan;
use super::roster::first_subscriber;
use crate::model::{Random, UserId};

/// One disconnect that the workload wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// When, in µs after the start of the load.
    pub at_us: u64,
    /// Whether the connection is reset; otherwise it closes cleanly.
    pub reset: bool,
    /// How long the subscriber stays away in µs.
    pub away_us: u64,
}

/// A subscriber is back for at least so long before it leaves again, so that
/// a reconnect and its catch-up are not always cut off.
const BACK_US: u64 = 1_000_000;

/// The disconnects of one user, ascending; none for a user who holds no
/// subscription. Pure: every shard and the judge draw the same ones.
///
/// From the end of the warm-up to the end of the load, the gaps from being
/// back for one second (or from the end of the warm-up) to the next disconnect
/// are exponential with the plan's rate. Absences therefore lower the rate
/// below `share_per_minute`, by little where they are short beside the gaps.
pub fn disconnects(plan: &RunPlan, user: UserId) -> Vec<Disconnect> {
    let population = &plan.population;
    let subscribers = first_subscriber(population)..population.users;
    let rate_per_us = plan.churn.share_per_minute / 60_000_000.0;
    if !subscribers.contains(&user.0) || rate_per_us <= 0.0 {
        return Vec::new();
    }
    let mut random = Random::new(plan.seed, "churn").split(user.0.into());
    let end_us = plan.arrival.duration_us();
    let mut found = Vec::new();
    let mut from_us = plan.arrival.warm_up_us();
    loop {
        // A float too large for the integer saturates, and ends the loop.
        let at_us = from_us.saturating_add((random.exponential() / rate_per_us) as u64);
        if at_us >= end_us {
            return found;
        }
        let reset = random.unit() < plan.churn.reset_share;
        let away_us = random.between(plan.churn.away_us.min, plan.churn.away_us.max);
        found.push(Disconnect { at_us, reset, away_us });
        from_us = at_us.saturating_add(away_us).saturating_add(BACK_US);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, phase};
    use super::super::{Churn, PhaseKind, Range};
    use super::*;

    fn plan(share_per_minute: f64, reset_share: f64, away_us: (u64, u64)) -> RunPlan {
        let mut plan = example();
        plan.churn = Churn { share_per_minute, reset_share, away_us: Range { min: away_us.0, max: away_us.1 } };
        plan.population.users = 2_000;
        plan.population.senders = 500;
        plan.population.subscribers = 1_500;
        plan.arrival.phases = vec![phase(PhaseKind::WarmUp, 5, 10.0, 10.0), phase(PhaseKind::Steady, 60, 10.0, 10.0)];
        plan
    }

    fn all(plan: &RunPlan) -> Vec<Vec<Disconnect>> {
        (0..plan.population.users).map(|user| disconnects(plan, UserId(user))).collect()
    }

    #[test]
    fn only_subscribers_leave_only_during_the_load_and_only_when_back() {
        let plan = plan(3.0, 0.25, (500_000, 2_000_000));
        let all = all(&plan);
        for (user, list) in all.iter().enumerate() {
            assert!(user >= 500 || list.is_empty(), "user {user} holds no subscription");
            assert!(list.iter().all(|one| (5_000_000..65_000_000).contains(&one.at_us)));
            assert!(list.iter().all(|one| (500_000..=2_000_000).contains(&one.away_us)));
            assert!(list.windows(2).all(|pair| pair[1].at_us >= pair[0].at_us + pair[0].away_us + 1_000_000));
        }
        let resets = all.iter().flatten().filter(|one| one.reset).count() as f64;
        let total = all.iter().flatten().count() as f64;
        assert!((resets / total - 0.25).abs() < 0.04, "{resets} of {total}");
    }

    #[test]
    fn the_number_follows_the_rate() {
        for (share, expected, reason) in [
            (0.2, 300.0, "a fifth of 1,500 subscribers in one minute; hardly anybody leaves twice"),
            (0.02, 30.0, "a fiftieth"),
            (0.0, 0.0, "no churn"),
        ] {
            let plan = plan(share, 0.5, (0, 0));
            let found = all(&plan).iter().flatten().count() as f64;
            // The second of being back takes off at most share / 60 of them.
            assert!(
                (found - expected).abs() <= 5.0 * f64::sqrt(expected) + expected * share / 60.0,
                "{reason}: {found}"
            );
        }
    }

    #[test]
    fn the_seed_decides_each_user_by_itself() {
        let mut plan = plan(2.0, 0.5, (1, 9));
        let before = all(&plan);
        assert_eq!(before, all(&plan));
        assert_ne!(before[600], before[601]);
        plan.seed += 1;
        assert_ne!(before, all(&plan));
    }

    #[test]
    fn extreme_rates_end() {
        assert!(all(&plan(1e-300, 0.5, (0, 0))).iter().all(Vec::is_empty));
        let often = all(&plan(1e9, 0.5, (0, 0)));
        assert!(often[700].len() == 60, "once a second at most: {}", often[700].len());
    }
}
