//! What the server says, as JSON.

use super::channel::Channel;
use super::directory::User;
use super::ids::{self, TEAM_ID};
use super::rows::{Edited, Reaction};
use super::write::{Failure, Post};
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;

/// An error of Slack's, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ApiError(pub(super) &'static str);

const RATE_LIMITED: ApiError = ApiError("ratelimited");

impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Overloaded => RATE_LIMITED,
            Failure::Internal => ApiError("internal_error"),
            Failure::Refused(error) => ApiError(error),
        }
    }
}

/// A body as JSON text.
pub(super) fn text(body: &impl Serialize) -> String {
    // Maps with text keys and plain structs only: nothing here can fail.
    serde_json::to_string(body).unwrap_or_default()
}

/// HTTP 200 with a body.
pub(super) fn ok(body: &impl Serialize) -> Response<Body> {
    with_status(StatusCode::OK, text(body))
}

/// An error as Slack tells it: HTTP 200, but 429 where the caller is to wait.
pub(super) fn error(error: ApiError) -> Response<Body> {
    let body = text(&serde_json::json!({ "ok": false, "error": error.0 }));
    if error != RATE_LIMITED {
        return with_status(StatusCode::OK, body);
    }
    let mut response = with_status(StatusCode::TOO_MANY_REQUESTS, body);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// A status with a JSON body.
pub(super) fn with_status(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// A message, pushed.
#[derive(Serialize)]
pub(super) struct MessageEvent<'a> {
    r#type: &'static str,
    channel: &'a str,
    user: &'a str,
    text: &'a str,
    ts: &'a str,
    event_ts: &'a str,
    team: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread_ts: Option<String>,
}

impl<'a> MessageEvent<'a> {
    pub(super) fn new(post: &'a Post, ts: &'a str) -> Self {
        Self {
            r#type: "message",
            channel: &post.channel.id,
            user: &post.user.id,
            text: &post.text,
            ts,
            event_ts: ts,
            team: TEAM_ID,
            client_msg_id: post.key.as_deref(),
            thread_ts: post.thread.map(ids::ts_text),
        }
    }
}

/// A message as it stands in a history or in the answer to its post.
#[derive(Serialize)]
pub(super) struct MessageRow<'a> {
    r#type: &'static str,
    user: Cow<'a, str>,
    text: &'a str,
    ts: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: Option<&'a str>,
    team: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thread_ts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edited: Option<Edited>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reactions: Vec<Reaction>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reply_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) latest_reply: Option<String>,
}

impl<'a> MessageRow<'a> {
    pub(super) fn new(user: Cow<'a, str>, text: &'a str, ts: Cow<'a, str>, client_msg_id: Option<&'a str>) -> Self {
        Self {
            r#type: "message",
            user,
            text,
            ts,
            client_msg_id,
            team: TEAM_ID,
            thread_ts: None,
            edited: None,
            reactions: Vec::new(),
            reply_count: None,
            latest_reply: None,
        }
    }
}

/// The answer to `chat.postMessage`.
#[derive(Serialize)]
pub(super) struct Posted<'a> {
    ok: bool,
    channel: &'a str,
    ts: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deduplicated: bool,
    message: MessageRow<'a>,
}

impl<'a> Posted<'a> {
    pub(super) fn new(post: &'a Post, ts: &'a str, repeats: Option<&'a str>) -> Self {
        let text = repeats.unwrap_or(&post.text);
        let thread_ts = post.thread.map(ids::ts_text);
        let message =
            MessageRow { thread_ts, ..MessageRow::new((&*post.user.id).into(), text, ts.into(), post.key.as_deref()) };
        Self { ok: true, channel: &post.channel.id, ts, deduplicated: repeats.is_some(), message }
    }
}

/// The acknowledgement of a message sent over a socket.
pub(super) fn socket_ack(reply_to: &Value, ts: u64, message: &str) -> String {
    #[derive(Serialize)]
    struct Ack<'a> {
        ok: bool,
        reply_to: &'a Value,
        ts: &'a str,
        text: &'a str,
    }
    text(&Ack { ok: true, reply_to, ts: &ids::ts_text(ts), text: message })
}

/// The refusal of a message sent over a socket. Code 2 is "no such thing or no
/// right to it", 1 anything else.
pub(super) fn socket_error(reply_to: &Value, error: ApiError) -> String {
    let code = if matches!(error.0, "channel_not_found" | "not_in_channel") { 2 } else { 1 };
    text(&serde_json::json!({ "ok": false, "reply_to": reply_to, "error": { "code": code, "msg": error.0 } }))
}

/// A channel, as one of its readers sees it.
pub(super) fn channel(channel: &Channel, reader: &User) -> Value {
    let (is_member, num_members) = {
        let members = channel.members();
        (members.contains_key(&reader.number), members.len())
    };
    serde_json::json!({
        "id": channel.id,
        "name": channel.name,
        "is_channel": true,
        "is_private": channel.is_private,
        "is_archived": false,
        "is_member": is_member,
        "created": channel.created_s,
        "creator": ids::user_id(channel.creator),
        "num_members": num_members,
    })
}

/// A page of a listing.
pub(super) fn page(name: &'static str, items: Vec<Value>, next_cursor: String) -> Response<Body> {
    ok(&serde_json::json!({ "ok": true, name: items, "response_metadata": { "next_cursor": next_cursor } }))
}
