//! What a worker does beside sending messages, by its time: changes of messages
//! that were sent, hints, and what users ask apps. Empty where the workload has
//! none of it.

use super::clock::PreciseTimer;
use super::hints;
use super::sender::Senders;
use super::shard::Shard;
use crate::model::UserId;
use crate::plan::{Change, Doing, Habit, Intended, changes_of, doing};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;

/// What is to be done, the earliest first.
#[derive(Default)]
pub struct Agenda {
    due: BinaryHeap<Reverse<Item>>,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// When, in µs since the start of the run.
    at_us: u64,
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Change the message of a row of the sender log.
    Change { send: usize, ordinal: u32, intended_us: u64 },
    /// Follow a habit for the n-th time.
    Habit { habit: Habit, user: UserId, n: u64 },
}

impl Agenda {
    /// The habits of a worker's users, each before its first time.
    pub fn new(shard: &Shard, worker: usize) -> Self {
        let mut agenda = Self::default();
        let (plan, shared) = (shard.plan(), &shard.shared);
        for habit in Habit::ALL.into_iter().filter(|habit| habit.per_minute(plan) > 0.0) {
            let users = (0..plan.population.users).map(UserId);
            let own = users.filter(|user| user.0 as usize % shared.workers == worker);
            // Hints go over the socket that a subscriber holds.
            let is_hint = matches!(habit, Habit::Typing | Habit::Presence);
            own.filter(|user| !is_hint || shared.roster.is_subscriber(*user))
                .for_each(|user| agenda.follow(shard, habit, user, 0));
        }
        agenda
    }

    /// Puts the changes of a message down that was just intended, under its rank
    /// in the sender log.
    pub fn put_changes(&mut self, shard: &Shard, intended: &Intended, send: usize) {
        let intended_us = intended.intended_us;
        for Change { ordinal, at_us, .. } in changes_of(shard.plan(), intended.message, intended_us) {
            let what = What::Change { send, ordinal, intended_us };
            self.due.push(Reverse(Item { at_us: shard.load_start_us.get() + at_us, what }));
        }
    }

    /// Does everything at its time that is due up to `until_us`, in µs since the
    /// start of the run.
    pub async fn follow_until(
        &mut self,
        shard: &Rc<Shard>,
        senders: &Senders,
        timer: &PreciseTimer,
        until_us: u64,
    ) -> io::Result<()> {
        while let Some(Reverse(Item { at_us, .. })) = self.due.peek()
            && *at_us <= until_us
        {
            if shard.now_us() < *at_us {
                timer.sleep_until(*at_us).await?;
            } else {
                tokio::task::consume_budget().await;
            }
            if let Some(Reverse(item)) = self.due.pop() {
                self.perform(shard, senders, item);
            }
        }
        Ok(())
    }

    fn perform(&mut self, shard: &Rc<Shard>, senders: &Senders, Item { at_us, what }: Item) {
        match what {
            What::Change { send, ordinal, intended_us } => {
                let Some(row) = shard.sends.borrow().get(send) else { return };
                let changes = changes_of(shard.plan(), row.message, intended_us);
                if let Some(change) = changes.iter().find(|change| change.ordinal == ordinal) {
                    senders.change(shard, send, &row, change);
                }
            }
            What::Habit { habit, user, n } => {
                if let Some(doing) = doing(shard.plan(), &shard.shared.roster, habit, user, n) {
                    hints::follow(shard, habit, user, Doing { at_us, ..doing });
                }
                self.follow(shard, habit, user, n + 1);
            }
        }
    }

    fn follow(&mut self, shard: &Shard, habit: Habit, user: UserId, n: u64) {
        if let Some(doing) = doing(shard.plan(), &shard.shared.roster, habit, user, n) {
            let at_us = shard.load_start_us.get() + doing.at_us;
            self.due.push(Reverse(Item { at_us, what: What::Habit { habit, user, n } }));
        }
    }
}
