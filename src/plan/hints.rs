//! What nobody keeps: that a user types, whether another one is there, and what
//! users ask of apps. Each happens at a rate of its own for each user.

use super::{Roster, RunPlan};
use crate::model::{ChannelId, Random, UserId};
use serde::{Deserialize, Serialize};

/// How often users hint at something, and ask apps something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hints {
    /// How often a user types, in times a minute.
    pub typing_per_user_per_minute: f64,
    /// How often a user asks whether another one is there.
    pub presence_per_user_per_minute: f64,
}

/// How often users ask apps something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Actions {
    /// Slash commands of a user, in times a minute.
    pub commands_per_user_per_minute: f64,
    /// Clicks of a user on a message.
    pub clicks_per_user_per_minute: f64,
}

/// What a user does now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Habit {
    /// It types.
    Typing,
    /// It asks whether another member of a channel is there.
    Presence,
    /// It gives an app a slash command.
    Command,
    /// It clicks on a message.
    Click,
}

/// One time that a user does so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doing {
    /// When, in µs after the start of the load.
    pub at_us: u64,
    /// In which of its channels.
    pub channel: ChannelId,
    /// A number that decides whatever else there is to choose.
    pub choice: u64,
}

impl Habit {
    /// All of them.
    pub const ALL: [Habit; 4] = [Habit::Typing, Habit::Presence, Habit::Command, Habit::Click];

    /// How often a user does so, in times a minute.
    pub fn per_minute(self, plan: &RunPlan) -> f64 {
        match self {
            Habit::Typing => plan.hints.typing_per_user_per_minute,
            Habit::Presence => plan.hints.presence_per_user_per_minute,
            Habit::Command => plan.actions.commands_per_user_per_minute,
            Habit::Click => plan.actions.clicks_per_user_per_minute,
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Habit::Typing => "typing",
            Habit::Presence => "presence",
            Habit::Command => "command",
            Habit::Click => "click",
        }
    }
}

impl Hints {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.typing_per_user_per_minute > 0.0 || self.presence_per_user_per_minute > 0.0
    }
}

impl Actions {
    /// Whether there are any.
    pub fn any(&self) -> bool {
        self.commands_per_user_per_minute > 0.0 || self.clicks_per_user_per_minute > 0.0
    }
}

/// The n-th time that a user follows a habit; `None` where it has none, is in no
/// channel, or the load is over. Pure.
///
/// Time is cut into gaps of one over the rate; each gap has one time, in its
/// first half, so that two of them are never closer than half a gap.
pub fn doing(plan: &RunPlan, roster: &Roster, habit: Habit, user: UserId, n: u64) -> Option<Doing> {
    let gap_us = gap_us(plan, habit)?;
    let channels = roster.channels(user);
    let place = (u64::from(user.0) << 32) | n;
    let mut random = Random::new(plan.seed, habit.purpose()).split(place);
    let at_us = (gap_us * (n as f64 + random.unit() / 2.0)) as u64;
    let channel = *channels.get(random.below(channels.len() as u64) as usize)?;
    (at_us < plan.arrival.duration_us()).then(|| Doing { at_us, channel, choice: random.next_u64() })
}

/// The latest time up to `now_us` after the start of the load at which a user
/// followed a habit in a channel; only the last sixty-four are looked at.
///
/// A hint names its user and its channel and no more: it is taken for the
/// latest one. One that is late by more than the time between two of its user
/// is taken for the next, and its latency is too short.
pub fn latest_doing(
    plan: &RunPlan,
    roster: &Roster,
    habit: Habit,
    user: UserId,
    channel: ChannelId,
    now_us: u64,
) -> Option<Doing> {
    const LOOKED_AT: u64 = 64;
    let latest = (now_us as f64 / gap_us(plan, habit)?) as u64;
    let of_channel = |n| doing(plan, roster, habit, user, n).filter(|doing| doing.channel == channel);
    (latest.saturating_sub(LOOKED_AT)..=latest).rev().filter_map(of_channel).find(|doing| doing.at_us <= now_us)
}

fn gap_us(plan: &RunPlan, habit: Habit) -> Option<f64> {
    let per_minute = habit.per_minute(plan);
    (per_minute > 0.0).then(|| 60_000_000.0 / per_minute)
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    fn plan() -> RunPlan {
        let hints = Hints { typing_per_user_per_minute: 30.0, presence_per_user_per_minute: 6.0 };
        RunPlan { hints, ..example() }
    }

    #[test]
    fn each_user_follows_a_habit_at_its_rate_until_the_load_ends() {
        let plan = plan();
        let roster = Roster::new(&plan);
        for user in (0..100).map(UserId) {
            let times = |habit| -> Vec<Doing> { (0..).map_while(|n| doing(&plan, &roster, habit, user, n)).collect() };
            let typing = times(Habit::Typing);
            assert_eq!(typing.len(), 5, "one in each 2 s of 10 s");
            assert!(typing.windows(2).all(|pair| pair[1].at_us >= pair[0].at_us + 1_000_000));
            assert!(typing.iter().all(|doing| roster.channels(user).contains(&doing.channel)));
            assert_eq!(times(Habit::Presence).len(), 1);
            assert!(times(Habit::Command).is_empty());
        }
    }

    #[test]
    fn a_hint_is_taken_for_the_latest_of_its_user_in_its_channel() {
        let plan = plan();
        let roster = Roster::new(&plan);
        let find = |user, channel, now_us| latest_doing(&plan, &roster, Habit::Typing, user, channel, now_us);
        for user in (0..100).map(UserId) {
            let all: Vec<Doing> = (0..).map_while(|n| doing(&plan, &roster, Habit::Typing, user, n)).collect();
            for one in &all {
                let found = find(user, one.channel, one.at_us + 3_000);
                assert_eq!(found, Some(*one));
                let before = all.iter().rev().find(|other| other.at_us < one.at_us && other.channel == one.channel);
                assert_eq!(find(user, one.channel, one.at_us - 1), before.copied());
            }
            assert_eq!(find(user, ChannelId(99), 9_000_000), None, "a channel that it is not in");
        }
    }
}
