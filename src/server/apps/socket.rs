//! One connection of an app in Socket Mode.
//!
//! It is refreshed where asked: a warning some time before, then
//! `refresh_requested`, from which on it gets nothing more. The app opens
//! another one; this one may still acknowledge until it is closed.

use super::super::answer;
use super::super::directory::User;
use super::super::shared::Shared;
use super::super::socket::{self, End, FAREWELL, Push, Socket};
use super::App;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Largest frame that an app may send, in bytes.
pub(in super::super) const FRAME_BYTES: usize = 256 * 1024;
/// From the warning to the refresh, at most.
const WARNING: Duration = Duration::from_secs(10);

/// Serves an upgraded connection until it ends.
pub(in super::super) async fn serve(mut stream: WebSocket, bot: Arc<User>, app: Arc<App>, server: Arc<Shared>) {
    let _alive = server.enter_socket();
    let (socket, mut frames) = Socket::new(bot, Some(app.clone()), socket::QUEUE_FRAMES);
    let Some(connections) = app.relay.attach(&socket) else {
        let _ = tokio::time::timeout(FAREWELL, farewell(&mut stream, &app, "too_many_websockets")).await;
        return;
    };
    if server.stopping() {
        socket.send(Push::Goodbye);
    }
    let refresh = server.apps.options().socket_refresh;
    let greeting = stream.send(Message::text(hello(&app, connections, refresh))).await;
    let refreshing = refresh.map(|after| tokio::spawn(refresh_later(socket.clone(), after)));
    app.relay.employ(&socket);
    let end = match greeting {
        Ok(()) => socket::pump(&mut stream, &mut frames, &socket, &server).await,
        Err(_) => End::Peer,
    };
    app.relay.retire(&socket);
    if let Some(refreshing) = refreshing {
        refreshing.abort();
    }
    if matches!(end, End::Overflow | End::Goodbye | End::Refresh) {
        let _ = tokio::time::timeout(FAREWELL, farewell(&mut stream, &app, "refresh_requested")).await;
    }
    app.relay.detach(&socket);
}

fn hello(app: &App, connections: usize, refresh: Option<Duration>) -> String {
    answer::text(&json!({
        "type": "hello",
        "num_connections": connections,
        "connection_info": { "app_id": app.identity.app },
        "debug_info": {
            "host": "posthaste",
            "started": jiff::Timestamp::now().to_string(),
            "build_number": 1,
            "approximate_connection_time": refresh.map_or(0, |after| after.as_secs()),
        },
    }))
}

async fn refresh_later(socket: Arc<Socket>, after: Duration) {
    let warning = WARNING.min(after / 5);
    tokio::time::sleep(after - warning).await;
    socket.send(Push::Frame(disconnect("warning").into()));
    tokio::time::sleep(warning).await;
    socket.end(End::Refresh);
}

fn disconnect(reason: &str) -> String {
    answer::text(&json!({ "type": "disconnect", "reason": reason, "debug_info": { "host": "posthaste" } }))
}

/// Says that the connection ends, takes acknowledgements until the app closes
/// it, and closes it itself where the app does not.
async fn farewell(stream: &mut WebSocket, app: &App, reason: &str) {
    if stream.send(Message::text(disconnect(reason))).await.is_err() {
        return;
    }
    let rest = async {
        while let Some(Ok(frame)) = stream.recv().await {
            if let Message::Text(text) = frame {
                take(&text, app);
            }
        }
    };
    if tokio::time::timeout(FAREWELL / 2, rest).await.is_err() {
        let close = CloseFrame { code: close_code::NORMAL, reason: "refresh".into() };
        if stream.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = stream.recv().await {}
        }
    }
}

/// Takes a frame: an acknowledgement, or nothing that matters.
pub(in super::super) fn take(frame: &str, app: &App) {
    let Ok(mut frame) = serde_json::from_str::<Value>(frame) else { return };
    let id = frame.get("envelope_id").and_then(Value::as_str).and_then(|id| Uuid::parse_str(id).ok());
    if let Some(id) = id {
        app.relay.acknowledge(id, frame.get_mut("payload").map(Value::take));
    }
}
