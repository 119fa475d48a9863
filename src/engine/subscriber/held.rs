//! One connection while it is held: what the client knows about its life.

use crate::engine::catch_up::CatchUpTask;
use crate::engine::shard::Shard;
use crate::engine::worker::Phase;
use crate::model::Random;
use crate::plan::Wish;
use std::collections::VecDeque;
use std::net::SocketAddr;
use tokio::sync::watch;

/// Thirty years: a timer that does not fire.
pub const NEVER_US: u64 = 1_000_000_000_000_000;

/// One connection while it is held.
// In C's order: what every frame changes stands first.
#[repr(C)]
pub struct Held {
    pub last_frame_us: u64,
    /// When the frame before the last one came.
    pub previous_frame_us: u64,
    pub armed: bool,
    /// The timer must be set anew.
    pub schedule_changed: bool,
    pub opened_us: u64,
    /// The socket's own address.
    pub local: Option<SocketAddr>,
    /// The subscription must be confirmed by then.
    pub arm_by_us: u64,
    pub pings: u64,
    pub next_ping_us: u64,
    pub pinged_us: Option<u64>,
    pub pong_due_us: u64,
    /// While the client reads nothing: until when.
    pub stopped_until_us: Option<u64>,
    pub catch_up: Option<CatchUpTask>,
    pub healing_since_us: u64,
    /// What of the run's phases it has attended to.
    pub phase: watch::Receiver<Phase>,
}

impl Held {
    /// A connection that was opened now.
    pub fn new(shard: &Shard, random: &mut Random, phase: watch::Receiver<Phase>) -> Self {
        let now_us = shard.now_us();
        let interval_us = shard.plan().heartbeat.interval_us;
        // The first ping is jittered: a thousand clients that connect together
        // do not beat together.
        let first_us = if interval_us == 0 { NEVER_US } else { random.between(interval_us / 2, interval_us) };
        Self {
            opened_us: now_us,
            local: None,
            arm_by_us: now_us + shard.plan().connect.timeout_us,
            armed: false,
            schedule_changed: false,
            last_frame_us: now_us,
            previous_frame_us: now_us,
            pings: 0,
            next_ping_us: now_us + first_us,
            pinged_us: None,
            pong_due_us: NEVER_US,
            stopped_until_us: None,
            catch_up: None,
            healing_since_us: now_us,
            phase,
        }
    }

    /// When the timer is due next.
    pub fn due_us(&self, wishes: &VecDeque<Wish>, load_start_us: u64) -> u64 {
        if !self.armed {
            return self.arm_by_us;
        }
        // Who reads nothing sees no answer to a ping either.
        if let Some(until_us) = self.stopped_until_us {
            return until_us;
        }
        let heartbeat_us = if self.pinged_us.is_some() { self.pong_due_us } else { self.next_ping_us };
        match wishes.front() {
            Some(next) if load_start_us > 0 => heartbeat_us.min(load_start_us + next.at_us),
            _ => heartbeat_us,
        }
    }
}
