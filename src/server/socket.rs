//! One live socket: a bounded queue that the publisher fills, and the task
//! that empties it.

use super::answer;
use super::apps::{self, App};
use super::defects::{Defect, subscriptions};
use super::directory::User;
use super::hints;
use super::limits::burn;
use super::replay;
use super::rtm;
use super::shared::Shared;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::SinkExt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Frames that may wait for a socket. Frames are shared, so a full queue costs
/// its slots alone.
pub(super) const QUEUE_FRAMES: usize = 1_024;
/// Frames that are written at once at most.
const FLUSH_FRAMES: usize = 64;
/// How long a socket may take for goodbye and close.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// What waits in a queue.
#[derive(Debug)]
pub(super) enum Push {
    /// An event.
    Event(Utf8Bytes),
    /// Another text frame: an answer.
    Frame(Utf8Bytes),
    /// The last thing: the server ends.
    Goodbye,
}

/// Why a socket must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    /// The peer closed it, or it broke.
    Peer = 1,
    /// Its queue is full: the peer reads too slowly.
    Overflow = 2,
    /// The server ends.
    Goodbye = 3,
    /// Cut without a word: a lost answer.
    Cut = 4,
    /// It has lived long enough: an app is to open another one.
    Refresh = 5,
}

/// A live socket, as the publisher sees it.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) user: Arc<User>,
    /// The app that it is a connection of, in Socket Mode.
    pub(super) app: Option<Arc<App>>,
    queue: mpsc::Sender<Push>,
    /// An [`End`] that was asked for, or 0.
    end: AtomicU8,
    ended: Notify,
}

impl Socket {
    /// A socket and what is queued for it.
    pub(super) fn new(
        user: Arc<User>,
        app: Option<Arc<App>>,
        queue_frames: usize,
    ) -> (Arc<Self>, mpsc::Receiver<Push>) {
        let (queue, frames) = mpsc::channel(queue_frames);
        (Arc::new(Self { user, app, queue, end: AtomicU8::new(0), ended: Notify::new() }), frames)
    }

    /// Queues an event: a frame that is shared.
    pub(super) fn push(&self, frame: &Utf8Bytes) {
        self.send(Push::Event(frame.clone()));
    }

    /// Queues a shared frame where half of the queue is free; otherwise nobody
    /// has to be told.
    pub(super) fn hint(&self, frame: &Utf8Bytes) {
        if self.queue.capacity() >= self.queue.max_capacity() / 2 {
            self.push(frame);
        }
    }

    /// Queues anything. A full queue ends the socket; a socket that has ended
    /// takes nothing.
    pub(super) fn send(&self, push: Push) {
        if let Err(mpsc::error::TrySendError::Full(push)) = self.queue.try_send(push) {
            self.end(if matches!(push, Push::Goodbye) { End::Goodbye } else { End::Overflow });
        }
    }

    /// Queues a shared frame, once there is room for it: the defect
    /// `blocking-fanout`.
    pub(super) async fn push_and_wait(&self, frame: &Utf8Bytes) {
        // A socket that ended meanwhile takes nothing.
        let _ = self.queue.send(Push::Event(frame.clone())).await;
    }

    /// Whether no further frame fits.
    pub(super) fn is_full(&self) -> bool {
        self.queue.capacity() == 0
    }

    /// Whether it has not ended.
    pub(super) fn is_open(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Asks the socket to end, even while it waits for its peer. The first
    /// reason stays.
    pub(super) fn end(&self, end: End) {
        if self.end.compare_exchange(0, end as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.ended.notify_one();
        }
    }

    async fn asked_to_end(&self) -> End {
        self.ended.notified().await;
        match self.end.load(Ordering::Relaxed) {
            end if end == End::Overflow as u8 => End::Overflow,
            end if end == End::Cut as u8 => End::Cut,
            end if end == End::Refresh as u8 => End::Refresh,
            _ => End::Goodbye,
        }
    }
}

/// Serves an upgraded connection until it ends.
pub(super) async fn serve(mut stream: WebSocket, user: Arc<User>, last_event: Option<u64>, server: Arc<Shared>) {
    let _alive = server.enter_socket();
    let (socket, mut frames) = Socket::new(user, None, server.defects.queue_frames(QUEUE_FRAMES));
    // Listening starts before hello, so hello confirms it.
    let greets_early = server.defects.greets_early(&socket);
    let missed = match greets_early {
        false => replay::connect(&server.directory, &socket, last_event, &server.replay),
        true => Vec::new(),
    };
    if server.stopping() {
        socket.send(Push::Goodbye);
    }
    hints::opened(&server, &socket.user);
    let hello = stream.send(Message::text(r#"{"type":"hello"}"#)).await;
    if greets_early {
        subscriptions::subscribe_late(&server, &socket).await;
    }
    let greeted = match hello {
        Ok(()) => replay::send(&mut stream, missed).await,
        Err(_) => Err(End::Peer),
    };
    let end = match greeted {
        Ok(()) => pump(&mut stream, &mut frames, &socket, &server).await,
        Err(end) => end,
    };
    server.directory.disconnect(&socket);
    hints::closed(&server, &socket);
    if server.defects.due(Defect::LostUnsubscribe) {
        subscriptions::unsubscribe_user_late(&server, &socket);
    }
    if end == End::Overflow {
        let count = server.count_overflow();
        tracing::warn!(user = %socket.user.id, count, "a socket read too slowly and was closed");
    }
    if matches!(end, End::Overflow | End::Goodbye) {
        let _ = tokio::time::timeout(FAREWELL, farewell(&mut stream, end)).await;
    }
}

/// Reads and writes until the socket ends.
pub(super) async fn pump(
    stream: &mut WebSocket,
    frames: &mut mpsc::Receiver<Push>,
    socket: &Arc<Socket>,
    server: &Arc<Shared>,
) -> End {
    // One future for the whole life: making one for each frame would cost more
    // than the frame.
    let mut asked_to_end = pin!(socket.asked_to_end());
    loop {
        tokio::select! {
            // The socket itself holds the sending half.
            Some(push) = frames.recv() => {
                let writing = write(stream, frames, push, server.burn_delivery);
                tokio::select! {
                    // A write that does not have to wait never looks further.
                    biased;
                    written = writing => if let Err(end) = written { return end },
                    end = &mut asked_to_end => return end,
                }
            }
            frame = stream.recv() => match frame {
                Some(Ok(Message::Text(text))) => {
                    if let Some(app) = &socket.app {
                        apps::socket::take(&text, app);
                    } else if let Some(answer) = rtm::take(&text, socket, server) {
                        socket.send(Push::Frame(answer.into()));
                    }
                }
                // The answers to ping and close frames leave with the next read.
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return End::Peer,
            },
            end = &mut asked_to_end => return end,
        }
    }
}

/// Writes what waits, in one go where it fits.
async fn write(
    stream: &mut WebSocket,
    frames: &mut mpsc::Receiver<Push>,
    first: Push,
    burn_event: Duration,
) -> Result<(), End> {
    let mut next = Some(first);
    let mut room = FLUSH_FRAMES;
    while let Some(push) = next {
        let frame = match push {
            Push::Goodbye => return Err(End::Goodbye),
            Push::Frame(frame) => frame,
            Push::Event(frame) => {
                burn(burn_event);
                frame
            }
        };
        stream.feed(Message::Text(frame)).await.map_err(|_| End::Peer)?;
        room -= 1;
        next = if room == 0 { None } else { frames.try_recv().ok() };
    }
    stream.flush().await.map_err(|_| End::Peer)
}

/// Goodbye, a close frame, and time for the peer to answer it: a connection
/// that is dropped with unread input is reset, and what was written is lost.
async fn farewell(stream: &mut WebSocket, end: End) {
    let goodbye = answer::text(&serde_json::json!({ "type": "goodbye" }));
    let (code, reason) = match end {
        End::Overflow => (close_code::POLICY, "read too slowly"),
        _ => (close_code::RESTART, "server ends"),
    };
    let close = CloseFrame { code, reason: reason.into() };
    if stream.send(Message::text(goodbye)).await.is_ok() && stream.send(Message::Close(Some(close))).await.is_ok() {
        while let Some(Ok(_)) = stream.recv().await {}
    }
}
