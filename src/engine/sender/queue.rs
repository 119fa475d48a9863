//! Who sends what next: a queue for each user, whose task takes one after the other.

use super::attempt::Transport;
use super::{change, send_message};
use crate::engine::patience::Patience;
use crate::engine::shard::Shard;
use crate::ledger::SendRow;
use crate::model::UserId;
use crate::plan::Intended;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The senders of a shard, made when they first send.
pub struct Senders {
    /// By the rank of the user among the worker's own.
    by_rank: RefCell<Vec<Option<Rc<Sender>>>>,
    workers: usize,
}

impl Senders {
    /// Of a worker of so many.
    pub fn new(workers: usize) -> Self {
        Self { by_rank: RefCell::default(), workers }
    }

    /// A message is intended now: it is noted, and queued behind its user's
    /// earlier ones.
    /// Its rank in the sender log.
    pub fn intend(&self, shard: &Rc<Shard>, intended: &Intended) -> usize {
        let row = note_intended(shard, intended);
        self.queue(shard, intended.user, Task::Message(row));
        row
    }

    pub(super) fn queue(&self, shard: &Rc<Shard>, user: UserId, task: Task) {
        let (mut by_rank, rank) = (self.by_rank.borrow_mut(), user.0 as usize / self.workers);
        if by_rank.len() <= rank {
            by_rank.resize(rank + 1, None);
        }
        let sender = by_rank[rank].get_or_insert_default().clone();
        drop(by_rank);
        sender.queue.borrow_mut().push_back(task);
        if sender.running.replace(true) {
            if let Some(waker) = sender.idle.take() {
                waker.wake();
            }
        } else {
            tokio::task::spawn_local(Sender::run(sender, shard.clone(), user));
        }
    }
}

/// Notes a message that is intended now: its rank in the sender log.
pub fn note_intended(shard: &Shard, intended: &Intended) -> usize {
    shard.count(|counters| {
        counters.intended += 1;
        counters.pending += 1;
    });
    let intended_us = shard.load_start_us.get() + intended.intended_us;
    shard.sends.borrow_mut().push(SendRow::intended(intended.message, intended.user, intended_us))
}

/// What a user does next.
pub(super) enum Task {
    /// Sends the message of a row of the sender log.
    Message(usize),
    /// Changes a message that it has sent.
    Change(change::Due),
}

/// One user's queue. Its task lives while there is something to send and for
/// the idle time after; so does its connection.
#[derive(Default)]
struct Sender {
    queue: RefCell<VecDeque<Task>>,
    running: Cell<bool>,
    /// Of its task, while that has nothing to do.
    idle: Cell<Option<Waker>>,
    /// When the previous message was finished.
    free_us: Cell<u64>,
    /// Messages that it has finished.
    finished: Cell<u32>,
}

impl Sender {
    async fn run(self: Rc<Self>, shard: Rc<Shard>, user: UserId) {
        let idle_us = shard.plan().send.idle_timeout_us;
        let (mut transport, mut patience) = (Transport::of(&shard, user), Patience::default());
        loop {
            let next = self.queue.borrow_mut().pop_front();
            if let Some(task) = next {
                match task {
                    Task::Message(row) => self.send(&shard, &mut transport, user, row).await,
                    Task::Change(due) => Box::pin(change::make(&shard, transport.line(), &due)).await,
                }
                self.free_us.set(shard.now_us());
                continue;
            }
            let until = shard.shared.clock.instant(self.free_us.get() + idle_us);
            let has_work = std::future::poll_fn(|task| {
                if !self.queue.borrow().is_empty() {
                    return Poll::Ready(true);
                }
                transport.line().keep(task);
                self.idle.set(Some(task.waker().clone()));
                patience.poll_past(task, until).map(|()| false)
            });
            if !has_work.await {
                self.running.set(false);
                return;
            }
        }
    }
}

impl Sender {
    /// Sends the message of a row, and in a closed loop those that follow at once.
    async fn send(&self, shard: &Rc<Shard>, transport: &mut Transport, user: UserId, row: usize) {
        let mut next = Some(row);
        while let Some(row) = next {
            send_message(shard, transport, row, self.free_us.get()).await;
            let now_us = shard.now_us();
            self.free_us.set(now_us);
            self.finished.set(self.finished.get() + 1);
            next = if shard.plan().arrival.is_closed() {
                shard.turns.next(shard, user, self.finished.get(), row, now_us)
            } else {
                None
            };
        }
    }
}
