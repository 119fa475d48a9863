//! What a subscriber does for the same user as a sender.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::outbox::{Errand, Outbox, Outgoing};
use crate::engine::socket::{self, Socket};
use crate::ledger::ConnectionEnd;
use crate::model::LatencyKind;
use std::rc::Rc;
use tokio_tungstenite::tungstenite::Message;

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
        first_byte.stamp(self.shard.now_us());
        if !socket::write(socket, Message::text(frame)).await {
            return Some(self.parted(ConnectionEnd::Lost, 0));
        }
        // Whoever does not wait any longer has noted the attempt's end.
        let _ = written.send(());
        None
    }
}
