//! Who is in which channel: a pure function of the plan's seed, so that every
//! shard and the judge know it without asking.

use super::{Population, RunPlan};
use crate::model::{ChannelId, Random, UserId};

/// The members of every channel and the channels of every user, in two compact
/// arrays: a million small channels cost no more than their members.
///
/// Where the numbers allow, every channel has a sender and a subscriber who is
/// somebody else, and every user is in a channel; senders come first.
#[derive(Clone, Debug)]
pub struct Roster {
    senders: u32,
    first_subscriber: u32,
    users: u32,
    members: Lists<UserId>,
    channels: Lists<ChannelId>,
}

impl Roster {
    /// The roster of a plan. Sizes above the number of users count as that
    /// number.
    pub fn new(plan: &RunPlan) -> Self {
        let population = &plan.population;
        let members = Draw::new(plan).finish();
        let channels = members.transposed(population.users);
        Self {
            senders: population.senders.min(population.users),
            first_subscriber: first_subscriber(population),
            users: population.users,
            members,
            channels,
        }
    }

    /// The members of a channel, ascending; none for a channel that does not
    /// exist.
    pub fn members(&self, channel: ChannelId) -> &[UserId] {
        self.members.get(channel.0)
    }

    /// The channels of a user, ascending; none for a user who does not exist.
    pub fn channels(&self, user: UserId) -> &[ChannelId] {
        self.channels.get(user.0)
    }

    /// Whether the user sends.
    pub fn is_sender(&self, user: UserId) -> bool {
        user.0 < self.senders
    }

    /// Whether the user holds a subscription.
    pub fn is_subscriber(&self, user: UserId) -> bool {
        (self.first_subscriber..self.users).contains(&user.0)
    }

    /// The users who send, ascending.
    pub fn senders(&self) -> impl Iterator<Item = UserId> + use<> {
        (0..self.senders).map(UserId)
    }

    /// The users who hold a subscription, ascending.
    pub fn subscribers(&self) -> impl Iterator<Item = UserId> + use<> {
        (self.first_subscriber..self.users).map(UserId)
    }
}

/// The rank of the first user who holds a subscription: subscribers are the
/// last users.
pub(super) fn first_subscriber(population: &Population) -> u32 {
    population.users.saturating_sub(population.subscribers)
}

/// Lists of ids behind each other, and where each starts.
#[derive(Clone, Debug)]
struct Lists<T> {
    starts: Box<[usize]>,
    items: Box<[T]>,
}

impl<T> Lists<T> {
    fn get(&self, list: u32) -> &[T] {
        let list = list as usize;
        match (self.starts.get(list), self.starts.get(list + 1)) {
            (Some(&start), Some(&end)) => &self.items[start..end],
            _ => &[],
        }
    }
}

impl Lists<UserId> {
    /// The channels of each user, ascending because channels are walked in
    /// their order: a counting sort.
    fn transposed(&self, users: u32) -> Lists<ChannelId> {
        let mut starts = vec![0usize; users as usize + 1];
        for user in &self.items {
            starts[user.0 as usize + 1] += 1;
        }
        for user in 0..users as usize {
            starts[user + 1] += starts[user];
        }
        let mut next = starts.clone();
        let mut items = vec![ChannelId(0); self.items.len()];
        for channel in 0..self.starts.len() as u32 - 1 {
            for user in self.get(channel) {
                items[next[user.0 as usize]] = ChannelId(channel);
                next[user.0 as usize] += 1;
            }
        }
        Lists { starts: starts.into(), items: items.into() }
    }
}

/// The drawing of the members, in passes over the channels: a sender each, the
/// other senders, a subscriber each, the other users, and then anybody until
/// the channel has its size. As many senders as there are places find one.
struct Draw {
    random: Random,
    users: u32,
    starts: Vec<usize>,
    items: Vec<UserId>,
    /// How many places of each channel are taken.
    taken: Vec<u32>,
    /// Whether a user is in a channel already.
    placed: Vec<bool>,
}

impl Draw {
    fn new(plan: &RunPlan) -> Self {
        let population = &plan.population;
        let mut random = Random::new(plan.seed, "roster");
        let mut starts = Vec::with_capacity(population.channels as usize + 1);
        let mut total = 0;
        starts.push(total);
        for _ in 0..population.channels {
            let size = random.between(population.members.min.into(), population.members.max.into());
            total += size.min(population.users.into()) as usize;
            starts.push(total);
        }
        let mut draw = Self {
            random,
            users: population.users,
            starts,
            items: vec![UserId(0); total],
            taken: vec![0; population.channels as usize],
            placed: vec![false; population.users as usize],
        };
        let senders = population.senders.min(population.users);
        draw.place_a_sender_each(senders);
        // A place is kept for a subscriber until senders need it.
        draw.place_the_unplaced(0, senders, 1);
        draw.place_the_unplaced(0, senders, 0);
        draw.place_a_subscriber_each(first_subscriber(population));
        draw.place_the_unplaced(senders, population.users, 0);
        draw
    }

    fn finish(mut self) -> Lists<UserId> {
        self.fill();
        for channel in 0..self.taken.len() {
            self.items[self.starts[channel]..self.starts[channel + 1]].sort_unstable();
        }
        Lists { starts: self.starts.into(), items: self.items.into() }
    }

    fn size(&self, channel: usize) -> u32 {
        (self.starts[channel + 1] - self.starts[channel]) as u32
    }

    fn free(&self, channel: usize) -> u32 {
        self.size(channel) - self.taken[channel]
    }

    fn place(&mut self, channel: usize, user: u32) {
        self.items[self.starts[channel] + self.taken[channel] as usize] = UserId(user);
        self.taken[channel] += 1;
        self.placed[user as usize] = true;
    }

    /// Everybody once in a random order, then anybody: as many senders as there
    /// are channels find a place.
    fn place_a_sender_each(&mut self, senders: u32) {
        let order = self.shuffled(0, senders);
        for channel in 0..self.taken.len() {
            if senders == 0 || self.free(channel) == 0 {
                continue;
            }
            let user = order.get(channel).copied().unwrap_or_else(|| self.random.below(senders.into()) as u32);
            self.place(channel, user);
        }
    }

    /// A subscriber for every channel in which nobody but its first sender is
    /// one: one's own message is no delivery to somebody.
    fn place_a_subscriber_each(&mut self, first: u32) {
        let mut unplaced = self.shuffled(first, self.users);
        unplaced.retain(|user| !self.placed[*user as usize]);
        let mut unplaced = unplaced.into_iter();
        let count = self.users - first;
        for channel in 0..self.taken.len() {
            let start = self.starts[channel];
            let members = &self.items[start..start + self.taken[channel] as usize];
            let has_one = members.iter().skip(1).any(|user| user.0 >= first);
            if has_one || self.free(channel) == 0 || count == 0 {
                continue;
            }
            let sender = members.first().map(|user| user.0);
            let Some(user) = unplaced.next().or_else(|| self.another(first, count, sender)) else { continue };
            self.place(channel, user);
        }
    }

    /// One of `count` users from `first` on who is not `other`.
    fn another(&mut self, first: u32, count: u32, other: Option<u32>) -> Option<u32> {
        match other {
            Some(other) if other >= first => {
                let choices = count.checked_sub(1).filter(|choices| *choices > 0)?;
                let user = first + self.random.below(choices.into()) as u32;
                Some(if user >= other { user + 1 } else { user })
            }
            _ => Some(first + self.random.below(count.into()) as u32),
        }
    }

    /// Deals those of the users from `low` to `high` − 1 who are in no channel
    /// to the free places, one a channel and round, while more than `kept` of
    /// the channel's places are free.
    fn place_the_unplaced(&mut self, low: u32, high: u32, kept: u32) {
        let mut waiting = self.shuffled(low, high);
        waiting.retain(|user| !self.placed[*user as usize]);
        let mut waiting = waiting.into_iter().peekable();
        let mut open: Vec<usize> = (0..self.taken.len()).collect();
        while waiting.peek().is_some() && !open.is_empty() {
            open.retain(|channel| self.free(*channel) > kept);
            for channel in &open {
                let Some(user) = waiting.next() else { return };
                self.place(*channel, user);
            }
        }
    }

    /// Fills every channel up with anybody who is not in it yet.
    fn fill(&mut self) {
        let mut seen_in = vec![u32::MAX; self.users as usize];
        for channel in 0..self.taken.len() {
            let stamp = channel as u32;
            for place in 0..self.taken[channel] as usize {
                seen_in[self.items[self.starts[channel] + place].0 as usize] = stamp;
            }
            if self.size(channel) <= self.users / 2 {
                while self.free(channel) > 0 {
                    let user = self.random.below(self.users.into()) as u32;
                    if seen_in[user as usize] != stamp {
                        seen_in[user as usize] = stamp;
                        self.place(channel, user);
                    }
                }
            } else {
                self.select(channel, stamp, &seen_in);
            }
        }
    }

    /// Selection sampling for a channel that holds most users, where drawing
    /// again and again would take long (Knuth, The Art of Computer
    /// Programming, volume 2, 3.4.2, algorithm S).
    fn select(&mut self, channel: usize, stamp: u32, seen_in: &[u32]) {
        if self.free(channel) == 0 {
            return;
        }
        let mut left = self.users - self.taken[channel];
        for user in 0..self.users {
            if seen_in[user as usize] == stamp {
                continue;
            }
            if self.random.below(left.into()) < u64::from(self.free(channel)) {
                self.place(channel, user);
            }
            left -= 1;
        }
    }

    /// The numbers from `low` to `high` − 1 in a random order.
    fn shuffled(&mut self, low: u32, high: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (low..high).collect();
        for place in (1..order.len()).rev() {
            order.swap(place, self.random.below(place as u64 + 1) as usize);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::super::Range;
    use super::super::tests::example;
    use super::*;
    use proptest::prelude::*;

    fn roster(users: u32, channels: u32, members: (u32, u32), senders: u32, subscribers: u32) -> (RunPlan, Roster) {
        let mut plan = example();
        let members = Range { min: members.0, max: members.1 };
        plan.population = Population { users, channels, members, senders, subscribers, ..plan.population };
        let roster = Roster::new(&plan);
        (plan, roster)
    }

    fn check(plan: &RunPlan, roster: &Roster) {
        let population = &plan.population;
        let mut slots = 0;
        let beside_a_subscriber = |channel| (roster.members(ChannelId(channel)).len() as u32 - 1).max(1);
        let places_for_senders: u32 = (0..population.channels).map(beside_a_subscriber).sum();
        for channel in (0..population.channels).map(ChannelId) {
            let members = roster.members(channel);
            slots += members.len();
            assert!(members.windows(2).all(|pair| pair[0] < pair[1]), "sorted, nobody twice: {members:?}");
            let sizes = population.members.min.min(population.users)..=population.members.max.min(population.users);
            assert!(sizes.contains(&(members.len() as u32)), "{} members", members.len());
            assert!(members.iter().any(|user| roster.is_sender(*user)), "{channel} without a sender");
            if members.len() > 1 && population.subscribers > 1 && population.senders <= places_for_senders {
                let sender = members.iter().position(|user| roster.is_sender(*user)).unwrap();
                let mut others = members.iter().enumerate().filter(|(place, _)| *place != sender);
                assert!(others.any(|(_, user)| roster.is_subscriber(*user)), "{channel} without a subscriber");
            }
            for user in members {
                assert!(roster.channels(*user).binary_search(&channel).is_ok());
            }
        }
        let mut of_users = 0;
        for user in (0..population.users).map(UserId) {
            let channels = roster.channels(user);
            of_users += channels.len();
            assert!(channels.windows(2).all(|pair| pair[0] < pair[1]));
        }
        assert_eq!(of_users, slots, "both views hold the same pairs");
        let places = population.channels * population.members.min.min(population.users);
        if population.senders <= places {
            assert!(roster.senders().all(|user| !roster.channels(user).is_empty()), "a sender without a channel");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn every_roster_keeps_its_promises(
            users in 1u32..60, channels in 1u32..40, low in 1u32..70, more in 0u32..20,
            senders in 1u32..60, subscribers in 0u32..60, seed: u64,
        ) {
            let mut plan = example();
            plan.seed = seed;
            plan.population.users = users;
            plan.population.channels = channels;
            plan.population.members = Range { min: low, max: low + more };
            plan.population.senders = senders.min(users);
            plan.population.subscribers = subscribers.min(users);
            check(&plan, &Roster::new(&plan));
        }
    }

    #[test]
    fn shapes() {
        for (users, channels, members, senders, subscribers, reason) in [
            (200, 20, (10, 50), 100, 200, "the quickstart"),
            (10_000, 1_000, (50, 50), 10_000, 10_000, "the usual load"),
            (10_000, 1_000, (50, 50), 100, 10_000, "most only listen"),
            (40, 10, (2, 12), 30, 10, "some channels could be full of senders"),
            (3, 5, (3, 3), 1, 2, "everybody is everywhere"),
            (2, 50, (2, 2), 1, 1, "direct messages of one pair"),
            (100, 10, (10, 10), 90, 10, "exactly as many places as users"),
            (1, 1, (1, 1), 1, 1, "alone"),
        ] {
            let (plan, roster) = roster(users, channels, members, senders, subscribers);
            check(&plan, &roster);
            if channels * members.0 >= users + channels {
                let alone = (0..users).filter(|user| roster.channels(UserId(*user)).is_empty()).count();
                assert_eq!(alone, 0, "{reason}");
            }
        }
    }

    #[test]
    fn senders_are_the_first_users_and_subscribers_the_last() {
        let (_, roster) = roster(10, 2, (10, 10), 4, 7);
        assert_eq!(roster.senders().collect::<Vec<_>>(), [0, 1, 2, 3].map(UserId));
        assert_eq!(roster.subscribers().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9].map(UserId));
        assert!(roster.is_sender(UserId(3)) && !roster.is_sender(UserId(4)));
        assert!(
            roster.is_subscriber(UserId(3)) && !roster.is_subscriber(UserId(2)) && !roster.is_subscriber(UserId(10))
        );
        assert!(roster.members(ChannelId(2)).is_empty() && roster.channels(UserId(10)).is_empty());
    }

    #[test]
    fn the_seed_decides_and_members_are_uniform() {
        let (mut plan, first) = roster(1_000, 500, (40, 40), 1_000, 1_000);
        let lists = |roster: &Roster| (0..500).map(|channel| roster.members(ChannelId(channel)).to_vec()).collect();
        let all: Vec<Vec<UserId>> = lists(&first);
        assert_eq!(all, lists(&Roster::new(&plan)) as Vec<_>);
        plan.seed += 1;
        assert_ne!(all, lists(&Roster::new(&plan)) as Vec<_>);
        // 20 channels a user in the mean; a standard deviation of at most √20.
        let counts: Vec<usize> = (0..1_000).map(|user| first.channels(UserId(user)).len()).collect();
        assert!(counts.iter().all(|count| (2..48).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_million_small_channels_take_little_time_and_memory() {
        let (plan, roster) = roster(10_000, 1_100_000, (2, 2), 10_000, 10_000);
        assert_eq!(roster.members.items.len(), 2_200_000);
        let held = |starts: usize, items: usize| starts * size_of::<usize>() + items * size_of::<u32>();
        let bytes = held(roster.members.starts.len(), roster.members.items.len())
            + held(roster.channels.starts.len(), roster.channels.items.len());
        assert!(bytes < 28_000_000, "{bytes}");
        assert!((0..plan.population.channels).all(|channel| roster.members(ChannelId(channel)).len() == 2));
    }
}
