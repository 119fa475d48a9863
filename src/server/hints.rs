//! Typing and presence: hints that are told once, as far as a socket has room
//! for them, and that nothing keeps.
//!
//! A user is `active` while one of their sockets is open. `presence_sub` names
//! the users (`ids`) that a socket wants to hear of, in place of all that it
//! named before, and is answered with a `presence_change` for each;
//! `presence_query` is answered alike, once. Where several servers use one
//! store, typing is told on all of them; presence is that on one's own server.

use super::answer;
use super::directory::User;
use super::shared::Shared;
use super::socket::Socket;
use super::sync::lock;
use super::write::Write;
use axum::extract::ws::Utf8Bytes;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Users that one socket may watch.
const WATCHED: usize = 500;

/// Who watches whom.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<HashMap<i64, Vec<Arc<Socket>>>>);

impl Watchers {
    fn watch(&self, socket: &Arc<Socket>, users: &[Arc<User>]) {
        self.forget(socket);
        let mut watchers = lock(&self.0);
        for user in users {
            watchers.entry(user.number).or_default().push(socket.clone());
        }
    }

    fn forget(&self, socket: &Arc<Socket>) {
        let mut watchers = lock(&self.0);
        watchers.values_mut().for_each(|sockets| sockets.retain(|other| !Arc::ptr_eq(other, socket)));
        watchers.retain(|_, sockets| !sockets.is_empty());
    }
}

/// Tells the others in a channel that a user types.
pub(super) fn typing(server: &Shared, user: &Arc<User>, channel: Option<&Value>) {
    let channel = channel.and_then(Value::as_str).and_then(|name| server.directory.channel(name));
    let Some(channel) = channel.filter(|channel| channel.has_member(user.number)) else { return };
    let frame = frame(&json!({ "type": "user_typing", "channel": channel.id, "user": user.id }));
    if server.following.is_none() {
        return channel.outlet().hint(user.number, &frame);
    }
    // A hint that finds no room is nobody's loss.
    let _ = server.submit(Write::Hint { channel, user: user.clone(), frame });
}

/// Answers `presence_sub` and `presence_query`.
pub(super) fn presence(server: &Shared, socket: &Arc<Socket>, fields: &Map<String, Value>, goes_on: bool) {
    let ids = fields.get("ids").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let ids = ids.iter().take(WATCHED).filter_map(Value::as_str);
    let users: Vec<Arc<User>> = ids.filter_map(|id| server.directory.user_by_id(id)).collect();
    if goes_on {
        server.watchers.watch(socket, &users);
    }
    for user in users {
        socket.hint(&presence_change(&user, !server.directory.sockets_of(&user).is_empty()));
    }
}

/// A socket has opened.
pub(super) fn opened(server: &Shared, user: &User) {
    if server.directory.sockets_of(user).len() == 1 {
        tell(server, user, true);
    }
}

/// A socket has closed.
pub(super) fn closed(server: &Shared, socket: &Arc<Socket>) {
    server.watchers.forget(socket);
    if server.directory.sockets_of(&socket.user).is_empty() {
        tell(server, &socket.user, false);
    }
}

fn tell(server: &Shared, user: &User, active: bool) {
    let watchers = lock(&server.watchers.0).get(&user.number).cloned().unwrap_or_default();
    if !watchers.is_empty() {
        let frame = presence_change(user, active);
        watchers.iter().for_each(|socket| socket.hint(&frame));
    }
}

fn presence_change(user: &User, active: bool) -> Utf8Bytes {
    let presence = if active { "active" } else { "away" };
    frame(&json!({ "type": "presence_change", "user": user.id, "presence": presence }))
}

fn frame(event: &Value) -> Utf8Bytes {
    answer::text(event).into()
}
