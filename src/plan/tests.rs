//! A plan for the tests of this module.

use super::*;
use crate::model::{KeyLayout, SizeRange};

/// A small valid plan.
pub fn example() -> RunPlan {
    let backoff = Backoff { base_us: 100_000, max_us: 2_000_000 };
    RunPlan {
        workload: "example".to_owned(),
        target: "reference".to_owned(),
        seed: 42,
        population: Population {
            users: 100,
            channels: 10,
            members: Range { min: 5, max: 20 },
            senders: 100,
            subscribers: 100,
            choice: UserChoice::Uniform,
            private_share: 0.0,
        },
        arrival: Arrival { process: ArrivalProcess::Poisson, phases: vec![phase(PhaseKind::Steady, 10, 200.0, 200.0)] },
        message_size_bytes: SizeRange { min: 80, max: 200 },
        send: Send {
            design: SendDesign::Http,
            http: HttpUse::Kept,
            taps: Taps::NONE,
            attempts: 4,
            timeout_us: 5_000_000,
            backoff,
            idle_timeout_us: 10_000_000,
        },
        changes: Changes::NONE,
        hints: Hints::default(),
        actions: Actions::default(),
        receive: Receive::default(),
        connect: Connect { rate_per_s: 500.0, timeout_us: 10_000_000, backoff },
        churn: Churn { share_per_minute: 0.0, reset_share: 0.5, away_us: Range { min: 1, max: 2 } },
        members: Members::STEADY,
        faults: Vec::new(),
        heartbeat: Heartbeat { interval_us: 10_000_000, timeout_us: 5_000_000 },
        catch_up: CatchUp { page_size: 200, max_pages: 1_000, timeout_us: 5_000_000, cursor: CatchUpCursor::Read },
        drain: Drain { quiet_us: 1_000_000, deadline_us: 60_000_000, first_page_size: 200, second_page_size: 131 },
        measurement: Measurement {
            lag_p99_us: 1_000,
            canary_late_us: 10_000,
            canary_late_share: 0.001,
            achieved_share: 0.99,
            worker_cpu_share: 0.85,
            receive_wait_p99_us: 5_000,
            self_check: false,
        },
        stop: StopRule::default(),
        observe: None,
        trace: Default::default(),
        thresholds: vec!["errors.share < 1%".to_owned()],
        capabilities: capabilities(),
        key_layout: KeyLayout { channel_bits: 20 },
    }
}

/// A target that promises everything.
pub fn capabilities() -> Capabilities {
    Capabilities::ALL
}

/// A phase of so many seconds.
pub fn phase(kind: PhaseKind, seconds: u64, rate_from: f64, rate_to: f64) -> Phase {
    Phase { kind, duration_us: seconds * 1_000_000, rate_from, rate_to }
}
