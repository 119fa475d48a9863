//! Bugs of subscribing: sockets that take themselves for subscribed and are
//! not.

use super::super::shared::Shared;
use super::super::socket::Socket;
use super::super::sync::lock;
use super::super::write::Post;
use super::{Defect, Defects, Instance};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// From hello to the subscription: `subscribe-gap`.
const GAP: Duration = Duration::from_millis(100);
/// How long a session outlives its socket: `lost-unsubscribe`.
const GRACE: Duration = Duration::from_millis(300);
/// Frames that may wait for a socket where the fan-out waits for it too:
/// `blocking-fanout`.
const SHORT_QUEUE_FRAMES: usize = 16;

/// Sockets that were told that they listen, and do not, and which bug did it.
#[derive(Debug, Default)]
pub(super) struct Deaf(Mutex<Vec<(Defect, Arc<Socket>)>>);

impl Deaf {
    fn add(&self, defect: Defect, socket: &Arc<Socket>) {
        let mut deaf = lock(&self.0);
        if !deaf.iter().any(|(_, known)| Arc::ptr_eq(known, socket)) {
            deaf.push((defect, socket.clone()));
        }
    }

    fn remove(&self, socket: &Arc<Socket>) {
        lock(&self.0).retain(|(_, deaf)| !Arc::ptr_eq(deaf, socket));
    }

    /// Notes each of them that misses a push to its channel's listeners.
    pub(super) fn note_missed(&self, defects: &Defects, post: &Post, ts: u64, listeners: &[Arc<Socket>]) {
        let mut deaf = lock(&self.0);
        deaf.retain(|(_, socket)| socket.is_open());
        for (defect, socket) in deaf.iter().filter(|(_, socket)| post.channel.has_member(socket.user.number)) {
            if !listeners.iter().any(|listener| Arc::ptr_eq(listener, socket)) {
                defects.note(&Instance::new(defect.name(), post, ts).to(&socket.user.id));
            }
        }
    }
}

impl Defects {
    /// Frames that may wait for a socket.
    pub(crate) fn queue_frames(&self, correct: usize) -> usize {
        if self.has(Defect::BlockingFanout) { SHORT_QUEUE_FRAMES } else { correct }
    }

    /// Whether a socket is to be told hello before it listens.
    pub(crate) fn greets_early(&self, socket: &Arc<Socket>) -> bool {
        let early = self.due(Defect::SubscribeGap);
        if early {
            self.deaf.add(Defect::SubscribeGap, socket);
        }
        early
    }
}

/// Subscribes a socket that was told hello already.
pub(crate) async fn subscribe_late(server: &Shared, socket: &Arc<Socket>) {
    tokio::time::sleep(GAP).await;
    server.directory.connect(socket, |_, _| {});
    server.defects.deaf.remove(socket);
}

/// The socket of a session is gone; some time later the session is ended by
/// its user, and with it what the user has subscribed meanwhile.
pub(crate) fn unsubscribe_user_late(server: &Arc<Shared>, socket: &Arc<Socket>) {
    let (server, user) = (server.clone(), socket.user.clone());
    tokio::spawn(async move {
        tokio::time::sleep(GRACE).await;
        for socket in server.directory.unsubscribe(&user) {
            server.defects.deaf.add(Defect::LostUnsubscribe, &socket);
        }
    });
}
