//! A virtual user as a sender: one send in flight, the next ones queue, every
//! attempt of a message carries the same key.

use super::api::token;
use super::http::{BoxError, Envelope, FirstByte, HttpAnswer, HttpConnection, is_exhaustion};
use super::shard::Shard;
use crate::ledger::SendRow;
use crate::model::{LatencyKind, MessageKey, Random, SendState, UserId};
use crate::plan::{Intended, hedged_by, next_attempt};
use crate::target::{Answer, Call, Classified, Effect, Retry};
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

/// The senders of a shard, made when they first send.
#[derive(Default)]
pub struct Senders {
    by_user: RefCell<HashMap<UserId, Rc<Sender>>>,
}

impl Senders {
    /// A message is intended now: it is noted, and queued behind its user's
    /// earlier ones.
    pub fn intend(&self, shard: &Rc<Shard>, intended: &Intended) {
        let intended_us = shard.load_start_us.get() + intended.intended_us;
        let row = shard.sends.borrow_mut().push(SendRow::intended(intended.message, intended.user, intended_us));
        shard.count(|counters| {
            counters.intended += 1;
            counters.pending += 1;
        });
        let sender = self.by_user.borrow_mut().entry(intended.user).or_default().clone();
        sender.queue.borrow_mut().push_back(row);
        if sender.running.replace(true) {
            sender.wake.notify_one();
        } else {
            tokio::task::spawn_local(Sender::run(sender, shard.clone(), intended.user));
        }
    }
}

/// One user's queue. Its task lives while there is something to send and for
/// the idle time after; so does its connection.
#[derive(Default)]
struct Sender {
    queue: RefCell<VecDeque<usize>>,
    running: Cell<bool>,
    wake: Notify,
    /// When the previous message was finished.
    free_us: Cell<u64>,
}

impl Sender {
    async fn run(self: Rc<Self>, shard: Rc<Shard>, user: UserId) {
        let idle = Duration::from_micros(shard.plan().send.idle_timeout_us);
        let token = token(shard.shared.run, user);
        let mut lines = [Line::new(&token), Line::new(&token)];
        loop {
            let next = self.queue.borrow_mut().pop_front();
            if let Some(row) = next {
                send_message(&shard, &mut lines, row, self.free_us.get()).await;
                self.free_us.set(shard.now_us());
            } else if tokio::time::timeout(idle, self.wake.notified()).await.is_err() && self.queue.borrow().is_empty()
            {
                self.running.set(false);
                return;
            }
        }
    }
}

/// A user's connection, if one is open.
struct Line {
    connection: Option<HttpConnection>,
    first_byte: FirstByte,
    token: String,
}

impl Line {
    fn new(token: &str) -> Self {
        Self { connection: None, first_byte: FirstByte::default(), token: token.to_owned() }
    }

    /// Connects where no connection is open.
    async fn open(&mut self, shard: &Shard, user: UserId) -> io::Result<()> {
        if self.connection.as_ref().is_none_or(HttpConnection::is_closed) {
            self.connection = None;
            let opened = HttpConnection::open(shard.address_of(user), shard.shared.clock, self.first_byte.clone());
            self.connection = Some(opened.await?);
        }
        Ok(())
    }
}

/// How one attempt ended.
struct Attempt {
    classified: Classified,
    /// The generator's own limits kept it from the target.
    own_fault: bool,
    /// When it was given to the transport.
    started_us: u64,
    first_byte_us: Option<u64>,
    ended_us: u64,
}

async fn send_message(shard: &Rc<Shard>, lines: &mut [Line; 2], row: usize, free_us: u64) {
    let Some(SendRow { message, user, intended_us, .. }) = shard.sends.borrow().get(row) else { return };
    let key = shard.shared.texts.keys().encode(message, intended_us - shard.load_start_us.get());
    let text = shard.shared.texts.render(key);
    let told = shard.shared.target.key_format.write(key);
    let call = shard.api.slack.post_message(shard.shared.directory.id(message.channel), &told, &text);
    let place = (u64::from(message.channel.0) << 32) | u64::from(message.index);
    let mut random = Random::new(shard.plan().seed, "back-off").split(place);
    let (mut tries, mut first) = (0, true);
    loop {
        let reused = lines[0].connection.is_some();
        let hedge =
            if first { hedged_by(shard.plan(), message, intended_us - shard.load_start_us.get()) } else { None };
        let attempt = match hedge {
            Some(fault) => attempt_twice(shard, lines, row, fault, &call, key, user).await,
            None => attempt(shard, &mut lines[0], &call, key, user).await,
        };
        tries += 1;
        if std::mem::take(&mut first) {
            // Queueing behind the user's own sends and connecting are the
            // target's time, not the generator's.
            let begun_us = if reused { attempt.first_byte_us } else { None }.unwrap_or(attempt.started_us);
            let lag_us = begun_us.saturating_sub(intended_us.max(free_us));
            shard.record_of_message(LatencyKind::Lag, intended_us, lag_us);
        }
        note_attempt(shard, row, &attempt);
        if shard.sends.borrow().get(row).is_some_and(|row| row.state == SendState::Acknowledged) {
            break;
        }
        let (retryable, asked_us) = match attempt.classified.retry {
            Retry::No => (false, None),
            Retry::Backoff => (true, None),
            Retry::After(wait_us) => (true, Some(wait_us)),
        };
        match next_attempt(&shard.plan().send, tries, retryable, asked_us, &mut random) {
            Some(wait_us) => tokio::time::sleep(Duration::from_micros(wait_us)).await,
            None => break,
        }
    }
    finish(shard, row);
}

/// Two attempts at once, on two connections that are open already. The second
/// is noted here.
async fn attempt_twice(
    shard: &Rc<Shard>,
    lines: &mut [Line; 2],
    row: usize,
    fault: usize,
    call: &Call,
    key: MessageKey,
    user: UserId,
) -> Attempt {
    let [line, twin] = lines;
    // What cannot be opened now fails again below, and is noted there.
    let _ = tokio::join!(line.open(shard, user), twin.open(shard, user));
    let (first, second) = tokio::join!(attempt(shard, line, call, key, user), attempt(shard, twin, call, key, user));
    note_attempt(shard, row, &second);
    shard.touched(fault, first.started_us, first.ended_us.max(second.ended_us));
    first
}

async fn attempt(shard: &Rc<Shard>, line: &mut Line, call: &Call, key: MessageKey, user: UserId) -> Attempt {
    let timeout = Duration::from_micros(shard.plan().send.timeout_us);
    line.first_byte.set(None);
    let started_us = shard.now_us();
    shard.count(|counters| counters.in_flight += 1);
    let exchanged = tokio::time::timeout(timeout, exchange(shard, line, call, user)).await;
    shard.count(|counters| counters.in_flight -= 1);
    let mut own_fault = false;
    let classified = match exchanged {
        Ok(Ok(answer)) => {
            let retry_after = answer.retry_after.as_deref();
            let answer = Answer { status: answer.status, retry_after, body: &answer.body };
            shard.shared.target.classify(answer, key)
        }
        failed => {
            // Dropped before the stamp is read: nothing is written after it.
            line.connection = None;
            if let Ok(Err(error)) = failed {
                own_fault = error.downcast_ref::<io::Error>().is_some_and(is_exhaustion);
            }
            let effect = if line.first_byte.get().is_some() { Effect::Indeterminate } else { Effect::None };
            Classified { effect, retry: Retry::Backoff }
        }
    };
    Attempt { classified, own_fault, started_us, first_byte_us: line.first_byte.get(), ended_us: shard.now_us() }
}

async fn exchange(shard: &Rc<Shard>, line: &mut Line, call: &Call, user: UserId) -> Result<HttpAnswer, BoxError> {
    line.open(shard, user).await?;
    let connection = line.connection.as_mut().expect("it was opened above");
    let authority = shard.shared.address.authority();
    let envelope =
        Envelope { path: &call.path, authority: &authority, token: &line.token, content_type: call.content_type };
    connection.post(envelope, Bytes::from(call.body.clone())).await
}

/// Writes an attempt into the ledger.
fn note_attempt(shard: &Shard, row: usize, attempt: &Attempt) {
    if attempt.own_fault {
        shard.count(|counters| counters.exhausted += 1);
        return;
    }
    shard.sends.borrow_mut().update(row, |row| note_in_row(shard, row, attempt));
}

fn note_in_row(shard: &Shard, row: &mut SendRow, attempt: &Attempt) {
    row.attempts += 1;
    row.first_byte_us = row.first_byte_us.into_iter().chain(attempt.first_byte_us).min();
    row.last_attempt_us = row.last_attempt_us.max(Some(attempt.ended_us));
    shard.count(|counters| {
        counters.attempts += 1;
        counters.retries += u64::from(row.attempts > 1);
    });
    match &attempt.classified.effect {
        // Of two attempts at once, the first acknowledgement counts.
        _ if row.state == SendState::Acknowledged => {}
        Effect::Acknowledged { server_id, position } => {
            row.state = SendState::Acknowledged;
            row.acknowledged_us = Some(attempt.ended_us);
            row.server_id = Some(server_id.clone());
            row.position = *position;
            shard.record_of_message(LatencyKind::Ack, row.intended_us, attempt.ended_us - row.intended_us);
            if let Some(first_byte_us) = attempt.first_byte_us {
                shard.record_of_message(LatencyKind::Service, row.intended_us, attempt.ended_us - first_byte_us);
            }
        }
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
    let Some(SendRow { state, .. }) = shard.sends.borrow().get(row) else { return };
    shard.count(|counters| {
        counters.pending -= 1;
        match state {
            SendState::Acknowledged | SendState::Written => counters.acknowledged += 1,
            SendState::Rejected => counters.rejected += 1,
            SendState::Unknown => counters.unknown += 1,
            SendState::Unattempted => counters.unattempted += 1,
        }
    });
}
