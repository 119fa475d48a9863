//! What happens after a commit, in commit order: the directory learns of it,
//! the answers leave, and messages go to the sockets of their channel.
//!
//! One task does all of it, so a channel's events are in the order of its
//! history. It never waits for a socket.

use super::answer::{self, ApiError, MessageEvent};
use super::apps::Apps;
use super::defects::Defects;
use super::defects::fanout::FaultyFanout;
use super::directory::Directory;
use super::follower::Following;
use super::ids;
use super::options::ReplayWindow;
use super::socket::{End, Push};
use super::write::{Answer, Done, Effect, Failure, Post, Stored, Told, Write};
use axum::extract::ws::Utf8Bytes;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches that may wait for the publisher; then the writer waits.
pub(super) const QUEUE_NOTICES: usize = 16;
/// Messages after which other tasks get a turn.
const TURN_MESSAGES: usize = 64;

/// What the writer tells.
#[derive(Debug)]
pub(super) enum Notice {
    /// The effects of one commit, in its order.
    Done(Vec<Done>),
    /// A message to push that is not stored: the defect
    /// `fanout-before-persist`.
    Early(Arc<Post>, u64),
}

/// Answers and pushes.
pub(super) struct Publisher {
    directory: Arc<Directory>,
    apps: Arc<Apps>,
    replay: ReplayWindow,
    /// What pushes instead, where several servers use one store.
    following: Option<Arc<Following>>,
    faulty: Option<FaultyFanout>,
}

impl Publisher {
    pub(super) fn new(
        directory: Arc<Directory>,
        apps: Arc<Apps>,
        defects: Arc<Defects>,
        replay: ReplayWindow,
        following: Option<Arc<Following>>,
    ) -> Self {
        let faulty = defects.any().then(|| FaultyFanout::new(directory.clone(), defects, replay));
        Self { directory, apps, replay, following, faulty }
    }

    /// Publishes until the writer has ended.
    pub(super) async fn run(mut self, mut notices: mpsc::Receiver<Notice>) {
        while let Some(notice) = notices.recv().await {
            match notice {
                Notice::Early(post, ts) => self.push(&post, ts),
                Notice::Done(batch) => {
                    if let Some(following) = &self.following {
                        following.wake();
                    }
                    for (rank, (write, effect)) in batch.into_iter().enumerate() {
                        self.publish(write, effect);
                        if rank % TURN_MESSAGES == TURN_MESSAGES - 1 {
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
        }
    }

    // An answer that nobody waits for any more is no error: the client hung
    // up, and what it wrote is stored.
    fn publish(&mut self, write: Write, effect: Result<Effect, Failure>) {
        match (write, effect) {
            (Write::Post(post, answer), Ok(Effect::Post(stored))) => {
                let (ts, push) = (stored.ts, stored.push);
                reply(&post, answer, Ok(stored));
                if push && self.following.is_none() {
                    self.push(&post, ts);
                }
            }
            (Write::Post(post, answer), Err(failure)) => reply(&post, answer, Err(failure)),
            (Write::Change(change, answer), Ok(Effect::Changed(changed))) => {
                let _ = answer.send(Ok(()));
                let mut outlet = change.channel.outlet();
                if self.following.is_none() && !outlet.is_idle(&self.replay) {
                    outlet.push(changed.event, &changed.frame.into(), &self.replay);
                }
            }
            (Write::Change(_, answer), effect) => drop(answer.send(Err(failure(effect)))),
            (Write::End | Write::Resurrect { .. } | Write::Private { .. } | Write::Hint { .. }, _) => {}
            (Write::Post(post, answer), Ok(_)) => reply(&post, answer, Err(Failure::Internal)),
            (write, effect) => self.publish_to_directory(write, effect),
        }
    }

    /// What changes the directory is answered once it is there: at once, or
    /// where the log of the store has come to it.
    fn publish_to_directory(&self, write: Write, effect: Result<Effect, Failure>) {
        let (directory, apps) = (self.directory.clone(), self.apps.clone());
        match &self.following {
            Some(following) if effect.is_ok() => {
                let following = following.clone();
                tokio::spawn(async move {
                    following.catch_up().await;
                    answer_from_directory(&directory, &apps, write, effect);
                });
            }
            _ => {
                if let Ok(effect) = &effect {
                    self.enter(&write, effect);
                }
                answer_from_directory(&directory, &apps, write, effect);
            }
        }
    }

    /// Enters what was committed into the directory.
    fn enter(&self, write: &Write, effect: &Effect) {
        match (write, effect) {
            (Write::User { token, .. }, Effect::User(number)) => drop(self.directory.add_user(*number, token)),
            (Write::App { bot, url, .. }, Effect::App) => {
                let app = self.apps.enter(bot, url.clone());
                self.directory.lead_to(&app, bot);
            }
            (Write::Channel { creator, .. }, Effect::Channel(channel)) => {
                self.directory.add_channel(channel.clone());
                self.directory.join(channel, creator);
            }
            (Write::Join { channel, users, .. }, _) => {
                users.iter().for_each(|user| self.directory.join(channel, user));
            }
            (Write::Leave { channel, user, .. }, _) => {
                let goes_on = self.faulty.as_ref().is_some_and(FaultyFanout::goes_on_listening);
                self.directory.leave(channel, user, goes_on);
            }
            _ => {}
        }
    }

    /// Hands a message to everybody who listens to its channel.
    fn push(&mut self, post: &Arc<Post>, ts: u64) {
        if let Some(faulty) = &mut self.faulty {
            return faulty.push(post, ts);
        }
        let mut outlet = post.channel.outlet();
        if !outlet.is_idle(&self.replay) {
            outlet.push(ts, &event(post, ts), &self.replay);
        }
    }
}

/// Answers a write that changes the directory with what is there now.
fn answer_from_directory(directory: &Directory, apps: &Apps, write: Write, effect: Result<Effect, Failure>) {
    const MISSING: Failure = Failure::Internal;
    match (write, effect) {
        (Write::User { answer, .. }, Ok(Effect::User(number))) => {
            drop(answer.send(directory.user_in_row(number).ok_or(MISSING)));
        }
        (Write::User { answer, .. }, effect) => drop(answer.send(Err(failure(effect)))),
        (Write::App { bot, answer, .. }, Ok(Effect::App)) => drop(answer.send(apps.of(bot.number).ok_or(MISSING))),
        (Write::App { answer, .. }, effect) => drop(answer.send(Err(failure(effect)))),
        (Write::Channel { answer, .. }, Ok(Effect::Channel(channel))) => {
            drop(answer.send(directory.channel_in_row(channel.number).ok_or(MISSING)));
        }
        (Write::Channel { answer, .. }, effect) => drop(answer.send(Err(failure(effect)))),
        (Write::Join { answer, .. } | Write::Leave { answer, .. }, effect) => drop(answer.send(effect.map(drop))),
        _ => {}
    }
}

/// A message as a frame.
pub(super) fn event(post: &Post, ts: u64) -> Utf8Bytes {
    Utf8Bytes::from(answer::text(&MessageEvent::new(post, &ids::ts_text(ts))))
}

fn failure(effect: Result<Effect, Failure>) -> Failure {
    effect.err().unwrap_or(Failure::Internal)
}

fn reply(post: &Post, answer: Answer, result: Result<Stored, Failure>) {
    match answer {
        Answer::Call(call) => drop(call.send(result)),
        Answer::Socket(socket, _) if matches!(result, Ok(Stored { told: Told::Nothing, .. })) => socket.end(End::Cut),
        Answer::Socket(_, None) => {}
        Answer::Socket(socket, Some(reply_to)) => {
            let failed = |error| answer::socket_error(&reply_to, error);
            let frame = match result {
                Ok(Stored { told: Told::Refusal(error), .. }) => failed(ApiError(error)),
                Ok(Stored { told: Told::Crash, .. }) => failed(Failure::Internal.into()),
                Ok(stored) => answer::socket_ack(&reply_to, stored.ts, stored.repeats.as_deref().unwrap_or(&post.text)),
                Err(failure) => failed(failure.into()),
            };
            socket.send(Push::Frame(frame.into()));
        }
    }
}
