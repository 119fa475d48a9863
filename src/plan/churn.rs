//! Who loses the connection, when, how, and for how long: a pure function of
//! the seed and the user.

use super::RunPlan;
use crate::model::{Random, UserId};

/// One disconnect that the workload asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// When, in µs after the start of the load.
    pub at_us: u64,
    /// A reset instead of a clean close.
    pub reset: bool,
    /// How long the subscriber stays away in µs.
    pub away_us: u64,
}

/// After an absence a subscriber stays for so long at least.
const STAY_US: u64 = 1_000_000;

/// The disconnects of a user, ascending: a Poisson process after the warm-up,
/// paused while the user is away.
pub fn disconnects(plan: &RunPlan, user: UserId) -> Vec<Disconnect> {
    let churn = &plan.churn;
    let mut all = Vec::new();
    if churn.share_per_minute <= 0.0 {
        return all;
    }
    let mean_us = 60e6 / churn.share_per_minute;
    let mut random = Random::new(plan.seed, "churn").split(u64::from(user.0));
    let mut at_us = plan.arrival.warm_up_us() as f64;
    loop {
        at_us += random.exponential() * mean_us;
        if at_us >= plan.arrival.duration_us() as f64 {
            return all;
        }
        let reset = random.unit() < churn.reset_share;
        let away_us = random.between(churn.away_us.min, churn.away_us.max);
        all.push(Disconnect { at_us: at_us as u64, reset, away_us });
        at_us += (away_us + STAY_US) as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{phase, plan};
    use super::super::{Churn, PhaseKind, Range};
    use super::*;

    #[test]
    fn the_share_a_minute_holds_and_absences_do_not_overlap() {
        let mut plan = plan();
        plan.arrival.phases = vec![phase(PhaseKind::WarmUp, 10, 1.0, 1.0), phase(PhaseKind::Steady, 120, 1.0, 1.0)];
        plan.churn =
            Churn { share_per_minute: 0.5, reset_share: 0.25, away_us: Range { min: 500_000, max: 2_000_000 } };
        let (mut count, mut resets) = (0, 0);
        for user in 0..4_000 {
            let all = disconnects(&plan, UserId(user));
            assert_eq!(all, disconnects(&plan, UserId(user)));
            assert!(all.iter().all(|one| (10_000_000..130_000_000).contains(&one.at_us)));
            assert!(all.windows(2).all(|pair| pair[1].at_us >= pair[0].at_us + pair[0].away_us + STAY_US));
            assert!(all.iter().all(|one| (500_000..=2_000_000).contains(&one.away_us)));
            count += all.len();
            resets += all.iter().filter(|one| one.reset).count();
        }
        // 4,000 users, two minutes, half a disconnect a minute; 2.25 s of
        // pause for each lower it a little.
        assert!((3_800..4_100).contains(&count), "{count}");
        assert!((0.22..0.28).contains(&(resets as f64 / count as f64)), "{resets} of {count}");
        plan.churn.share_per_minute = 0.0;
        assert_eq!(disconnects(&plan, UserId(1)), []);
    }
}
