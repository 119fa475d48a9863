//! The heartbeats of a described target.

use super::Subscriber;
use super::held::Held;
use super::opening::Opening;
use crate::target::{Every, Transport, Variable};
use tokio_tungstenite::tungstenite::Message;

impl Subscriber {
    /// The times of heartbeats: the target's own where it has some.
    pub(super) fn set_heartbeat(&self, held: &mut Held) {
        let Some(wired) = &self.wired else { return };
        let Some(interval_us) = self.heartbeat_interval_us() else {
            held.next_ping_us = super::held::NEVER_US;
            return;
        };
        let now_us = self.shard.now_us();
        let first_us = now_us + self.random.clone().between(interval_us / 2, interval_us);
        if wired.described.receive.heartbeat.is_some() && held.pings == 0 {
            held.next_ping_us = first_us;
        }
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
