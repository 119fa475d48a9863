//! The replay window: what a socket that comes back gets without asking
//! history.
//!
//! A client names the last event that it saw, by `event_ts`: the parameter
//! `last_event` of `rtm.connect`, handed on in the socket's address. Behind
//! hello it gets every event of its channels that is later and still in the
//! window, as the frames that were pushed, and then what is live; nothing lies
//! between. The window holds so many events of each channel, none older than
//! so long, in memory alone: it is empty after a restart. What lies past it is
//! lost to the client, and nothing says so: best effort, as a chat server
//! without a log would do it. A member gets nothing from before it joined.

use super::directory::Directory;
use super::options::ReplayWindow;
use super::socket::{End, Socket};
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::SinkExt;
use std::sync::Arc;
use std::time::Duration;

/// Frames of one write. Clients lose some of a thousand that come at once.
const BURST_FRAMES: usize = 20;
/// From one write to the next.
const PAUSE: Duration = Duration::from_millis(5);
/// Events that one socket is replayed at most: the newest.
const EVENTS: usize = 10_000;

/// Has a socket listen, and gives what it missed since an event (in µs).
pub(super) fn connect(
    directory: &Directory,
    socket: &Arc<Socket>,
    last_event: Option<u64>,
    window: &ReplayWindow,
) -> Vec<Utf8Bytes> {
    let Some(last_event) = last_event.filter(|_| window.events > 0) else {
        directory.connect(socket, |_, _| {});
        return Vec::new();
    };
    let mut missed = Vec::new();
    directory.connect(socket, |joined, outlet| missed.extend(outlet.behind(last_event.max(joined), window.age)));
    // Each channel's are in the order of their pushes; among channels, in the
    // order of their positions.
    missed.sort_by_key(|(event, _)| *event);
    let surplus = missed.len().saturating_sub(EVENTS);
    if surplus > 0 {
        tracing::warn!(user = %socket.user.id, surplus, "a replay was cut at its oldest end");
    }
    missed.into_iter().skip(surplus).map(|(_, frame)| frame).collect()
}

/// Sends what was missed, at a pace that clients survive.
pub(super) async fn send(stream: &mut WebSocket, missed: Vec<Utf8Bytes>) -> Result<(), End> {
    for (rank, frame) in missed.into_iter().enumerate() {
        stream.feed(Message::Text(frame)).await.map_err(|_| End::Peer)?;
        if rank % BURST_FRAMES == BURST_FRAMES - 1 {
            stream.flush().await.map_err(|_| End::Peer)?;
            tokio::time::sleep(PAUSE).await;
        }
    }
    stream.flush().await.map_err(|_| End::Peer)
}
