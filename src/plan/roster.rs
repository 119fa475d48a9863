//! Who is in which channel: a pure function of the plan.

use super::{Range, RunPlan};
use crate::model::{ChannelId, Random, UserId};

/// The membership of a run, both ways round, in flat arrays: a million
/// channels of two members are as legal as ten of ten thousand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    senders: u32,
    subscribers: std::ops::Range<u32>,
    members: Lists<UserId>,
    channels: Lists<ChannelId>,
}

/// Many short sorted lists, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lists<T> {
    starts: Vec<usize>,
    entries: Vec<T>,
}

impl<T> Lists<T> {
    fn get(&self, rank: u32) -> &[T] {
        let rank = rank as usize;
        match (self.starts.get(rank), self.starts.get(rank + 1)) {
            (Some(start), Some(end)) => &self.entries[*start..*end],
            _ => &[],
        }
    }
}

impl Roster {
    /// Draws the members of every channel. Every channel has a sender and a
    /// subscriber where the plan has any; every sender and every subscriber is
    /// in a channel, even if a channel gets a member more than the plan's
    /// greatest number for it.
    pub fn new(plan: &RunPlan) -> Self {
        let population = &plan.population;
        let users = population.users;
        let subscribers = users.saturating_sub(population.subscribers)..users;
        let senders = population.senders.min(users);
        let mut pairs: Vec<(ChannelId, UserId)> = Vec::new();
        for rank in 0..population.channels {
            let mut random = Random::new(plan.seed, "members").split(u64::from(rank));
            let mut drawn = draw(&mut random, users, population.members);
            // The first two places are given where they are needed: a channel
            // nobody can send to, or nobody reads, tests nothing.
            for (place, group) in [(0, 0..senders), (1, subscribers.clone())] {
                let lacks = !group.is_empty() && !drawn.iter().any(|user| group.contains(user));
                if lacks && drawn.len() > place {
                    drawn[place] = group.start + random.below(u64::from(group.end - group.start)) as u32;
                }
            }
            drawn.sort_unstable();
            drawn.dedup();
            pairs.extend(drawn.into_iter().map(|user| (ChannelId(rank), UserId(user))));
        }
        place_strangers(plan, &subscribers, &mut pairs);
        pairs.sort_unstable();
        pairs.dedup();
        let members = lists(population.channels, pairs.iter().map(|(channel, user)| (channel.0, *user)));
        pairs.sort_unstable_by_key(|(channel, user)| (*user, *channel));
        let channels = lists(users, pairs.iter().map(|(channel, user)| (user.0, *channel)));
        Self { senders, subscribers, members, channels }
    }

    /// The members of a channel, ascending.
    pub fn members(&self, channel: ChannelId) -> &[UserId] {
        self.members.get(channel.0)
    }

    /// The channels of a user, ascending.
    pub fn channels(&self, user: UserId) -> &[ChannelId] {
        self.channels.get(user.0)
    }

    /// Whether the user sends.
    pub fn is_sender(&self, user: UserId) -> bool {
        user.0 < self.senders
    }

    /// Whether the user holds a subscription.
    pub fn is_subscriber(&self, user: UserId) -> bool {
        self.subscribers.contains(&user.0)
    }

    /// All users that send.
    pub fn senders(&self) -> impl Iterator<Item = UserId> + use<> {
        (0..self.senders).map(UserId)
    }

    /// All users that hold a subscription.
    pub fn subscribers(&self) -> impl Iterator<Item = UserId> + use<> {
        self.subscribers.clone().map(UserId)
    }
}

/// Distinct users, as many as the range says: Floyd's sampling, whose cost is
/// that of the sample and not of the population.
fn draw(random: &mut Random, users: u32, members: Range<u32>) -> Vec<u32> {
    let count = random.between(u64::from(members.min), u64::from(members.max)).min(u64::from(users)) as u32;
    let mut drawn = Vec::with_capacity(count as usize);
    let mut known = std::collections::HashSet::with_capacity(count as usize);
    for last in users - count..users {
        let candidate = random.below(u64::from(last) + 1) as u32;
        let user = if known.contains(&candidate) { last } else { candidate };
        known.insert(user);
        drawn.push(user);
    }
    drawn
}

/// Puts every sender and subscriber that is in no channel into one.
fn place_strangers(plan: &RunPlan, subscribers: &std::ops::Range<u32>, pairs: &mut Vec<(ChannelId, UserId)>) {
    let mut placed = vec![false; plan.population.users as usize];
    for (_, user) in pairs.iter() {
        placed[user.0 as usize] = true;
    }
    let mut random = Random::new(plan.seed, "strangers");
    for user in (0..plan.population.users).filter(|user| !placed[*user as usize]) {
        if user < plan.population.senders || subscribers.contains(&user) {
            let channel = random.below(u64::from(plan.population.channels)) as u32;
            pairs.push((ChannelId(channel), UserId(user)));
        }
    }
}

/// Lists from (list, entry) pairs that are sorted.
fn lists<T>(count: u32, sorted: impl Iterator<Item = (u32, T)>) -> Lists<T> {
    let mut starts = vec![0; count as usize + 1];
    let mut entries = Vec::new();
    for (list, entry) in sorted {
        starts[list as usize + 1] += 1;
        entries.push(entry);
    }
    for rank in 1..starts.len() {
        starts[rank] += starts[rank - 1];
    }
    Lists { starts, entries }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::plan;
    use super::*;

    fn roster(users: u32, channels: u32, members: (u32, u32), senders: u32, subscribers: u32) -> Roster {
        let mut plan = plan();
        let population = &mut plan.population;
        (population.users, population.channels) = (users, channels);
        (population.senders, population.subscribers) = (senders, subscribers);
        population.members = Range { min: members.0, max: members.1 };
        Roster::new(&plan)
    }

    #[test]
    fn both_directions_agree_and_nobody_who_matters_is_left_out() {
        for (users, channels, members, senders, subscribers) in [
            (200, 20, (10, 50), 200, 200),
            (50, 10, (2, 3), 5, 10),
            (3, 1, (3, 3), 1, 1),
            (1_000, 4, (2, 2), 900, 1_000),
        ] {
            let roster = roster(users, channels, members, senders, subscribers);
            for channel in (0..channels).map(ChannelId) {
                let all = roster.members(channel);
                assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "sorted and distinct");
                assert!(all.iter().any(|user| roster.is_sender(*user)), "a sender");
                assert!(all.iter().any(|user| roster.is_subscriber(*user)), "a subscriber");
                assert!(all.iter().all(|user| roster.channels(*user).contains(&channel)));
            }
            assert!(roster.senders().chain(roster.subscribers()).all(|user| !roster.channels(user).is_empty()));
            let pairs: usize = (0..channels).map(|channel| roster.members(ChannelId(channel)).len()).sum();
            assert_eq!(pairs, (0..users).map(|user| roster.channels(UserId(user)).len()).sum::<usize>());
        }
    }

    #[test]
    fn sizes_cover_their_range() {
        let roster = roster(500, 400, (10, 50), 500, 500);
        let sizes: Vec<usize> = (0..400).map(|channel| roster.members(ChannelId(channel)).len()).collect();
        let mean = sizes.iter().sum::<usize>() as f64 / 400.0;
        assert!((28.0..32.5).contains(&mean), "{mean}");
        assert!(sizes.iter().all(|size| (9..=52).contains(size)), "{sizes:?}");
    }
}
