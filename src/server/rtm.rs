//! The socket's protocol: what a client may send over it.

use super::answer::{self, ApiError};
use super::api;
use super::hints;
use super::publisher;
use super::shared::Shared;
use super::socket::{Push, Socket};
use super::write::{Answer, Failure, Post, Write};
use super::writer::next_ts;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Largest frame that a client may send, in bytes; a larger one ends the
/// socket.
pub(super) const FRAME_BYTES: usize = 16 * 1024;

/// Refusals that another server of the store may have made groundless just now.
pub(super) const NEWS: [&str; 2] = ["channel_not_found", "not_in_channel"];

/// Takes a frame. Gives the answer where there is one at once: a message is
/// answered after its commit.
pub(super) fn take(frame: &str, socket: &Arc<Socket>, server: &Arc<Shared>) -> Option<String> {
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(frame) else {
        return Some(answer::socket_error(&Value::Null, ApiError("invalid_json")));
    };
    let id = fields.get("id").cloned();
    match fields.get("type").and_then(Value::as_str) {
        Some("ping") => Some(pong(fields)),
        Some("message") => {
            let error = send(fields, id.clone(), socket, server).err()?;
            if server.following.is_some() && NEWS.contains(&error.0) {
                tokio::spawn(send_again(frame.to_owned(), socket.clone(), server.clone()));
                return None;
            }
            id.map(|id| answer::socket_error(&id, error))
        }
        Some("typing") => {
            hints::typing(server, &socket.user, fields.get("channel"));
            None
        }
        Some(kind @ ("presence_sub" | "presence_query")) => {
            hints::presence(server, socket, &fields, kind == "presence_sub");
            None
        }
        Some("tickle") => None,
        _ => id.map(|id| answer::socket_error(&id, ApiError("invalid_type"))),
    }
}

/// All that a ping says comes back.
fn pong(fields: Map<String, Value>) -> String {
    let echoed = fields.into_iter().map(|(name, value)| match name.as_str() {
        "type" => (name, Value::from("pong")),
        "id" => ("reply_to".to_owned(), value),
        _ => (name, value),
    });
    answer::text(&echoed.collect::<Map<_, _>>())
}

/// Takes a message again once what other servers of the store did is known.
async fn send_again(frame: String, socket: Arc<Socket>, server: Arc<Shared>) {
    server.catch_up().await;
    let Ok(fields) = serde_json::from_str::<Map<String, Value>>(&frame) else { return };
    let id = fields.get("id").cloned();
    if let (Err(error), Some(id)) = (send(fields, id.clone(), &socket, &server), id) {
        socket.send(Push::Frame(answer::socket_error(&id, error).into()));
    }
}

fn send(
    mut fields: Map<String, Value>,
    id: Option<Value>,
    socket: &Arc<Socket>,
    server: &Shared,
) -> Result<(), ApiError> {
    let mut text = |name: &str| match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let channel = text("channel").and_then(|name| server.directory.channel(&name));
    let channel = channel.ok_or(ApiError("channel_not_found"))?;
    let (body, key) = (text("text").unwrap_or_default(), text("client_msg_id"));
    let thread = text("thread_ts");
    let key = key.filter(|key| !key.is_empty());
    let post = api::check_post(&socket.user, channel, body, key, thread.as_deref())?;
    if server.defects.drop_send(&post) {
        return Ok(());
    }
    let answer = Answer::Socket(socket.clone(), id);
    if server.fanout_first {
        return Ok(push_first(post, answer, server)?);
    }
    Ok(server.submit(Write::Post(Arc::new(post), answer))?)
}

/// Pushes a message, and only then gives it to the store: `ws-fanout-first`.
///
/// The channel stays locked meanwhile, so that what comes over sockets is
/// pushed and queued in the order of its positions. A message over HTTP gets
/// its position from the writer and may be committed before one that has an
/// earlier position. A repetition is pushed again, at a position that no row
/// will have: whether a message is new is known only to the store.
fn push_first(mut post: Post, answer: Answer, server: &Shared) -> Result<(), Failure> {
    let channel = post.channel.clone();
    let mut outlet = channel.outlet();
    let ts = next_ts(&channel);
    post.pushed_ts = Some(ts);
    outlet.push(ts, &publisher::event(&post, ts), &server.replay);
    server.submit(Write::Post(Arc::new(post), answer))
}
