//! A closed loop: a user sends, waits for the answer, thinks, and sends again.
//!
//! Who thinks is woken by the worker's pacer, whose timer has the kernel's
//! precision. Who does not think goes on at once, in the task that had the answer.

use super::agenda::Agenda;
use super::clock::PreciseTimer;
use super::sender::{Senders, note_intended};
use super::shard::Shard;
use crate::model::{ChannelId, KeyLayout, MessageRef, SendState, UserId};
use crate::plan::{Intended, RunPlan, Turn};
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

/// The next index of each channel. Members of a channel belong to several workers,
/// and nothing but the answers says whose turn it is: what workers share while they
/// load, in this kind of loop alone.
pub struct NextIndices {
    of_channel: Vec<AtomicU32>,
    /// So many indices have room in a message key.
    room: u64,
}

impl NextIndices {
    /// Of a plan's channels; of none in an open loop, whose schedule knows them.
    pub fn of(plan: &RunPlan) -> Self {
        let channels = if plan.arrival.is_closed() { plan.population.channels } else { 0 };
        Self::new(channels, plan.key_layout)
    }

    fn new(channels: u32, layout: KeyLayout) -> Self {
        let of_channel = std::iter::repeat_with(AtomicU32::default).take(channels as usize).collect();
        Self { of_channel, room: layout.indices() }
    }

    /// The next message of a channel; `None` where a key has no room for it.
    fn take(&self, channel: ChannelId) -> Option<MessageRef> {
        let counter = self.of_channel.get(channel.0 as usize)?;
        let next = |index: u32| (u64::from(index) < self.room).then(|| index.saturating_add(1));
        let index = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(MessageRef { channel, index })
    }
}

/// Whose turn is when: of one worker's users.
#[derive(Default)]
pub struct Turns {
    /// When in µs since the start of the run, who, and which of that user's messages;
    /// the earliest first.
    due: RefCell<BinaryHeap<Reverse<(u64, UserId, u32)>>>,
    /// There is an earlier one than there was.
    news: Notify,
    /// No message is intended from then on, in µs since the start of the run; 0 before
    /// the load.
    end_us: Cell<u64>,
}

impl Turns {
    /// A user has sent the message of a row and is free: the row of the next one, where
    /// that is sent at once; it is put down for later, or there is none.
    pub fn next(&self, shard: &Shard, user: UserId, n: u32, row: usize, free_us: u64) -> Option<usize> {
        let turn = Turn::of(shard.plan(), &shard.shared.roster, user, n)?;
        let at_us = free_us + turn.think_us;
        if at_us >= self.end_us.get() || shard.counters.borrow().intending == 0 {
            return None;
        }
        // Without an answer there was nothing to wait for: others get their turn too.
        let answered = shard.sends.borrow().state(row) == Some(SendState::Acknowledged);
        if turn.think_us == 0 && answered && shard.plan().changes.share <= 0.0 {
            return intended(shard, user, turn, at_us).map(|intended| note_intended(shard, &intended));
        }
        self.put(at_us, user, n);
        None
    }

    fn put(&self, at_us: u64, user: UserId, n: u32) {
        if self.earliest_us().is_none_or(|earliest_us| at_us < earliest_us) {
            self.news.notify_one();
        }
        self.due.borrow_mut().push(Reverse((at_us, user, n)));
    }

    fn earliest_us(&self) -> Option<u64> {
        self.due.borrow().peek().map(|Reverse((at_us, ..))| *at_us)
    }

    /// Takes the earliest turn, if it is due.
    fn take(&self, now_us: u64) -> Option<(u64, UserId, u32)> {
        self.earliest_us().filter(|at_us| *at_us <= now_us)?;
        self.due.borrow_mut().pop().map(|Reverse(turn)| turn)
    }

    /// Everybody's first message: spread over the time that they think, and no faster
    /// than connections may open.
    fn begin(&self, shard: &Shard, worker: usize) {
        let (plan, roster) = (shard.plan(), &shard.shared.roster);
        let start_us = shard.load_start_us.get();
        self.end_us.set(start_us + plan.arrival.duration_us());
        let senders = f64::from(plan.population.senders);
        let opening_us = senders / plan.connect.rate_per_s * 1e6;
        for (rank, user) in roster.senders().enumerate() {
            let Some(turn) = Turn::of(plan, roster, user, 0) else { continue };
            let first_us = first_us(rank as f64 / senders, opening_us, turn.think_us);
            if user.0 as usize % shard.shared.workers == worker {
                self.put(start_us + first_us, user, 0);
            }
        }
    }
}

/// When a user at this share of all senders begins, in µs after the start of the load:
/// users who all think as long would otherwise go in step for ever.
fn first_us(share: f64, opening_us: f64, think_us: u64) -> u64 {
    (opening_us.max(think_us as f64) * share) as u64
}

fn intended(shard: &Shard, user: UserId, turn: Turn, at_us: u64) -> Option<Intended> {
    let Some(message) = shard.shared.next_indices.take(turn.channel) else {
        let channel = turn.channel.0;
        let note = format!("channel {channel} has all the messages that a key has room for, and gets no more");
        let mut notes = shard.notes.borrow_mut();
        if !notes.contains(&note) {
            notes.push(note);
        }
        return None;
    };
    Some(Intended { n: turn.n.into(), intended_us: at_us - shard.load_start_us.get(), user, message })
}

/// Lets a worker's users take their turns, and whatever else they do, until the load
/// ends.
pub async fn run(shard: &Rc<Shard>, worker: usize) -> io::Result<()> {
    let timer = shard.timer()?;
    let senders = Senders::new(shard.shared.workers);
    let mut agenda = Agenda::new(shard, worker);
    let turns = &shard.turns;
    turns.begin(shard, worker);
    let end_us = turns.end_us.get();
    loop {
        let at_us = turns.earliest_us().map_or(end_us, |at_us| at_us.min(end_us));
        tokio::select! {
            biased;
            () = turns.news.notified() => continue,
            done = wait_until(shard, &senders, &timer, &mut agenda, at_us) => done?,
        }
        if at_us == end_us {
            break;
        }
        if let Some((at_us, user, n)) = turns.take(shard.now_us())
            && let Some(turn) = Turn::of(shard.plan(), &shard.shared.roster, user, n)
            && let Some(intended) = intended(shard, user, turn, at_us)
        {
            let row = senders.intend(shard, &intended);
            agenda.put_changes(shard, &intended, row);
        }
    }
    agenda.follow_until(shard, &senders, &timer, u64::MAX).await
}

async fn wait_until(
    shard: &Rc<Shard>,
    senders: &Senders,
    timer: &PreciseTimer,
    agenda: &mut Agenda,
    at_us: u64,
) -> io::Result<()> {
    agenda.follow_until(shard, senders, timer, at_us).await?;
    if shard.now_us() < at_us {
        return timer.sleep_until(at_us).await;
    }
    // Behind: the sends that are due get their turn too.
    tokio::task::consume_budget().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_dense_and_end_where_a_key_has_no_more_room() {
        let layout = KeyLayout::fitting(1 << 32, 1 << 14).unwrap();
        let indices = NextIndices::new(2, layout);
        let room = layout.indices() as u32;
        assert_eq!(room, 1 << 14);
        let taken: Vec<u32> = std::thread::scope(|scope| {
            let take = || std::iter::from_fn(|| indices.take(ChannelId(1))).map(|message| message.index).collect();
            let threads: Vec<_> =
                (0..2).map(|_| scope.spawn(take)).collect::<Vec<std::thread::ScopedJoinHandle<'_, Vec<u32>>>>();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..room).collect::<Vec<_>>(), "each once, by whichever worker");
        assert_eq!(indices.take(ChannelId(0)).map(|message| message.index), Some(0), "channels do not share");
        assert_eq!(indices.take(ChannelId(2)), None, "no such channel");
    }

    #[test]
    fn users_do_not_begin_in_step() {
        let firsts = |opening_us, think_us| [0.0, 0.25, 0.5, 0.75].map(|share| first_us(share, opening_us, think_us));
        assert_eq!(firsts(400.0, 2_000), [0, 500, 1_000, 1_500], "over the time that all of them think");
        assert_eq!(firsts(400.0, 0), [0, 100, 200, 300], "no faster than connections open");
    }

    #[test]
    fn turns_come_in_the_order_of_their_times() {
        let turns = Turns::default();
        for (at_us, user) in [(30, 1), (10, 2), (20, 3)] {
            turns.put(at_us, UserId(user), 0);
        }
        assert_eq!(turns.take(9), None);
        assert_eq!(turns.take(25), Some((10, UserId(2), 0)));
        assert_eq!(turns.take(25), Some((20, UserId(3), 0)));
        assert_eq!(turns.take(25), None, "the last is due at 30");
    }
}
