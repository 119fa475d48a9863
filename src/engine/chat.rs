//! What is said to a target, whether it speaks the native wire or is described
//! by its profile: the one place that knows both.

use super::api::{Api, ApiAnswer};
use crate::model::{ChannelId, KeyFormat, MessageKey, Position, TextCodec, UserId};
use crate::target::{AskedPage, Call, Effect, HistoryPage, Known, MessageScope, PageError, Progress, Row, Scope};
use uuid::{Builder, Uuid};

/// A message to be sent.
pub struct Outgoing<'a> {
    /// Who sends it.
    pub user: UserId,
    /// Where.
    pub channel: ChannelId,
    /// The target's id of the channel.
    pub channel_id: &'a str,
    /// The key in the format in which the target is told it; `None` where the
    /// design sends none.
    pub told: Option<&'a str>,
    /// Its text.
    pub text: &'a str,
}

/// A key that no message has: what a client sends that does not keep its keys.
fn passing_key(format: KeyFormat) -> String {
    let uuid = Builder::from_custom_bytes(*Uuid::new_v4().as_bytes()).into_uuid();
    MessageKey::parse(&uuid.to_string()).map_or_else(|| uuid.to_string(), |key| format.write(key))
}

impl Api {
    /// The request that sends a message. An error is in words: a variable of the
    /// profile has no value.
    pub fn post(&self, outgoing: &Outgoing<'_>, format: KeyFormat) -> Result<Call, String> {
        let Outgoing { user, channel, channel_id, told, text } = *outgoing;
        let Some(people) = &self.people else { return Ok(self.slack.post_message(channel_id, told, text)) };
        let request = people.cast.described.send.request.as_ref();
        let request = request.ok_or("the profile has no request that sends a message")?;
        let (person, fresh) = (people.person(user), told.is_none().then(|| passing_key(format)));
        let key = told.or(fresh.as_deref()).unwrap_or_default();
        let message = Some(MessageScope { key, text, reference: 0 });
        let scope = Scope { message, ..people.cast.scope(user, &person, Some(channel)) };
        request.render(&scope, &people.cast.prefix).map_err(|error| error.to_string())
    }

    /// The frame that sends a message over the socket; with an id, the target
    /// answers it.
    pub fn socket_post(&self, outgoing: &Outgoing<'_>, id: Option<u64>, format: KeyFormat) -> Result<String, String> {
        let Outgoing { user, channel, channel_id, told, text } = *outgoing;
        let Some(people) = &self.people else { return Ok(self.slack.socket_message(id, channel_id, told, text)) };
        let frame = people.cast.described.send.frame.as_ref();
        let frame = frame.ok_or("the profile has no frame that sends a message")?;
        let (person, fresh) = (people.person(user), told.is_none().then(|| passing_key(format)));
        let key = told.or(fresh.as_deref()).unwrap_or_default();
        let message = Some(MessageScope { key, text, reference: id.unwrap_or(0) });
        let scope = Scope { message, ..people.cast.scope(user, &person, Some(channel)) };
        frame.render(&scope).map_err(|error| error.to_string())
    }

    /// The request that looks for a message in doubt; `None` where the profile has
    /// none.
    pub fn verify(&self, outgoing: &Outgoing<'_>) -> Option<Result<Call, String>> {
        let people = self.people.as_ref()?;
        let verify = people.cast.described.send.verify.as_ref()?;
        let person = people.person(outgoing.user);
        let message = MessageScope { key: outgoing.told.unwrap_or_default(), text: outgoing.text, reference: 0 };
        let scope =
            Scope { message: Some(message), ..people.cast.scope(outgoing.user, &person, Some(outgoing.channel)) };
        Some(verify.request.render(&scope, &people.cast.prefix).map_err(|error| error.to_string()))
    }

    /// The message as acknowledged, if the answer to such a request shows it.
    pub fn read_verified(&self, answer: &ApiAnswer) -> Option<Effect> {
        self.people.as_ref()?.cast.described.send.verify.as_ref()?.read(answer.as_http())
    }

    /// The request for one message by the target's id; `None` where the profile
    /// has none.
    pub fn point(&self, user: UserId, channel: ChannelId, channel_id: &str, id: &str) -> Option<Result<Call, String>> {
        let Some(people) = &self.people else { return Some(Ok(self.slack.history_at(channel_id, id))) };
        let point = people.cast.described.history.as_ref()?.row.as_ref()?;
        let person = people.person(user);
        let scope = Scope { row_id: Some(id), ..people.cast.scope(user, &person, Some(channel)) };
        Some(point.request.render(&scope, &people.cast.prefix).map_err(|error| error.to_string()))
    }

    /// The row of the answer to such a request.
    pub fn read_point(&self, answer: &ApiAnswer, id: &str, texts: &TextCodec) -> Result<Option<Row>, PageError> {
        let described = self.people.as_ref().and_then(|people| people.cast.described.history.as_ref()?.row.as_ref());
        if let Some(point) = described {
            return point.read(answer.as_http(), id, texts);
        }
        let page = HistoryPage::parse(answer.status, &answer.body, texts)?;
        Ok(page.rows.into_iter().find(|found| &*found.server_id == id))
    }
}

/// A channel, and what the target calls it.
#[derive(Clone, Copy)]
pub struct ChannelAt<'a> {
    /// The channel.
    pub channel: ChannelId,
    /// The target's id.
    pub channel_id: &'a str,
}

/// What a reader knew before: rows past it are asked for.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// Where its newest row stands; from the start with `None`.
    pub after: Option<Position>,
    /// The target's id of it, where the reader has that.
    pub known: Option<Box<str>>,
}

/// One read of a channel's history, page by page.
pub struct Reading<'a> {
    api: &'a Api,
    user: UserId,
    channel: ChannelId,
    channel_id: &'a str,
    size: u32,
    /// What the reader knew before: rows past it are asked for.
    after: Option<Position>,
    progress: Progress,
}

/// One page of it.
pub struct ReadPage {
    /// Its rows from the oldest to the newest.
    pub rows: Vec<Row>,
    /// Where the next page begins; `None` at the end.
    pub next_cursor: Option<String>,
    /// Whether its rows have positions of the target's.
    pub positioned: bool,
}

impl<'a> Reading<'a> {
    /// Everything past a bound, by a user and in pages of a size.
    pub fn new(api: &'a Api, user: UserId, place: ChannelAt<'a>, size: u32, bound: Bound) -> Self {
        let (ChannelAt { channel, channel_id }, Bound { after, known }) = (place, bound);
        let history = api.people.as_ref().and_then(|people| people.cast.described.history.as_ref());
        let size = history.map_or(size, |history| size.min(history.size));
        let after_text = history.zip(after).map(|(history, after)| history.write_position(after));
        let known = known.filter(|_| history.is_none_or(|history| history.names_rows()));
        let id = known.or_else(|| after_text.as_deref().map(Box::from));
        let progress = Progress { after: id.map(|id| Known { id, position: after }), ..Progress::default() };
        Self { api, user, channel, channel_id, size, after, progress }
    }

    /// Whether its pages walk from the newest row to the oldest.
    pub fn walks_back(&self) -> bool {
        let people = self.api.people.as_ref();
        people.and_then(|people| people.cast.described.history.as_ref()).is_some_and(|history| history.backwards)
    }

    /// Whether its pages are counted from the newest row: a new row moves them.
    pub fn moves(&self) -> bool {
        let people = self.api.people.as_ref();
        let history = people.and_then(|people| people.cast.described.history.as_ref());
        history.is_some_and(crate::target::History::moves)
    }

    /// The request of the next page. An error is in words.
    pub fn call(&self) -> Result<Call, String> {
        let cursor = self.progress.cursor.as_deref();
        let Some(people) = &self.api.people else {
            return Ok(self.api.slack.history(self.channel_id, self.after, self.size, cursor));
        };
        let history = people.cast.described.history.as_ref().ok_or("the profile has no [history]")?;
        let person = people.person(self.user);
        let after_text = history.after_position(&self.progress);
        let page = history.page_scope(&self.progress, after_text.as_deref(), self.size);
        let scope = Scope { page: Some(page), ..people.cast.scope(self.user, &person, Some(self.channel)) };
        let mut call = history.request.render(&scope, &people.cast.prefix).map_err(|error| error.to_string())?;
        if let (crate::target::By::LinkHeader, Some(next)) = (history.by, cursor) {
            call.path = next.to_owned();
        }
        Ok(call)
    }

    /// Reads an answer, and moves on where it is a page.
    pub fn read(&mut self, answer: &ApiAnswer, texts: &TextCodec) -> Result<ReadPage, PageError> {
        let history = self.api.people.as_ref().and_then(|people| people.cast.described.history.as_ref());
        if let Some(history) = history {
            let asked = AskedPage { channel_id: self.channel_id, size: self.size };
            let page = history.read(answer.as_http(), &mut self.progress, asked, texts)?;
            return Ok(ReadPage { rows: page.rows, next_cursor: page.next, positioned: page.positioned });
        }
        let page = HistoryPage::parse(answer.status, &answer.body, texts)?;
        self.progress.cursor.clone_from(&page.next_cursor);
        Ok(ReadPage { rows: page.rows, next_cursor: page.next_cursor, positioned: true })
    }
}
