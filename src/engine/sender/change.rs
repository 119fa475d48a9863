//! A user changes a message that it has sent: over its own connection, behind
//! whatever it sent before, with the retries and time-outs of a send.

use super::attempt::{Asked, Attempt};
use super::line::Line;
use super::queue::{Senders, Task};
use super::traced;
use crate::engine::shard::Shard;
use crate::ledger::{ChangeRow, SendRow};
use crate::model::{LatencyKind, MessageKey, MessageRef, Random, SendState, UserId};
use crate::plan::{Change, ChangeKind, next_attempt};
use crate::target::{Call, Effect, Retry, reaction_name};
use std::rc::Rc;
use std::time::Duration;

/// A change that is due.
pub struct Due {
    /// Its place among the shard's changes.
    row: usize,
    /// The rank of its message in the sender log.
    send: usize,
    message: MessageRef,
    user: UserId,
    change: Change,
}

impl Senders {
    /// A change is intended now: it is noted, and queued behind what its user
    /// does.
    pub fn change(&self, shard: &Rc<Shard>, send: usize, sent: &SendRow, change: &Change) {
        let (message, user, change) = (sent.message, sent.user, *change);
        let row = shard.changes.borrow().len();
        shard.changes.borrow_mut().push(ChangeRow {
            message,
            ordinal: change.ordinal,
            kind: change.kind,
            user,
            intended_us: shard.load_start_us.get() + change.at_us,
            first_byte_us: None,
            acknowledged_us: None,
            last_attempt_us: None,
            attempts: 0,
            indeterminate: 0,
            state: SendState::Unattempted,
            server_id: None,
        });
        shard.count(|counters| counters.pending += 1);
        self.queue(shard, user, Task::Change(Due { row, send, message, user, change }));
    }
}

/// Makes a change, unless its message was not acknowledged: then nobody knows
/// what to change.
pub async fn make(shard: &Rc<Shard>, line: &mut Line, due: &Due) {
    let sent = shard.sends.borrow().get(due.send);
    let acknowledged = sent.filter(|row| row.state == SendState::Acknowledged);
    if let Some((sent, server_id)) = acknowledged.and_then(|row| row.server_id.clone().map(|id| (row, id))) {
        let made = call(shard, due, &sent, &server_id);
        attempt_until_over(shard, line, due, made).await;
    }
    shard.count(|counters| counters.pending -= 1);
}

/// The call of a change, what its answer is about, and the key whose trace it is in.
fn call(shard: &Shard, due: &Due, sent: &SendRow, server_id: &str) -> (Call, Asked, MessageKey) {
    let shared = &shard.shared;
    let key = shared.texts.keys().encode(due.message, sent.intended_us - shard.load_start_us.get());
    let channel = shared.directory.id(due.message.channel);
    let slack = &shard.api.slack;
    let ordinal = due.change.ordinal;
    match due.change.kind {
        ChangeKind::Edit => {
            (slack.edit(channel, server_id, &shared.texts.render_version(key, ordinal)), Asked::Change, key)
        }
        ChangeKind::Delete => {
            shard.hints.deleted(due.message.channel, server_id);
            (slack.delete(channel, server_id), Asked::Change, key)
        }
        ChangeKind::React => (slack.react(channel, server_id, &reaction_name(ordinal)), Asked::Change, key),
        ChangeKind::Reply => {
            let key = shared.replies.key(due.message, ordinal);
            let told = shard.plan().send.design.carries_key().then(|| shared.target.key_format.write(key));
            let text = shared.replies.text(due.message, ordinal);
            (slack.reply(channel, server_id, told.as_deref(), &text), Asked::Message(key), key)
        }
    }
}

async fn attempt_until_over(shard: &Rc<Shard>, line: &mut Line, due: &Due, made: (Call, Asked, MessageKey)) {
    let (call, asked, key) = made;
    let place = (u64::from(due.message.channel.0) << 32) | u64::from(due.message.index);
    let mut random = Random::new(shard.plan().seed, "change back-off").split(place).split(due.change.ordinal.into());
    for tries in 1.. {
        begin(shard, due.row);
        // The message's own attempts have the small numbers.
        let number = (u64::from(due.change.ordinal) + 1) << 32 | u64::from(tries);
        let call = traced(shard, call.clone(), key, number);
        let attempt = line.attempt_unheard(shard, call, asked, due.user, None).await;
        let (retryable, asked_us) = match attempt.classified.retry {
            Retry::No => (false, None),
            Retry::Backoff => (true, None),
            Retry::After(wait_us) => (true, Some(wait_us)),
            Retry::Renewed => (true, None),
        };
        if note(shard, due.row, &attempt) {
            return;
        }
        match next_attempt(&shard.plan().send, tries, retryable, asked_us, &mut random) {
            Some(wait_us) => tokio::time::sleep(Duration::from_micros(wait_us)).await,
            None => return,
        }
    }
}

/// From here on the change may be made: a ledger that is taken during the
/// attempt must not say otherwise.
fn begin(shard: &Shard, row: usize) {
    if let Some(row) = shard.changes.borrow_mut().get_mut(row) {
        row.state = SendState::Unknown;
    }
}

/// Writes an attempt into the ledger. Whether the change is acknowledged.
fn note(shard: &Shard, row: usize, attempt: &Attempt) -> bool {
    let mut changes = shard.changes.borrow_mut();
    let Some(row) = changes.get_mut(row) else { return false };
    if attempt.own_fault {
        shard.count(|counters| counters.exhausted += 1);
        row.state = match (row.attempts, row.indeterminate) {
            (0, _) => SendState::Unattempted,
            (_, 0) => SendState::Rejected,
            _ => SendState::Unknown,
        };
        return false;
    }
    row.attempts += 1;
    row.first_byte_us = row.first_byte_us.into_iter().chain(attempt.first_byte_us).min();
    row.last_attempt_us = row.last_attempt_us.max(Some(attempt.ended_us));
    match &attempt.classified.effect {
        Effect::Acknowledged { server_id, .. } => {
            row.state = SendState::Acknowledged;
            row.acknowledged_us = Some(attempt.ended_us);
            row.server_id = Some(server_id.clone()).filter(|id| !id.is_empty());
            shard.record_of_message(LatencyKind::Change, row.intended_us, attempt.ended_us - row.intended_us);
        }
        Effect::Written | Effect::Indeterminate => {
            row.indeterminate += 1;
            row.state = SendState::Unknown;
            shard.count(|counters| counters.indeterminate += 1);
        }
        Effect::None if row.indeterminate == 0 => row.state = SendState::Rejected,
        Effect::None => {}
    }
    row.state == SendState::Acknowledged
}
