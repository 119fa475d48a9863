//! The methods of the Web API that a chat needs.

use super::answer::{self, ApiError, Posted};
use super::changes::What;
use super::channel::Channel;
use super::defects::{Defect, keys};
use super::directory::User;
use super::history::{self, PageRequest};
use super::ids::{self, TEAM_ID};
use super::params::{self, Malformed, Params};
use super::shared::Shared;
use super::tickets::Holder;
use super::write::{Answer, Failure, Post, Stored, Told, Write};
use super::{app_api, apps, rtm};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Response, StatusCode};
use serde_json::json;
use std::sync::Arc;

/// Longest text of a message, in characters.
const TEXT_CHARS: usize = 40_000;
/// Longest key of a message, in bytes.
const KEY_BYTES: usize = 255;
/// Longest token, in bytes.
const TOKEN_BYTES: usize = 512;
/// Longest name of a channel, in characters.
const NAME_CHARS: usize = 80;
const LIST_DEFAULT: usize = 100;
const LIST_MAX: usize = 1_000;

/// On a response: close the connection instead of answering.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoseAnswer;

pub(super) type Answered = Result<Response<Body>, ApiError>;

/// One call.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) server: Arc<Shared>,
    pub(super) user: Arc<User>,
    pub(super) params: Params,
}

/// Answers a call of a method.
pub(super) async fn answer(
    server: Arc<Shared>,
    method: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let params = match Params::read(query, headers, body).await {
        Ok(params) => params,
        Err(Malformed(name)) => return answer::error(ApiError(name)),
    };
    let user = match params::token(headers, &params) {
        Some(token) if token.len() > TOKEN_BYTES => return answer::error(ApiError("invalid_auth")),
        Some(token) if app_api::is_of_apps(method) => {
            return app_api::call(&server, method, token, headers, &params).await.unwrap_or_else(answer::error);
        }
        Some(token) if token.starts_with(apps::APP_TOKEN) => {
            return answer::error(ApiError("not_allowed_token_type"));
        }
        None => return answer::error(ApiError("not_authed")),
        Some(token) => server.user(token).await,
    };
    let user = match user {
        Ok(user) => user,
        Err(failure) => return answer::error(failure.into()),
    };
    let call = Call { server, user, params };
    let hot = ["chat.postMessage", "conversations.history"].contains(&method);
    if !hot {
        call.server.catch_up().await;
    }
    // What is missing here, another server of the store may have made just now.
    let again = call.server.following.is_some().then(|| call.clone());
    let answered = call.answer(method, headers).await;
    let answered = match (answered, again) {
        (Err(ApiError(refusal)), Some(again)) if hot && rtm::NEWS.contains(&refusal) => {
            again.server.catch_up().await;
            again.answer(method, headers).await
        }
        (answered, _) => answered,
    };
    answered.unwrap_or_else(answer::error)
}

impl Call {
    async fn answer(self, method: &str, headers: &HeaderMap) -> Answered {
        let call = self;
        match method {
            "chat.postMessage" => call.post_message().await,
            "conversations.history" => call.history().await,
            "conversations.replies" => call.replies().await,
            "chat.update" => call.update().await,
            "chat.delete" => call.delete().await,
            "reactions.add" => call.react(What::React).await,
            "reactions.remove" => call.react(What::Unreact).await,
            "rtm.connect" => call.rtm_connect(headers),
            "chat.command" => call.command(headers).await,
            "posthaste.interact" => call.interact(headers).await,
            "auth.test" => Ok(call.auth_test(headers)),
            "conversations.create" => call.create().await,
            "conversations.join" => call.join().await,
            "conversations.leave" => call.leave().await,
            "conversations.invite" => call.invite().await,
            "conversations.list" => call.list(),
            "conversations.members" => call.members(),
            _ => Ok(unknown_method()),
        }
    }
}

pub(super) fn unknown_method() -> Response<Body> {
    answer::with_status(StatusCode::NOT_FOUND, r#"{"ok":false,"error":"unknown_method"}"#.to_owned())
}

impl Call {
    pub(super) fn channel(&self) -> Result<Arc<Channel>, ApiError> {
        let name = self.params.get("channel").ok_or(ApiError("channel_not_found"))?;
        let channel = self.server.directory.channel(name);
        // Of a private channel an outsider is told what it is told of none.
        channel.filter(|channel| channel.is_open_to(self.user.number)).ok_or(ApiError("channel_not_found"))
    }

    async fn post_message(mut self) -> Answered {
        let text = self.params.take("text").unwrap_or_default();
        let key = self.params.take("client_msg_id");
        let post = Arc::new(check_post(&self.user, self.channel()?, text, key, self.params.get("thread_ts"))?);
        let stored = self.store(&post).await?;
        let ts = ids::ts_text(stored.ts);
        let mut response = answer::ok(&Posted::new(&post, &ts, stored.repeats.as_deref()));
        match stored.told {
            Told::Position => {}
            Told::Nothing => _ = response.extensions_mut().insert(LoseAnswer),
            Told::Refusal(error) => return Err(ApiError(error)),
            Told::Crash => {
                let error = r#"{"ok":false,"error":"internal_error"}"#.to_owned();
                return Ok(answer::with_status(StatusCode::INTERNAL_SERVER_ERROR, error));
            }
        }
        Ok(response)
    }

    async fn store(&self, post: &Arc<Post>) -> Result<Stored, Failure> {
        if self.server.defects.has(Defect::DedupRace)
            && let Some(known) = keys::look_up(&self.server, post).await?
        {
            return Ok(known);
        }
        let post = post.clone();
        self.server.write(|answer| Write::Post(post, Answer::Call(answer))).await
    }

    async fn history(self) -> Answered {
        if self.channel().is_ok_and(|channel| channel.is_private) {
            // Another server of the store may have had the user leave just now.
            self.server.catch_up().await;
        }
        let channel = self.channel().or_else(|refusal| self.private_for_all().ok_or(refusal))?;
        let request = PageRequest::read(&self.params)?;
        let defects = self.server.defects.clone();
        let user = self.user;
        let read = move |database: &_| history::answer(database, &channel, &request, &user.id, &defects);
        let body = self.server.readers.read(read).await?;
        Ok(answer::with_status(StatusCode::OK, body))
    }

    /// The private channel that a planted defect opens to a reader.
    fn private_for_all(&self) -> Option<Arc<Channel>> {
        let channel = self.server.directory.channel(self.params.get("channel")?)?;
        self.server.defects.open_private(&channel, &self.user).then_some(channel)
    }

    fn rtm_connect(self, headers: &HeaderMap) -> Answered {
        let ticket = self.server.tickets.issue(Holder::User(self.user.number));
        let mut url = self.server.url("ws", headers, &format!("rtm?ticket={ticket}"));
        if let Some(last_event) = self.params.get("last_event") {
            ids::parse_ts(last_event).ok_or(ApiError("invalid_last_event"))?;
            url += &format!("&last_event={last_event}");
        }
        Ok(answer::ok(&json!({
            "ok": true,
            "url": url,
            "self": { "id": self.user.id, "name": self.user.id },
            "team": { "id": TEAM_ID, "name": "posthaste", "domain": "posthaste" },
        })))
    }

    fn auth_test(&self, headers: &HeaderMap) -> Response<Body> {
        answer::ok(&json!({
            "ok": true,
            "url": self.server.url("http", headers, ""),
            "team": "posthaste",
            "user": self.user.id,
            "team_id": TEAM_ID,
            "user_id": self.user.id,
            // RTM clients drop every event where this is null.
            "bot_id": format!("B{}", &self.user.id[1..]),
        }))
    }

    async fn create(self) -> Answered {
        let name = self.params.get("name").ok_or(ApiError("invalid_name_required"))?;
        let fits = name.chars().count() <= NAME_CHARS
            && name.chars().all(|letter| letter.is_alphanumeric() || "-_".contains(letter))
            && !name.chars().any(char::is_uppercase);
        if !fits {
            return Err(ApiError("invalid_name_specials"));
        }
        let is_private = self.params.flag("is_private");
        let (name, creator) = (name.into(), self.user.clone());
        let channel = self.server.write(|answer| Write::Channel { name, creator, is_private, answer }).await?;
        Ok(self.about(&channel))
    }

    async fn join(self) -> Answered {
        let channel = self.channel()?;
        if channel.is_private {
            return Err(ApiError("method_not_supported_for_channel_type"));
        }
        self.add_members(&channel, vec![self.user.clone()]).await?;
        Ok(self.about(&channel))
    }

    /// Leaving what one is not in is no error on Slack's wire either.
    async fn leave(self) -> Answered {
        let channel = self.channel()?;
        if !channel.has_member(self.user.number) {
            return Ok(answer::ok(&json!({ "ok": true, "not_in_channel": true })));
        }
        let user = self.user;
        self.server.write(|answer| Write::Leave { channel, user, answer }).await?;
        Ok(answer::ok(&json!({ "ok": true })))
    }

    async fn invite(self) -> Answered {
        let channel = self.channel()?;
        if !channel.has_member(self.user.number) {
            return Err(ApiError("not_in_channel"));
        }
        let ids = self.params.get("users").ok_or(ApiError("no_user"))?;
        let users: Option<Vec<_>> =
            ids.split(',').map(str::trim).map(|id| self.server.directory.user_by_id(id)).collect();
        self.add_members(&channel, users.ok_or(ApiError("user_not_found"))?).await?;
        Ok(self.about(&channel))
    }

    async fn add_members(&self, channel: &Arc<Channel>, users: Vec<Arc<User>>) -> Result<(), Failure> {
        let channel = channel.clone();
        self.server.write(|answer| Write::Join { channel, users, answer }).await
    }

    fn about(&self, channel: &Channel) -> Response<Body> {
        answer::ok(&json!({ "ok": true, "channel": answer::channel(channel, &self.user) }))
    }

    fn list(self) -> Answered {
        let limit = history::limit(&self.params, LIST_DEFAULT, LIST_MAX)?;
        let mut channels = self.server.directory.channels_after(self.cursor()?, limit + 1);
        let more = channels.len() > limit;
        channels.truncate(limit);
        let next = channels.last().filter(|_| more).map_or(String::new(), |last| last.number.to_string());
        channels.retain(|channel| channel.is_open_to(self.user.number));
        let items = channels.iter().map(|channel| answer::channel(channel, &self.user)).collect();
        Ok(answer::page("channels", items, next))
    }

    fn members(self) -> Answered {
        let channel = self.channel()?;
        let limit = history::limit(&self.params, LIST_DEFAULT, LIST_MAX)?;
        let after = self.cursor()?;
        let mut numbers: Vec<i64> =
            channel.members().range(after + 1..).take(limit + 1).map(|(number, _)| *number).collect();
        let more = numbers.len() > limit;
        numbers.truncate(limit);
        let next = numbers.last().filter(|_| more).map_or(String::new(), |last| last.to_string());
        let items = numbers.into_iter().map(|number| ids::user_id(number).into()).collect();
        Ok(answer::page("members", items, next))
    }

    /// The row that the last page of a listing ended with.
    fn cursor(&self) -> Result<i64, ApiError> {
        let Some(cursor) = self.params.get("cursor") else { return Ok(0) };
        cursor.parse::<u32>().map(i64::from).map_err(|_| ApiError("invalid_cursor"))
    }
}

/// A post that may be stored, over HTTP or a socket.
pub(super) fn check_post(
    user: &Arc<User>,
    channel: Arc<Channel>,
    text: String,
    key: Option<String>,
    thread: Option<&str>,
) -> Result<Post, ApiError> {
    let thread = thread.map(|ts| ids::parse_ts(ts).ok_or(ApiError("thread_not_found"))).transpose()?;
    if !channel.has_member(user.number) {
        return Err(ApiError(if channel.is_private { "channel_not_found" } else { "not_in_channel" }));
    }
    check_text(&text)?;
    if key.as_ref().is_some_and(|key| key.len() > KEY_BYTES) {
        return Err(ApiError("invalid_arguments"));
    }
    Ok(Post { channel, user: user.clone(), key: key.map(Into::into), text: text.into(), thread, pushed_ts: None })
}

/// Whether a message may have a text.
pub(super) fn check_text(text: &str) -> Result<(), ApiError> {
    if text.is_empty() {
        return Err(ApiError("no_text"));
    }
    if text.len() > TEXT_CHARS && text.chars().count() > TEXT_CHARS {
        return Err(ApiError("msg_too_long"));
    }
    Ok(())
}
