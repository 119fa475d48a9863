//! One attempt to send a message, over whatever the design sends it.

use super::line::Line;
use crate::engine::api::token;
use crate::engine::chat;
use crate::engine::outbox::{Outbox, Outgoing};
use crate::engine::path::Purpose;
use crate::engine::shard::Shard;
use crate::engine::stamp::FirstByte;
use crate::model::{ChannelId, MessageKey, UserId};
use crate::target::{Classified, Effect, Retry};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How one attempt ended.
pub struct Attempt {
    pub classified: Classified,
    /// The generator's own limits kept it from the target.
    pub own_fault: bool,
    /// When it was given to the transport.
    pub started_us: u64,
    pub first_byte_us: Option<u64>,
    pub ended_us: u64,
    /// Whether the connection was open before.
    pub reused: bool,
    /// The message was only taken on: what a frame will call it that says what became
    /// of it.
    pub awaited: Option<String>,
}

impl Attempt {
    /// One that never reached a transport.
    pub fn not_made(shard: &Shard, classified: Classified) -> Self {
        let now_us = shard.now_us();
        let (first_byte_us, awaited) = (None, None);
        Self {
            classified,
            own_fault: false,
            started_us: now_us,
            first_byte_us,
            ended_us: now_us,
            reused: false,
            awaited,
        }
    }
}

/// A message as it is sent: what every attempt repeats.
pub struct Parcel<'a> {
    pub key: MessageKey,
    /// The key in the format in which the target is told it; `None` where the
    /// design sends none.
    pub told: Option<&'a str>,
    pub channel: ChannelId,
    /// The target's id of the channel.
    pub channel_id: &'a str,
    pub text: &'a str,
}

impl<'a> Parcel<'a> {
    /// As it is said to the target by a user.
    pub fn of(&self, user: UserId) -> chat::Outgoing<'a> {
        let Parcel { told, channel, channel_id, text, .. } = *self;
        chat::Outgoing { user, channel, channel_id, told, text }
    }
}

/// What an answer is about.
#[derive(Clone, Copy)]
pub enum Asked {
    /// A message with this key.
    Message(MessageKey),
    /// A change of one.
    Change,
}

/// What a user sends over.
pub enum Transport {
    /// A connection of its own, and a second one for a hedge.
    Http(Box<[Line; 2]>),
    /// The socket that the same user holds as a subscriber, and a connection
    /// for what is not sent over it.
    Socket(Rc<Outbox>, Box<Line>),
}

impl Transport {
    /// What the plan's design sends over.
    pub fn of(shard: &Shard, user: UserId) -> Self {
        let token = token(shard.shared.run, user);
        if shard.plan().send.design.is_over_socket() {
            // The plan's check gives every sender a subscription.
            return Self::Socket(shard.outbox(user).unwrap_or_default(), Line::new(&token).into());
        }
        Self::Http(Box::new([Line::new(&token), Line::new(&token)]))
    }

    /// The connection for what does not go over the socket.
    pub fn line(&mut self) -> &mut Line {
        match self {
            Self::Http(lines) => &mut lines[0],
            Self::Socket(_, line) => line,
        }
    }
}

/// Sends a message once over the socket of its user.
pub async fn attempt_over_socket(
    shard: &Rc<Shard>,
    outbox: &Outbox,
    parcel: &Parcel<'_>,
    user: UserId,
    unheard: Option<usize>,
) -> Attempt {
    let send = &shard.plan().send;
    let first_byte = FirstByte::default();
    let (reused, started_us) = (outbox.is_open(), shard.now_us());
    let exchange = exchange_over_socket(shard, outbox, parcel, user, &first_byte, unheard);
    let classified = match tokio::time::timeout(Duration::from_micros(send.timeout_us), exchange).await {
        Ok(Some(classified)) => classified,
        Ok(None) => unanswered(&first_byte),
        Err(_) => {
            if first_byte.get().is_some() {
                outbox.suspect();
            }
            unanswered(&first_byte)
        }
    };
    let (first_byte_us, ended_us) = (first_byte.get(), shard.now_us());
    Attempt { classified, own_fault: false, started_us, first_byte_us, ended_us, reused, awaited: None }
}

/// Waits for the frame that says what became of a message that was only taken on.
/// Whoever holds no subscription never hears of it.
pub async fn await_outcome(shard: &Shard, user: UserId, mut attempt: Attempt) -> Attempt {
    let (Some(named), Some(outbox)) = (attempt.awaited.take(), shard.outbox(user)) else { return attempt };
    let outcome = outbox.expect_outcome(&named);
    match tokio::time::timeout(Duration::from_micros(shard.plan().send.timeout_us), outcome).await {
        Ok(Ok(said)) => attempt.classified = shard.shared.target.classify_reply(&said),
        _ => outbox.forget_outcome(&named),
    }
    attempt.ended_us = shard.now_us();
    attempt
}

/// `None` where the socket ended before there was an answer.
async fn exchange_over_socket(
    shard: &Shard,
    outbox: &Outbox,
    parcel: &Parcel<'_>,
    user: UserId,
    first_byte: &FirstByte,
    unheard: Option<usize>,
) -> Option<Classified> {
    outbox.wait_until_open().await;
    let send = &shard.plan().send;
    let design = send.design;
    let unheard = unheard.zip(outbox.local());
    if let Some((fault, local)) = unheard {
        shard.shared.path.drop_answer(fault, local, Purpose::Socket, Duration::from_micros(send.timeout_us));
    }
    let answered = design.is_acknowledged().then(|| Expected::of(outbox));
    let id = answered.as_ref().map(|expected| expected.id);
    let frame = match shard.api.socket_post(&parcel.of(user), id, shard.shared.target.key_format) {
        Ok(frame) => frame,
        Err(reason) => return Some(not_said(shard, reason)),
    };
    let (written, is_written) = oneshot::channel();
    outbox.submit(Outgoing { frame, first_byte: first_byte.clone(), written });
    is_written.await.ok()?;
    if let Some((_, local)) = unheard {
        shard.shared.path.written(local);
    }
    match answered {
        None => Some(Classified { effect: Effect::Written, retry: Retry::No }),
        Some(mut expected) => {
            let answer = (&mut expected.answer).await.ok()?;
            Some(shard.shared.target.classify_reply(&answer))
        }
    }
}

/// An answer that is waited for, and forgotten when nobody waits any longer.
struct Expected<'a> {
    outbox: &'a Outbox,
    id: u64,
    answer: oneshot::Receiver<Box<str>>,
}

impl<'a> Expected<'a> {
    fn of(outbox: &'a Outbox) -> Self {
        let (id, answer) = outbox.expect_answer();
        Self { outbox, id, answer }
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.outbox.forget(self.id);
    }
}

/// What cannot be said because a variable of the profile has no value.
pub fn not_said(shard: &Shard, reason: String) -> Classified {
    shard.trouble.replace(Some(reason));
    Classified { effect: Effect::None, retry: Retry::No }
}

/// Without an answer, what was written may have had an effect.
pub fn unanswered(first_byte: &FirstByte) -> Classified {
    let effect = if first_byte.get().is_some() { Effect::Indeterminate } else { Effect::None };
    Classified { effect, retry: Retry::Backoff }
}
