//! How a subscriber finds out that its connection is dead.

use super::held::Held;
use super::{Parted, Subscriber};
use crate::engine::socket::{self, Socket};
use crate::ledger::ConnectionEnd;
use crate::model::LatencyKind;
use crate::plan::{Connections, Direction, FAULT_JITTER_US, Fault, FaultKind, touches_user};
use crate::target::Frame;
use tokio_tungstenite::tungstenite::Message;

/// How far behind its time a fault of the path begins and ends at most, in µs.
const FAULT_LATE_US: u64 = 2 * FAULT_JITTER_US;

impl Subscriber {
    /// A connection has ended by itself. If it was half-open before, the end is
    /// what the client noticed.
    pub(super) fn note_half_open(&self, held: &Held, noticed_us: u64) {
        let (plan, load_start_us) = (self.shard.plan(), self.shard.load_start_us.get());
        let was_half_open = |(rank, fault): (usize, &Fault)| {
            let from_us = load_start_us + fault.at_us;
            fault.kind == FaultKind::Blackhole
                && fault.settings.connections != Connections::Posts
                && fault.settings.direction != Direction::ToTarget
                && touches_user(plan, rank, self.user)
                && (from_us..=from_us + fault.for_us + FAULT_LATE_US).contains(&noticed_us)
                && held.opened_us < from_us + FAULT_LATE_US
        };
        if load_start_us > 0 && plan.faults.iter().enumerate().any(was_half_open) {
            self.shard.record(LatencyKind::Notice, noticed_us - held.last_frame_us);
        }
    }

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
                held.next_ping_us = now_us + self.heartbeat_interval_us().unwrap_or(heartbeat.interval_us);
                // Socket Mode knows no ping of its own.
                let ping = match (&self.app, &self.wired) {
                    (_, Some(_)) => self.described_ping()?,
                    (Some(_), None) => Message::Ping(held.pings.to_string().into()),
                    (None, None) => Message::text(Frame::ping(held.pings)),
                };
                held.pinged_us = Some(now_us);
                held.pong_due_us = now_us + heartbeat.timeout_us;
                if !socket::write(socket, ping).await {
                    return Some(self.parted(ConnectionEnd::Lost, 0));
                }
            }
            None => {}
        }
        None
    }
}
