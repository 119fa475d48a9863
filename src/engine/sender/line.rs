//! A user's connection for what it sends over HTTP, and one attempt over it.

use super::attempt::{Asked, Attempt, unanswered};
use crate::engine::http::{BoxError, HttpAnswer, HttpConnection, is_exhaustion};
use crate::engine::http2::{Refused, StreamConnection};
use crate::engine::path::Purpose;
use crate::engine::patience::Patience;
use crate::engine::shard::Shard;
use crate::engine::stamp::FirstByte;
use crate::model::{MessageKey, UserId};
use crate::plan::HttpUse;
use crate::target::{Answer, Call, Classified, Effect, Retry};
use hyper::header::HeaderValue;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;
use std::time::Duration;

/// A user's connection, if one is open.
pub struct Line {
    connection: Option<Open>,
    /// What a request of the native wire says in `Authorization`.
    bearer: HeaderValue,
    /// [`Open::reads`] when the current attempt began.
    reads_before: u64,
    /// For an answer.
    patience: Patience,
}

/// An open connection.
enum Open {
    /// Of HTTP/1.1: one attempt at a time, and none after one that failed.
    Http1(Box<HttpConnection>),
    /// Of HTTP/2: several at once, and more after one that failed.
    Http2(Rc<StreamConnection>),
}

impl Open {
    fn is_closed(&mut self) -> bool {
        match self {
            Open::Http1(connection) => connection.is_closed(),
            Open::Http2(connection) => connection.is_closed(),
        }
    }

    fn local(&self) -> SocketAddr {
        match self {
            Open::Http1(connection) => connection.local,
            Open::Http2(connection) => connection.local,
        }
    }

    /// How often something was read, where more than one attempt may share it.
    fn reads(&self) -> Option<u64> {
        match self {
            Open::Http1(_) => None,
            Open::Http2(connection) => Some(connection.reads()),
        }
    }
}

impl Line {
    /// Nothing is open yet.
    pub fn new(token: &str) -> Self {
        let bearer = HeaderValue::try_from(format!("Bearer {token}"));
        let bearer = bearer.expect("a token of posthaste's own making is letters and digits");
        Self { connection: None, bearer, reads_before: 0, patience: Patience::default() }
    }

    /// Lets go of a connection that the target has closed; the task is woken when it
    /// does.
    pub fn keep(&mut self, task: &mut Context<'_>) {
        if let Some(Open::Http1(connection)) = &mut self.connection
            && connection.poll_closed(task)
        {
            self.connection = None;
        }
    }

    fn is_open(&mut self) -> bool {
        self.connection.as_mut().is_some_and(|connection| !connection.is_closed())
    }

    /// Connects where no connection is open; `settled` where nothing may come
    /// back any more before the request.
    pub async fn open(&mut self, shard: &Shard, user: UserId, settled: bool) -> io::Result<()> {
        if !self.is_open() {
            self.connection = None;
            let to = shard.shared.path.target_of(user);
            self.connection = Some(match shard.plan().send.http {
                HttpUse::Kept | HttpUse::New => {
                    Open::Http1(HttpConnection::open(shard, user, Purpose::Posts, &to, settled).await?.into())
                }
                HttpUse::H2 => {
                    Open::Http2(StreamConnection::open(shard, user, Purpose::Posts, &to, settled).await?.into())
                }
            });
        }
        Ok(())
    }

    /// Connects two lines of a user: over HTTP/2 they share a connection.
    pub async fn open_both(&mut self, twin: &mut Line, shard: &Shard, user: UserId) {
        // What cannot be opened now fails again in an attempt, and is noted there.
        if shard.plan().send.http != HttpUse::H2 {
            let _ = tokio::join!(self.open(shard, user, false), twin.open(shard, user, false));
            return;
        }
        let _ = self.open(shard, user, false).await;
        if let Some(Open::Http2(connection)) = &self.connection {
            twin.connection = Some(Open::Http2(connection.clone()));
        }
    }

    /// Posts a call once.
    pub async fn attempt(&mut self, shard: &Rc<Shard>, call: Call, key: MessageKey, user: UserId) -> Attempt {
        self.attempt_unheard(shard, call, Asked::Message(key), user, None).await
    }

    /// The same; a fault may lose the answer.
    pub async fn attempt_unheard(
        &mut self,
        shard: &Rc<Shard>,
        call: Call,
        asked: Asked,
        user: UserId,
        unheard: Option<usize>,
    ) -> Attempt {
        if shard.plan().send.http == HttpUse::New {
            self.connection = None;
        }
        let reused = self.is_open();
        let first_byte = FirstByte::default();
        let started_us = shard.now_us();
        let until = shard.shared.clock.instant(started_us + shard.plan().send.timeout_us);
        let mut patience = std::mem::take(&mut self.patience);
        let exchanged = {
            let exchange = pin!(self.exchange(shard, call, user, unheard, &first_byte, reused));
            patience.until(until, exchange).await
        };
        self.patience = patience;
        let (mut own_fault, mut awaited) = (false, None);
        let classified = match exchanged {
            Some(Ok(answer)) => {
                shard.count(|counters| counters.answer_bytes += answer.length);
                let retry_after = answer.retry_after.as_deref();
                let headers = answer.headers.as_str();
                let answer = Answer { status: answer.status, retry_after, headers, body: &answer.body };
                match asked {
                    Asked::Message(key) => {
                        let target = &shard.shared.target;
                        // On the native wire an answer says all.
                        if target.described.is_some() {
                            let told = shard.plan().send.design.carries_key();
                            let told = told.then(|| target.key_format.write(key));
                            awaited = target.awaited(answer, told.as_deref());
                        }
                        target.classify(answer, key)
                    }
                    Asked::Change => shard.shared.target.classify_change(answer),
                }
            }
            failed => {
                self.drop_broken(&first_byte);
                let error = failed.and_then(Result::err);
                let io_error = error.as_ref().and_then(|error| error.downcast_ref::<io::Error>());
                own_fault = io_error.is_some_and(is_exhaustion);
                match error.is_some_and(|error| error.is::<Refused>()) {
                    true => Classified { effect: Effect::None, retry: Retry::Backoff },
                    false => unanswered(&first_byte),
                }
            }
        };
        let (first_byte_us, ended_us) = (first_byte.get(), shard.now_us());
        Attempt { classified, own_fault, started_us, first_byte_us, ended_us, reused, awaited }
    }

    /// After an attempt without an answer. A connection is dropped before the
    /// stamp is read, so that nothing is written after it; one that others may
    /// share goes on where something was written of the attempt, and something
    /// came back since it began.
    fn drop_broken(&mut self, first_byte: &FirstByte) {
        let lives = self.connection.as_ref().and_then(Open::reads).is_some_and(|reads| reads > self.reads_before);
        if lives && first_byte.get().is_some() {
            return;
        }
        if let Some(Open::Http2(connection)) = self.connection.take() {
            connection.break_off();
        }
    }

    async fn exchange(
        &mut self,
        shard: &Rc<Shard>,
        call: Call,
        user: UserId,
        unheard: Option<usize>,
        first_byte: &FirstByte,
        is_open: bool,
    ) -> Result<HttpAnswer, BoxError> {
        if !is_open {
            // Boxed, as all is that an attempt seldom does: a future is moved as the
            // whole of what it might become.
            Box::pin(self.open(shard, user, unheard.is_some())).await?;
        }
        let connection = self.connection.as_mut().expect("it was opened above");
        self.reads_before = connection.reads().unwrap_or(0);
        if let Some(fault) = unheard {
            let give_up = Duration::from_micros(shard.plan().send.timeout_us);
            shard.shared.path.drop_answer(fault, connection.local(), Purpose::Posts, give_up);
        }
        match connection {
            Open::Http1(connection) => connection.exchange(call, &self.bearer, first_byte).await,
            Open::Http2(connection) => {
                let origin = shard.shared.address.origin();
                Box::pin(connection.exchange(&call, &origin, &self.bearer, first_byte)).await
            }
        }
    }
}
