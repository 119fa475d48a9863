//! What users hint at and ask apps, and what others are shown of it. Nothing is
//! repeated: what does not arrive is a figure.

use super::api::ApiAnswer;
use super::outbox::Outgoing;
use super::shard::Shard;
use super::stamp::FirstByte;
use crate::ledger::HintFigures;
use crate::model::{ChannelId, LatencyKind, UserId};
use crate::plan::{Doing, Habit, latest_doing};
use crate::target::{Hint, answers_trigger};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// What a worker knows of its users' hints and questions.
#[derive(Default)]
pub struct Hints {
    /// What became of them.
    pub figures: Cell<HintFigures>,
    /// Whose presence was asked for by whom, and when that was intended.
    asked: RefCell<HashMap<(UserId, UserId), u64>>,
    /// The id of the last acknowledged message of a channel, to be clicked on.
    clickable: RefCell<HashMap<ChannelId, Box<str>>>,
}

impl Hints {
    fn count(&self, change: impl FnOnce(&mut HintFigures)) {
        let mut figures = self.figures.get();
        change(&mut figures);
        self.figures.set(figures);
    }

    /// A message of a channel was acknowledged.
    pub fn acknowledged(&self, channel: ChannelId, server_id: &str) {
        self.clickable.borrow_mut().insert(channel, server_id.into());
    }

    /// A message of a channel is about to be deleted.
    pub fn deleted(&self, channel: ChannelId, server_id: &str) {
        self.clickable.borrow_mut().retain(|of, id| *of != channel || **id != *server_id);
    }
}

/// A user follows a habit now. `at_us` of the doing is µs since the start of the
/// run.
pub fn follow(shard: &Rc<Shard>, habit: Habit, user: UserId, doing: Doing) {
    match habit {
        Habit::Typing => {
            let others = shard.shared.roster.members(doing.channel).iter();
            let others = others.filter(|other| **other != user && shard.shared.roster.is_subscriber(**other)).count();
            let frame = shard.api.slack.typing(shard.shared.directory.id(doing.channel));
            write(shard, user, frame, move |figures| {
                figures.typing_sent += 1;
                figures.typing_expected += others as u64;
            });
        }
        Habit::Presence => {
            let members = shard.shared.roster.members(doing.channel);
            let others: Vec<UserId> = members.iter().copied().filter(|other| *other != user).collect();
            let Some(other) = others.get((doing.choice % others.len().max(1) as u64) as usize) else { return };
            let Some(id) = shard.shared.directory.user_id(*other) else { return };
            shard.hints.asked.borrow_mut().insert((user, *other), doing.at_us);
            write(shard, user, shard.api.slack.presence_query(id), |figures| figures.presence_asked += 1);
        }
        Habit::Command | Habit::Click => {
            tokio::task::spawn_local(ask(shard.clone(), habit, user, doing));
        }
    }
}

/// Hands a frame to the user's socket, and counts it once it is written. Who has
/// no socket hints at nothing.
fn write(shard: &Rc<Shard>, user: UserId, frame: String, count: impl FnOnce(&mut HintFigures) + 'static) {
    let Some(outbox) = shard.outbox(user).filter(|outbox| outbox.is_open()) else { return };
    let (written, is_written) = oneshot::channel();
    outbox.submit(Outgoing { frame, first_byte: FirstByte::default(), written });
    let shard = shard.clone();
    tokio::task::spawn_local(async move {
        if is_written.await.is_ok() {
            shard.hints.count(count);
        }
    });
}

/// Asks the app of a channel, and waits until its answer is there.
async fn ask(shard: Rc<Shard>, habit: Habit, user: UserId, doing: Doing) {
    let slack = &shard.api.slack;
    let channel = shard.shared.directory.id(doing.channel);
    let trigger_id = format!("{:016x}", doing.choice);
    let call = match habit {
        Habit::Click => {
            let clicked = shard.hints.clickable.borrow().get(&doing.channel).cloned();
            let Some(clicked) = clicked else { return };
            slack.click(channel, &clicked, &trigger_id)
        }
        _ => slack.command(channel, &trigger_id),
    };
    shard.hints.count(|figures| figures.actions_asked += 1);
    let timeout = Duration::from_micros(shard.plan().send.timeout_us);
    let answer = shard.api.call(user, call, timeout).await;
    let answered_us = shard.now_us();
    if answer.is_ok_and(|ApiAnswer { status, body, .. }| answers_trigger(status, &body, &trigger_id)) {
        shard.hints.count(|figures| figures.actions_answered += 1);
        shard.record_of_message(LatencyKind::Action, doing.at_us, answered_us.saturating_sub(doing.at_us));
    }
}

/// A subscriber was shown a hint.
pub fn shown(shard: &Shard, subscriber: UserId, frame: &str, now_us: u64) {
    let directory = &shard.shared.directory;
    match Hint::parse(frame) {
        Some(Hint::Typing { channel, user }) => {
            let (Some(channel), Some(user)) = (directory.channel(&channel), directory.user(&user)) else { return };
            let load_start_us = shard.load_start_us.get();
            let since_load_us = now_us.saturating_sub(load_start_us);
            let roster = &shard.shared.roster;
            let typed = latest_doing(shard.plan(), roster, Habit::Typing, user, channel, since_load_us);
            let Some(typed) = typed.filter(|_| user != subscriber) else { return };
            shard.hints.count(|figures| figures.typing_shown += 1);
            let latency_us = since_load_us.saturating_sub(typed.at_us);
            shard.record_of_message(LatencyKind::Typing, load_start_us + typed.at_us, latency_us);
        }
        Some(Hint::Presence { user }) => {
            let asked = directory.user(&user).map(|user| (subscriber, user));
            let asked_us = asked.and_then(|asked| shard.hints.asked.borrow_mut().remove(&asked));
            let Some(asked_us) = asked_us else { return };
            shard.hints.count(|figures| figures.presence_told += 1);
            shard.record_of_message(LatencyKind::Presence, asked_us, now_us.saturating_sub(asked_us));
        }
        None => {}
    }
}
