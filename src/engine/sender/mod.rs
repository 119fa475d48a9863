//! A virtual user as a sender: one send in flight, the next ones queue, every
//! attempt of a message carries the same key, where the design has one.
//!
//! What the user is shown is a state machine: sending until the acknowledgement
//! (or the write, where the design has none), then sent; failed when no attempt
//! is left. Some users tap a failed message, and it is sending again.

mod attempt;
mod change;
mod line;
mod queue;

use super::shard::Shard;
use crate::ledger::{SendHead, SendRow};
use crate::model::{LatencyKind, MessageKey, MessageRef, Random, SendState, TRACEPARENT, UserId};
use crate::plan::{RunPlan, Taps, answer_dropped_by, hedged_by, next_attempt};
use crate::target::{Call, Effect, Retry};
use attempt::{Asked, Attempt, Parcel, Transport, attempt_over_socket, await_outcome, not_said};
use line::Line;
pub use queue::{Senders, note_intended};
use std::rc::Rc;
use std::time::Duration;

/// Renewals of a token for one message, before a refusal counts as one.
const RENEWALS: u32 = 3;

async fn send_message(shard: &Rc<Shard>, transport: &mut Transport, row: usize, free_us: u64) {
    let Some(SendHead { message, user, intended_us }) = shard.sends.borrow().head(row) else { return };
    let key = shard.shared.texts.keys().encode(message, intended_us - shard.load_start_us.get());
    let text = shard.shared.texts.render(key);
    let told = shard.plan().send.design.carries_key().then(|| shard.shared.target.key_format.write(key));
    let channel_id = shard.shared.directory.id(message.channel);
    let parcel = Parcel { key, told: told.as_deref(), channel: message.channel, channel_id, text: &text };
    let mut tries = Tries { shard, row, user, message, intended_us, made: 0, free_us, random: None };
    let mut since_us = intended_us;
    let mut taps = 0;
    loop {
        let shown_us = tries.until_shown(transport, &parcel).await;
        shard.record_of_message(LatencyKind::Shown, intended_us, shown_us.saturating_sub(since_us));
        let wishes = shard.plan().send.taps;
        if tries.is_shown_sent() || taps == Taps::MOST || tries.random().unit() >= wishes.share {
            break;
        }
        taps += 1;
        shard.count(|counters| counters.taps += 1);
        let wait_us = tries.random().between(wishes.after_us.min, wishes.after_us.max);
        tokio::time::sleep(Duration::from_micros(wait_us)).await;
        since_us = shard.now_us();
    }
    if shard.sends.borrow().state(row) == Some(SendState::Unknown) {
        Box::pin(verify(shard, row, &parcel, user)).await;
    }
    finish(shard, row);
}

/// A message in doubt is looked for, where the profile says how: found, it is
/// acknowledged; that it is not found proves nothing.
async fn verify(shard: &Rc<Shard>, row: usize, parcel: &Parcel<'_>, user: UserId) {
    if shard.api.verify(&parcel.of(user)).is_none() {
        return;
    }
    let timeout = Duration::from_micros(shard.plan().send.timeout_us);
    let call = || shard.api.verify(&parcel.of(user)).unwrap_or_else(|| Err("no such request".to_owned()));
    let answer = shard.api.call_renewing(user, call, timeout).await;
    let found = answer.and_then(|answer| shard.api.read_verified(&answer).ok_or_else(|| "not found".to_owned()));
    match found {
        Ok(Effect::Acknowledged { server_id, position }) => {
            let now_us = shard.now_us();
            shard.sends.borrow_mut().update(row, |row| {
                shard.record_of_message(LatencyKind::Ack, row.intended_us, now_us.saturating_sub(row.intended_us));
                row.state = SendState::Acknowledged;
                row.acknowledged_us = Some(now_us);
                row.server_id = Some(server_id).filter(|id| !id.is_empty());
                row.position = position;
            });
        }
        Ok(_) => {}
        Err(reason) => tracing::debug!(user = user.0, reason, "a message in doubt stays so"),
    }
}

/// The tries of one message.
struct Tries<'a> {
    shard: &'a Rc<Shard>,
    row: usize,
    user: UserId,
    message: MessageRef,
    /// When the schedule asked for it, in µs since the start of the run.
    intended_us: u64,
    /// Attempts so far, whatever came of them.
    made: u64,
    /// When its user had finished the previous message.
    free_us: u64,
    /// Of back-off and taps; most messages need neither.
    random: Option<Random>,
}

impl Tries<'_> {
    fn random(&mut self) -> &mut Random {
        let place = (u64::from(self.message.channel.0) << 32) | u64::from(self.message.index);
        let seed = self.shard.plan().seed;
        self.random.get_or_insert_with(|| Random::new(seed, "back-off").split(place))
    }

    /// Attempts until the user is shown that the message is sent, or has
    /// failed; when that was.
    async fn until_shown(&mut self, transport: &mut Transport, parcel: &Parcel<'_>) -> u64 {
        let send = &self.shard.plan().send;
        let (mut tries, mut renewals) = (0, 0);
        loop {
            let mut attempt = self.attempt(transport, parcel).await;
            tries += 1;
            note_attempt(self.shard, self.row, &mut attempt);
            self.shard.sends.borrow_mut().set_under_way(self.row, false);
            if self.is_shown_sent() {
                return attempt.ended_us;
            }
            let (retryable, asked_us) = match attempt.classified.retry {
                Retry::No => (false, None),
                Retry::Backoff => (true, None),
                Retry::After(wait_us) => (true, Some(wait_us)),
                // No message is rejected because a token ran out.
                Retry::Renewed => {
                    if renewals < RENEWALS && Box::pin(self.renew(true)).await {
                        renewals += 1;
                        tries -= 1;
                        continue;
                    }
                    (true, None)
                }
            };
            match next_attempt(send, tries, retryable, asked_us, self.random()) {
                Some(wait_us) => tokio::time::sleep(Duration::from_micros(wait_us)).await,
                None => return attempt.ended_us,
            }
        }
    }

    /// Renews the user's token where it is due, or `now`; whether that went well.
    async fn renew(&self, now: bool) -> bool {
        if self.shard.api.people.is_none() {
            return true;
        }
        let timeout = Duration::from_micros(self.shard.plan().send.timeout_us);
        match self.shard.api.renew(self.user, now, timeout).await {
            Ok(()) => true,
            Err(reason) => {
                self.shard.trouble.replace(Some(format!("cannot renew a token: {reason}")));
                false
            }
        }
    }

    fn is_shown_sent(&self) -> bool {
        let state = self.shard.sends.borrow().state(self.row);
        matches!(state, Some(SendState::Acknowledged | SendState::Written))
    }

    async fn attempt(&mut self, transport: &mut Transport, parcel: &Parcel<'_>) -> Attempt {
        let shard = self.shard;
        let first = self.made == 0;
        self.made += 1;
        if let Some(ceiling) = &shard.shared.ceiling {
            shard.shared.clock.sleep_until(ceiling.take(shard.now_us())).await;
        }
        shard.count(|counters| counters.in_flight += 1);
        shard.sends.borrow_mut().set_under_way(self.row, true);
        let unheard = if first { self.fault_by(answer_dropped_by) } else { None };
        let attempt = match transport {
            Transport::Socket(outbox, _) => {
                Box::pin(attempt_over_socket(shard, outbox, parcel, self.user, unheard)).await
            }
            Transport::Http(lines) => {
                // A token that is about to expire is renewed before it is used.
                if shard.api.people.is_some() {
                    Box::pin(self.renew(false)).await;
                }
                match shard.api.post(&parcel.of(self.user), shard.shared.target.key_format) {
                    Err(reason) => Attempt::not_made(shard, not_said(shard, reason)),
                    Ok(call) => match self.fault_by(hedged_by).filter(|_| first) {
                        Some(fault) => Box::pin(self.attempt_twice(lines, fault, call, parcel)).await,
                        None => {
                            let call = traced(shard, call, parcel.key, self.made);
                            lines[0].attempt_unheard(shard, call, Asked::Message(parcel.key), self.user, unheard).await
                        }
                    },
                }
            }
        };
        let attempt = match attempt.awaited {
            Some(_) => Box::pin(await_outcome(shard, self.user, attempt)).await,
            None => attempt,
        };
        shard.count(|counters| counters.in_flight -= 1);
        if first {
            // Queueing behind the user's own sends and connecting are the
            // target's time, not the generator's.
            let begun_us = if attempt.reused { attempt.first_byte_us } else { None }.unwrap_or(attempt.started_us);
            let lag_us = begun_us.saturating_sub(self.intended_us.max(self.free_us));
            shard.record_of_message(LatencyKind::Lag, self.intended_us, lag_us);
        }
        attempt
    }

    /// The fault that touches the message, if one does.
    fn fault_by(&self, by: fn(&RunPlan, MessageRef, u64) -> Option<usize>) -> Option<usize> {
        if self.shard.plan().faults.is_empty() {
            return None;
        }
        let SendHead { message, intended_us, .. } = self.shard.sends.borrow().head(self.row)?;
        by(self.shard.plan(), message, intended_us - self.shard.load_start_us.get())
    }

    /// Two attempts at once, on connections that are open already. The
    /// second is noted here.
    async fn attempt_twice(&mut self, lines: &mut [Line; 2], fault: usize, call: Call, parcel: &Parcel<'_>) -> Attempt {
        let (shard, user) = (self.shard, self.user);
        self.made += 1;
        let second = traced(shard, call.clone(), parcel.key, self.made);
        let first = traced(shard, call, parcel.key, self.made - 1);
        let [line, twin] = lines;
        line.open_both(twin, shard, user).await;
        let twice = (line.attempt(shard, first, parcel.key, user), twin.attempt(shard, second, parcel.key, user));
        let (first, mut second) = tokio::join!(twice.0, twice.1);
        note_attempt(shard, self.row, &mut second);
        shard.touched(fault, first.started_us, first.ended_us.max(second.ended_us));
        first
    }
}

/// A call as the given attempt of a message, for the target's tracing.
fn traced(shard: &Shard, call: Call, key: MessageKey, attempt: u64) -> Call {
    match shard.plan().trace.parent(key, attempt) {
        Some(parent) => call.with_header(TRACEPARENT, &parent),
        None => call,
    }
}

/// Writes an attempt into the ledger, which takes the target's id out of it.
fn note_attempt(shard: &Shard, row: usize, attempt: &mut Attempt) {
    if attempt.own_fault {
        shard.count(|counters| counters.exhausted += 1);
        return;
    }
    shard.sends.borrow_mut().update(row, |row| note_in_row(shard, row, attempt));
}

fn note_in_row(shard: &Shard, row: &mut SendRow, attempt: &mut Attempt) {
    row.attempts += 1;
    row.first_byte_us = row.first_byte_us.into_iter().chain(attempt.first_byte_us).min();
    row.last_attempt_us = row.last_attempt_us.max(Some(attempt.ended_us));
    shard.count(|counters| {
        counters.attempts += 1;
        counters.retries += u64::from(row.attempts > 1);
    });
    match &mut attempt.classified.effect {
        // Of two attempts at once, the first acknowledgement counts.
        _ if row.state == SendState::Acknowledged => {}
        Effect::Acknowledged { server_id, position } => {
            row.state = SendState::Acknowledged;
            row.acknowledged_us = Some(attempt.ended_us);
            if shard.plan().actions.any() {
                shard.hints.acknowledged(row.message.channel, server_id);
            }
            // Some targets tell no id.
            row.server_id = Some(std::mem::take(server_id)).filter(|id| !id.is_empty());
            row.position = *position;
            shard.record_of_message(LatencyKind::Ack, row.intended_us, attempt.ended_us - row.intended_us);
            if let Some(first_byte_us) = attempt.first_byte_us {
                shard.record_of_message(LatencyKind::Service, row.intended_us, attempt.ended_us - first_byte_us);
            }
        }
        Effect::Written => row.state = SendState::Written,
        Effect::Indeterminate => {
            row.indeterminate += 1;
            row.state = SendState::Unknown;
            shard.count(|counters| counters.indeterminate += 1);
        }
        Effect::None if row.indeterminate == 0 => row.state = SendState::Rejected,
        Effect::None => {}
    }
}

fn finish(shard: &Shard, row: usize) {
    let Some(state) = shard.sends.borrow().state(row) else { return };
    shard.count(|counters| {
        counters.pending -= 1;
        match state {
            SendState::Acknowledged => counters.acknowledged += 1,
            SendState::Written => counters.written += 1,
            SendState::Rejected => counters.rejected += 1,
            SendState::Unknown => counters.unknown += 1,
            SendState::Unattempted => counters.unattempted += 1,
        }
    });
}
