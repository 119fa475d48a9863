//! How a subscriber finds out that its connection is dead.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::socket::Socket;
use crate::ledger::ConnectionEnd;
use crate::model::LatencyKind;
use crate::target::Frame;
use futures_util::SinkExt;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

/// How long a ping may wait for room in the socket.
const WRITE_PATIENCE: Duration = Duration::from_secs(1);

impl Subscriber {
    /// Pings when it is time, and gives the connection up when no answer came.
    pub(super) async fn beat(&self, socket: &mut Socket, held: &mut Held, now_us: u64) -> Option<Parted> {
        let heartbeat = self.shard.plan().heartbeat;
        match held.pinged_us {
            Some(pinged_us) if held.last_frame_us >= pinged_us => held.pinged_us = None,
            Some(pinged_us) if now_us >= pinged_us + heartbeat.timeout_us => {
                self.shard.record(LatencyKind::Notice, now_us - held.last_frame_us);
                return Some(self.parted(ConnectionEnd::Dead, 0));
            }
            Some(_) => {}
            None if now_us >= held.next_ping_us => {
                held.pings += 1;
                held.pinged_us = Some(now_us);
                held.pong_due_us = now_us + heartbeat.timeout_us;
                held.next_ping_us = now_us + heartbeat.interval_us;
                // Socket Mode knows no ping of its own.
                let ping = match self.app {
                    Some(_) => Message::Ping(held.pings.to_string().into()),
                    None => Message::text(Frame::ping(held.pings)),
                };
                let writing = socket.send(ping);
                if !matches!(tokio::time::timeout(WRITE_PATIENCE, writing).await, Ok(Ok(()))) {
                    return Some(self.parted(ConnectionEnd::Lost, 0));
                }
            }
            None => {}
        }
        None
    }
}
