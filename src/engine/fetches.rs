//! Reads of history that a subscriber does again and again, because it heard of
//! a change or because it is time: a few channels at once, and each channel once
//! at a time.

use super::catch_up::ChannelReader;
use super::shard::Shard;
use crate::ledger::{CatchUpKind, SubscriberLog};
use crate::model::{ChannelId, LatencyKind, UserId};
use std::cell::RefCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use tokio::task::JoinSet;

/// Channels that one subscriber reads at once.
const AT_ONCE: usize = 4;

/// The reads of one subscriber; dropping it ends them.
pub struct Fetches {
    shard: Rc<Shard>,
    user: UserId,
    log: Rc<RefCell<SubscriberLog>>,
    /// Channels whose turn comes, each once.
    waiting: VecDeque<ChannelId>,
    owed: HashSet<ChannelId>,
    /// When the reads under way began, in µs.
    reading: HashMap<ChannelId, u64>,
    /// Channels that are being read and changed meanwhile.
    again: HashSet<ChannelId>,
    tasks: JoinSet<(ChannelId, bool)>,
    healing: Option<Healing>,
}

/// A return after an absence.
struct Healing {
    since_us: u64,
    returned_us: u64,
    /// Channels that were not read to their end since.
    left: HashSet<ChannelId>,
}

impl Fetches {
    /// None yet.
    pub fn new(shard: &Rc<Shard>, user: UserId, log: &Rc<RefCell<SubscriberLog>>) -> Self {
        Self {
            shard: shard.clone(),
            user,
            log: log.clone(),
            waiting: VecDeque::new(),
            owed: HashSet::new(),
            reading: HashMap::new(),
            again: HashSet::new(),
            tasks: JoinSet::new(),
            healing: None,
        }
    }

    /// A channel has changed: it is read once from now on, however often that
    /// is said before the read begins. A channel of which the subscriber is no
    /// member is none of its own.
    pub fn want(&mut self, channel: ChannelId) {
        if self.log.borrow().is_member(channel) {
            self.owe(channel);
            self.begin();
        }
    }

    /// Every channel may have changed.
    pub fn want_all(&mut self) {
        let channels: Vec<ChannelId> = self.log.borrow().channels().collect();
        channels.into_iter().for_each(|channel| self.owe(channel));
        self.begin();
    }

    /// Every channel may have changed since a time: the healing ends when each
    /// of them was read.
    pub fn heal(&mut self, since_us: u64) {
        let left = self.log.borrow().channels().collect();
        self.healing = Some(Healing { since_us, returned_us: self.shard.now_us(), left });
        self.want_all();
    }

    /// Whether nothing is under way or owed.
    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns when one more read has ended; never where none is under way.
    pub async fn one_over(&mut self) {
        let Some(ended) = self.tasks.join_next().await else { return std::future::pending().await };
        // A panic is counted elsewhere.
        let Ok((channel, reached)) = ended else { return };
        let began_us = self.reading.remove(&channel);
        if reached {
            self.note_healed(channel, began_us.unwrap_or(0));
        } else {
            self.shard.count(|counters| counters.failed_catch_ups += 1);
        }
        if self.again.remove(&channel) {
            self.owe(channel);
        }
        self.begin();
    }

    fn owe(&mut self, channel: ChannelId) {
        if self.reading.contains_key(&channel) {
            self.again.insert(channel);
        } else if self.owed.insert(channel) {
            self.waiting.push_back(channel);
        }
    }

    fn begin(&mut self) {
        while self.tasks.len() < AT_ONCE {
            let Some(channel) = self.waiting.pop_front() else { return };
            self.owed.remove(&channel);
            self.reading.insert(channel, self.shard.now_us());
            self.shard.count(|counters| counters.catch_ups += 1);
            let reader = ChannelReader::new(&self.shard, self.user, &self.log, CatchUpKind::Policy);
            self.tasks.spawn_local(async move { (channel, reader.read(channel).await) });
        }
    }

    fn note_healed(&mut self, channel: ChannelId, began_us: u64) {
        // A read that began before the return says nothing of what was missed.
        let Some(healing) = self.healing.as_mut().filter(|healing| began_us >= healing.returned_us) else { return };
        healing.left.remove(&channel);
        if healing.left.is_empty() {
            let since_us = healing.since_us;
            self.healing = None;
            self.shard.record(LatencyKind::Heal, self.shard.now_us().saturating_sub(since_us));
        }
    }
}

/// Returns when one more read has ended; never where there are none.
pub async fn one_over(fetches: &mut Option<Box<Fetches>>) {
    match fetches {
        Some(fetches) => fetches.one_over().await,
        None => std::future::pending().await,
    }
}
