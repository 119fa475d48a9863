//! A small valid plan, for tests.

use super::*;
use crate::model::{KeyLayout, SizeRange};

/// 40 users in 5 channels, 100 messages a second for 10 s.
pub fn plan() -> RunPlan {
    let backoff = Backoff { base_us: 100_000, max_us: 2_000_000 };
    RunPlan {
        workload: "fixture".into(),
        target: "reference".into(),
        seed: 1,
        population: Population {
            users: 40,
            channels: 5,
            members: Range { min: 5, max: 20 },
            senders: 40,
            subscribers: 40,
            choice: UserChoice::Uniform,
        },
        arrival: Arrival { process: ArrivalProcess::Poisson, phases: vec![phase(PhaseKind::Steady, 10, 100.0, 100.0)] },
        message_size_bytes: SizeRange { min: 100, max: 200 },
        send: Send { attempts: 4, timeout_us: 2_000_000, backoff, idle_timeout_us: 10_000_000 },
        connect: Connect { rate_per_s: 500.0, timeout_us: 5_000_000, backoff },
        churn: Churn { share_per_minute: 0.0, reset_share: 0.5, away_us: Range { min: 500_000, max: 2_000_000 } },
        heartbeat: Heartbeat { interval_us: 10_000_000, timeout_us: 5_000_000 },
        catch_up: CatchUp { page_size: 200, max_pages: 100, timeout_us: 5_000_000, cursor: CatchUpCursor::Read },
        drain: Drain { quiet_us: 500_000, deadline_us: 30_000_000, first_page_size: 200, second_page_size: 137 },
        measurement: Measurement {
            lag_p99_us: 1_000,
            canary_late_us: 10_000,
            canary_late_share: 0.001,
            achieved_share: 0.99,
            worker_cpu_share: 0.85,
        },
        thresholds: Vec::new(),
        capabilities: Capabilities {
            dedup: true,
            sender_order: true,
            live_order: true,
            read_after_ack: true,
            explicit_membership: true,
            own_push: true,
            lag_us: 1_000_000,
        },
        key_layout: KeyLayout { channel_bits: 20 },
    }
}

/// A phase of some seconds.
pub fn phase(kind: PhaseKind, duration_s: u64, rate_from: f64, rate_to: f64) -> Phase {
    Phase { kind, duration_us: duration_s * 1_000_000, rate_from, rate_to }
}
