//! What the writer is given, and what it did.

use super::apps::App;
use super::changes::{Change, Changed};
use super::channel::Channel;
use super::directory::User;
use super::socket::Socket;
use axum::extract::ws::Utf8Bytes;
use reqwest::Url;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Why a write has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The queue is full; nothing is stored.
    Overloaded,
    /// The store failed; whether something is stored is open.
    Internal,
    /// It cannot be, for this reason of Slack's; nothing is stored.
    Refused(&'static str),
}

/// A message as it was posted.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) channel: Arc<Channel>,
    pub(super) user: Arc<User>,
    /// `client_msg_id`
    pub(super) key: Option<Box<str>>,
    pub(super) text: Box<str>,
    /// The position of the message that it replies to, in µs, where it does.
    pub(super) thread: Option<u64>,
    /// The position at which it was pushed already, in µs: `fanout_first`.
    pub(super) pushed_ts: Option<u64>,
}

/// What became of a post.
#[derive(Debug)]
pub(super) struct Stored {
    /// Position in µs.
    pub(super) ts: u64,
    /// The text that the first row of the key holds, where this post is a
    /// repetition of it.
    pub(super) repeats: Option<Box<str>>,
    /// Whether the message is to be pushed now.
    pub(super) push: bool,
    /// What the sender is told.
    pub(super) told: Told,
}

/// What the sender of a message is told of it once it is stored. All but the
/// first are planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Its position.
    Position,
    /// Nothing: the connection is closed.
    Nothing,
    /// That it was refused, with this error.
    Refusal(&'static str),
    /// That the server broke.
    Crash,
}

/// Where the answer to a post goes.
#[derive(Debug)]
pub(super) enum Answer {
    /// To the call that waits for it.
    Call(oneshot::Sender<Result<Stored, Failure>>),
    /// Into a socket, with the id that the sender gave, if any.
    Socket(Arc<Socket>, Option<serde_json::Value>),
}

/// Something to store.
#[derive(Debug)]
pub(super) enum Write {
    User {
        token: Box<str>,
        answer: oneshot::Sender<Result<Arc<User>, Failure>>,
    },
    App {
        bot: Arc<User>,
        /// To be set, where there is one (`Some(None)`: none).
        url: Option<Option<Url>>,
        answer: oneshot::Sender<Result<Arc<App>, Failure>>,
    },
    Channel {
        name: Box<str>,
        creator: Arc<User>,
        is_private: bool,
        answer: oneshot::Sender<Result<Arc<Channel>, Failure>>,
    },
    Join {
        channel: Arc<Channel>,
        users: Vec<Arc<User>>,
        answer: oneshot::Sender<Result<(), Failure>>,
    },
    Leave {
        channel: Arc<Channel>,
        user: Arc<User>,
        answer: oneshot::Sender<Result<(), Failure>>,
    },
    Post(Arc<Post>, Answer),
    Change(Box<Change>, oneshot::Sender<Result<(), Failure>>),
    /// Tells a user something that is stored nowhere, on all servers of the store.
    Private {
        user: Arc<User>,
        frame: Utf8Bytes,
    },
    /// Tells a hint of a user to the others in a channel, on all servers of the
    /// store.
    Hint {
        channel: Arc<Channel>,
        user: Arc<User>,
        frame: Utf8Bytes,
    },
    /// Undoes a deletion: a defect.
    Resurrect {
        channel: i64,
        ts: u64,
    },
    /// The last one.
    End,
}

/// What a write did to the store.
#[derive(Debug)]
pub(super) enum Effect {
    User(i64),
    App,
    Channel(Arc<Channel>),
    Joined,
    Left,
    Post(Stored),
    Changed(Changed),
    /// Nothing that anybody is told.
    Nothing,
}

/// A write and its effect, or why it has none.
pub(super) type Done = (Write, Result<Effect, Failure>);
