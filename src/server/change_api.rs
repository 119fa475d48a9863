//! The methods that change messages, and the one that reads a thread.
//!
//! - `chat.update` (`channel`, `ts`, `text`) and `chat.delete` (`channel`,
//!   `ts`): by the message's author alone. Each is told as a `message` event
//!   with a subtype.
//! - `reactions.add` and `reactions.remove` (`channel`, `timestamp`, `name`):
//!   `already_reacted` and `no_reaction` say that it is so already, as the retry
//!   of a call whose answer was lost is told.
//! - `conversations.replies` (`channel`, `ts`; pages as in history): the first
//!   page begins with the message itself, then replies stand oldest first. Of a
//!   deleted one with replies a tombstone is left.

use super::answer::{self, ApiError};
use super::api::{Answered, Call, check_text};
use super::changes::{Change, What};
use super::database::{self, Database};
use super::history::{PageRequest, Towards, render};
use super::ids;
use super::rows::{self, Details};
use super::write::Write;
use serde_json::{Value, json};

const MISSING: ApiError = ApiError("message_not_found");
/// Longest name of a reaction, in bytes.
const REACTION_BYTES: usize = 100;

impl Call {
    /// `chat.update`
    pub(super) async fn update(mut self) -> Answered {
        let text = self.params.take("text").unwrap_or_default();
        check_text(&text)?;
        let ts = self.position("ts")?;
        let channel = self.channel()?.id.clone();
        self.change(ts, What::Edit(text.as_str().into())).await?;
        Ok(answer::ok(&json!({ "ok": true, "channel": channel, "ts": ids::ts_text(ts), "text": text })))
    }

    /// `chat.delete`
    pub(super) async fn delete(self) -> Answered {
        let ts = self.position("ts")?;
        let channel = self.channel()?.id.clone();
        self.change(ts, What::Delete).await?;
        Ok(answer::ok(&json!({ "ok": true, "channel": channel, "ts": ids::ts_text(ts) })))
    }

    /// `reactions.add` and `reactions.remove`
    pub(super) async fn react(mut self, make: fn(Box<str>) -> What) -> Answered {
        let name = self.params.take("name").unwrap_or_default();
        let is_plain = |letter: char| letter.is_alphanumeric() || "_-+':".contains(letter);
        if name.is_empty() || name.len() > REACTION_BYTES || !name.chars().all(is_plain) {
            return Err(ApiError("invalid_name"));
        }
        let ts = self.position("timestamp")?;
        self.change(ts, make(name.into())).await?;
        Ok(answer::ok(&json!({ "ok": true })))
    }

    fn position(&self, name: &str) -> Result<u64, ApiError> {
        self.params.get(name).and_then(ids::parse_ts).ok_or(MISSING)
    }

    async fn change(self, ts: u64, what: What) -> Result<(), ApiError> {
        let channel = self.channel()?;
        if !channel.has_member(self.user.number) {
            return Err(ApiError("not_in_channel"));
        }
        let change = Change { channel, user: self.user, ts, what };
        Ok(self.server.write(|answer| Write::Change(change.into(), answer)).await?)
    }

    /// `conversations.replies`
    pub(super) async fn replies(self) -> Answered {
        const MISSING: ApiError = ApiError("thread_not_found");
        let channel = self.channel()?.number;
        let thread = self.params.get("ts").and_then(ids::parse_ts).ok_or(MISSING)?;
        let request = PageRequest { towards: Towards::Newest, ..PageRequest::read(&self.params)? };
        let read = move |database: &_| read_thread(database, channel, thread, &request);
        let page = self.server.readers.read(read).await?.ok_or(MISSING)?;
        Ok(answer::with_status(axum::http::StatusCode::OK, page))
    }
}

/// One page of a thread; `None` where there is no such thread.
fn read_thread(
    database: &Database,
    channel: i64,
    thread: u64,
    request: &PageRequest,
) -> database::Result<Option<String>> {
    let root = rows::find_ever(database, channel, thread)?.filter(|(root, _)| root.thread.is_none());
    let Some((root, deleted)) = root else { return Ok(None) };
    let leads = usize::from(!request.continues);
    let room = request.limit.saturating_sub(leads).max(1);
    let mut replies = rows::replies(database, channel, thread, request, room + 1)?;
    if deleted && replies.is_empty() && !request.continues {
        return Ok(None);
    }
    let has_more = replies.len() > room;
    replies.truncate(room);
    let cursor =
        replies.last().filter(|_| has_more).map_or(String::new(), |last| format!("n{}", ids::ts_text(last.ts)));
    if !request.continues && !deleted {
        replies.insert(0, root.clone());
    }
    let details = Details::read(database, channel, &replies)?;
    let mut messages: Vec<Value> = rows::render(&replies, details).iter().map(|row| json!(row)).collect();
    if !request.continues && deleted {
        messages.insert(0, tombstone(root.ts));
    }
    Ok(Some(render(&messages, has_more, &cursor)))
}

/// What stands in place of a deleted message with replies.
fn tombstone(ts: u64) -> Value {
    let ts = ids::ts_text(ts);
    let text = "This message was deleted.";
    json!({ "type": "message", "subtype": "tombstone", "text": text, "ts": ts, "thread_ts": ts, "hidden": true })
}
