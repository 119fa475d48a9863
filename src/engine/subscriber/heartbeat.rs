//! How a subscriber finds out that its connection is dead.

use super::held::{Held, NEVER_US};
use super::opening::Opening;
use super::{Parted, Subscriber};
use crate::engine::socket::{self, Socket};
use crate::ledger::ConnectionEnd;
use crate::model::LatencyKind;
use crate::plan::{Connections, Direction, FAULT_JITTER_US, Fault, FaultKind, touches_user};
use crate::target::{Every, Frame, Transport, Variable};
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
            None if now_us >= held.next_ping_us && self.heard_of_late(held, now_us) => {
                held.next_ping_us = held.last_frame_us + self.heartbeat_interval_us().unwrap_or(heartbeat.interval_us);
            }
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

    /// The times of heartbeats: the target's own where it has some.
    pub(super) fn set_heartbeat(&self, held: &mut Held) {
        let Some(wired) = &self.wired else { return };
        let Some(interval_us) = self.heartbeat_interval_us() else {
            held.next_ping_us = NEVER_US;
            return;
        };
        let now_us = self.shard.now_us();
        let first_us = now_us + self.random.clone().between(interval_us / 2, interval_us);
        if wired.described.receive.heartbeat.is_some() && held.pings == 0 {
            held.next_ping_us = first_us;
        }
    }

    /// Whether a frame came within the interval, at a target that wants heartbeats
    /// only where nothing else comes.
    fn heard_of_late(&self, held: &Held, now_us: u64) -> bool {
        let heartbeat = self.wired.as_ref().and_then(|wired| wired.described.receive.heartbeat.as_ref());
        let interval_us = self.heartbeat_interval_us().unwrap_or(u64::MAX);
        heartbeat.is_some_and(|heartbeat| heartbeat.only_idle) && held.last_frame_us + interval_us > now_us
    }

    /// How often a heartbeat is sent, in µs; `None` where none is.
    pub(super) fn heartbeat_interval_us(&self) -> Option<u64> {
        let workload_us = self.shard.plan().heartbeat.interval_us;
        let workload = (workload_us > 0).then_some(workload_us);
        let Some(wired) = &self.wired else { return workload };
        let receive = &wired.described.receive;
        match &receive.heartbeat {
            None if receive.transport == Transport::Ws => workload,
            None => None,
            Some(heartbeat) => match heartbeat.every {
                Every::Workload => workload,
                Every::Fixed(interval_us) => Some(interval_us),
                Every::Captured(variable) => {
                    let connection = wired.connections.first()?;
                    let Variable::Conn(slot) = variable else { return None };
                    let ms: f64 = connection.values.get(slot as usize)?.as_deref()?.parse().ok()?;
                    Some((ms * 1_000.0) as u64)
                }
            },
        }
    }

    /// The next heartbeat; `None` where it cannot be rendered.
    pub(super) fn described_ping(&self) -> Option<Message> {
        let wired = self.wired.as_ref()?;
        let frame = wired.described.receive.heartbeat.as_ref().and_then(|heartbeat| heartbeat.frame.as_ref());
        let Some(frame) = frame else { return Some(Message::Ping(Vec::new().into())) };
        let opening = Opening { subscriber: self, described: &wired.described, channels: String::new(), channel: None };
        match opening.render(wired.connections.first()?, |scope, _| frame.render(scope)) {
            Ok(frame) => Some(Message::text(frame)),
            Err(error) => {
                self.shard.trouble.replace(Some(error.to_string()));
                None
            }
        }
    }
}
