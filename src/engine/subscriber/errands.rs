//! What a subscriber does for the same user as a sender.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::outbox::{Errand, Outbox, Outgoing};
use crate::engine::socket::Socket;
use crate::ledger::ConnectionEnd;
use crate::model::LatencyKind;
use futures_util::SinkExt;
use std::rc::Rc;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// How long a frame may wait for room in the socket.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);

/// The next errand; never, where nothing is sent over the socket.
pub(super) async fn next(outbox: &Option<Rc<Outbox>>) -> Errand {
    match outbox {
        Some(outbox) => outbox.next().await,
        None => std::future::pending().await,
    }
}

impl Subscriber {
    /// Does it; how the connection is left, if it is.
    pub(super) async fn run_errand(&self, errand: Errand, socket: &mut Socket, held: &Held) -> Option<Parted> {
        let outgoing = match errand {
            Errand::Write(outgoing) => outgoing,
            Errand::GiveUp => {
                self.shard.record(LatencyKind::Notice, self.shard.now_us() - held.last_frame_us);
                return Some(self.parted(ConnectionEnd::Dead, 0));
            }
        };
        let Outgoing { frame, first_byte, written } = outgoing;
        first_byte.set(Some(self.shard.now_us()));
        let writing = socket.send(Message::text(frame));
        if !matches!(tokio::time::timeout(WRITE_PATIENCE, writing).await, Ok(Ok(()))) {
            return Some(self.parted(ConnectionEnd::Lost, 0));
        }
        // Whoever does not wait any longer has noted the attempt's end.
        let _ = written.send(());
        None
    }
}
