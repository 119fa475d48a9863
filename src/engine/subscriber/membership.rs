//! A member leaves a channel and joins it again, while its socket goes on.

use super::Subscriber;
use crate::engine::cast::make;
use crate::engine::shard::Shard;
use crate::engine::worker::Phase;
use crate::ledger::{Absence, SubscriberLog};
use crate::model::{ChannelId, UserId};
use crate::plan::{Leave, is_private, leaves};
use crate::target::{Call, Described, Only, Scope, Step, UserScope, parse_done, parse_invited, parse_user_id};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How many of a subscriber's absences are not over.
#[derive(Default)]
pub struct Absences {
    open: Cell<usize>,
    over: Notify,
}

impl Absences {
    /// Whether the subscriber is a member of all its channels.
    pub fn are_over(&self) -> bool {
        self.open.get() == 0
    }

    /// Returns when one more is over.
    pub async fn one_over(&self) {
        self.over.notified().await;
    }
}

/// What an absence needs.
struct Leaver {
    shard: Rc<Shard>,
    user: UserId,
    log: Rc<RefCell<SubscriberLog>>,
    phase: watch::Receiver<Phase>,
}

impl Subscriber {
    /// Leaves channels when the plan says so. The task ends with the load.
    pub(super) fn watch_membership(&self) {
        let leaves = leaves(self.shard.plan(), &self.shard.shared.roster, self.user);
        if leaves.is_empty() {
            return;
        }
        let (shard, absences, mut phase) = (self.shard.clone(), self.absences.clone(), self.phase.clone());
        let (user, log) = (self.user, self.log.clone());
        tokio::task::spawn_local(async move {
            let _ = phase.wait_for(|phase| !matches!(phase, Phase::Connect)).await;
            for leave in leaves {
                let at_us = shard.load_start_us.get() + leave.at_us;
                tokio::select! {
                    () = shard.shared.clock.sleep_until(at_us) => {}
                    () = load_ends(&mut phase) => return,
                }
                absences.open.set(absences.open.get() + 1);
                let leaver = Leaver { shard: shard.clone(), user, log: log.clone(), phase: phase.clone() };
                let absences = absences.clone();
                tokio::task::spawn_local(async move {
                    leaver.be_absent(leave).await;
                    absences.open.set(absences.open.get() - 1);
                    absences.over.notify_one();
                });
            }
        });
    }
}

impl Leaver {
    async fn be_absent(mut self, leave: Leave) {
        if let Some(described) = self.shard.shared.target.described.clone() {
            return self.be_absent_by_steps(leave, &described).await;
        }
        let channel = self.shard.shared.directory.id(leave.channel).to_owned();
        let slack = &self.shard.api.slack;
        // Into a private channel nobody comes back but by its first member.
        let inviter = self.shard.shared.roster.members(leave.channel).first().copied();
        let inviter = inviter.filter(|_| is_private(self.shard.plan(), leave.channel));
        let id = match inviter {
            Some(_) => self.insist(self.user, slack.auth_test(), parse_user_id).await.unwrap_or_default(),
            None => String::new(),
        };
        let rank = self.log.borrow_mut().leaving(leave.channel, self.shard.now_us());
        self.insist(self.user, slack.leave_channel(&channel), parse_done).await;
        self.note(rank, |absence, now_us| absence.left_us = Some(now_us));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_micros(leave.away_us)) => {}
            () = load_ends(&mut self.phase) => {}
        }
        self.note(rank, |absence, now_us| absence.joining_us = Some(now_us));
        match inviter {
            Some(inviter) => self.insist(inviter, slack.invite(&channel, &id), parse_invited).await,
            None => self.insist(self.user, slack.join_channel(&channel), parse_done).await,
        };
        self.note(rank, |absence, now_us| absence.joined_us = Some(now_us));
    }

    /// The same at a described target, by its profile's steps.
    async fn be_absent_by_steps(mut self, leave: Leave, described: &Described) {
        let rank = self.log.borrow_mut().leaving(leave.channel, self.shard.now_us());
        self.insist_on_steps(&described.leave, leave.channel).await;
        self.note(rank, |absence, now_us| absence.left_us = Some(now_us));
        tokio::select! {
            () = tokio::time::sleep(Duration::from_micros(leave.away_us)) => {}
            () = load_ends(&mut self.phase) => {}
        }
        self.note(rank, |absence, now_us| absence.joining_us = Some(now_us));
        self.insist_on_steps(&described.join, leave.channel).await;
        self.note(rank, |absence, now_us| absence.joined_us = Some(now_us));
    }

    /// Makes steps until each succeeds or the run ends.
    async fn insist_on_steps(&self, steps: &[Step], channel: ChannelId) {
        let Some(people) = &self.shard.api.people else { return };
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        let owner = self.shard.shared.roster.members(channel).first().copied().unwrap_or(self.user);
        let is_private = is_private(self.shard.plan(), channel);
        let of_channel = |step: &&Step| step.only.is_none_or(|only| (only == Only::Private) == is_private);
        for step in steps.iter().filter(of_channel) {
            loop {
                let (person, owning) = (people.person(self.user), people.person(owner));
                let scope = Scope {
                    owner: Some(UserScope { index: owner.0, values: &owning.values }),
                    ..people.cast.scope(self.user, &person, Some(channel))
                };
                let asked =
                    make(step, &scope, &people.cast.prefix, |call| self.shard.api.call(self.user, call, timeout));
                match asked.await {
                    Ok(_) => break,
                    Err(reason) => _ = self.shard.trouble.replace(Some(reason)),
                }
                if matches!(*self.phase.borrow(), Phase::End) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    fn note(&self, rank: usize, change: impl FnOnce(&mut Absence, u64)) {
        let now_us = self.shard.now_us();
        if let Some(absence) = self.log.borrow_mut().absences.get_mut(rank) {
            change(absence, now_us);
        }
    }

    /// Calls until it succeeds or the run ends; the task ends with the worker.
    async fn insist<T>(&self, user: UserId, call: Call, parse: impl Fn(u16, &[u8]) -> Result<T, String>) -> Option<T> {
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        loop {
            let answer = self.shard.api.call(user, call.clone(), timeout).await;
            match answer.and_then(|answer| parse(answer.status, &answer.body)) {
                Ok(value) => return Some(value),
                Err(reason) => {
                    tracing::debug!(user = user.0, reason, "cannot change a membership");
                    self.shard.trouble.replace(Some(reason));
                }
            }
            if matches!(*self.phase.borrow(), Phase::End) {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn load_ends(phase: &mut watch::Receiver<Phase>) {
    let _ = phase.wait_for(|phase| !matches!(phase, Phase::Connect | Phase::Load(_))).await;
}
