//! The plan of the histories told by hand.

use crate::model::{KeyLayout, SizeRange};
use crate::plan::{
    Arrival, ArrivalProcess, Backoff, Capabilities, CatchUp, CatchUpCursor, Churn, Connect, Drain, Heartbeat, HttpUse,
    Measurement, Phase, PhaseKind, Population, Range, RunPlan, Send, SendDesign, Taps, UserChoice,
};

/// A run of 60 s on a target that promises everything, with a live margin of
/// 1 s and 30 s for an attempt.
pub(super) fn plan() -> RunPlan {
    let backoff = Backoff { base_us: 100_000, max_us: 2_000_000 };
    RunPlan {
        workload: "by-hand".to_owned(),
        target: "by-hand".to_owned(),
        seed: 1,
        population: Population {
            users: 100,
            channels: 10,
            members: Range { min: 2, max: 10 },
            senders: 10,
            subscribers: 0,
            choice: UserChoice::Uniform,
            private_share: 0.0,
        },
        arrival: Arrival {
            process: ArrivalProcess::Constant,
            phases: vec![Phase { kind: PhaseKind::Steady, duration_us: 60_000_000, rate_from: 1.0, rate_to: 1.0 }],
        },
        message_size_bytes: SizeRange { min: 100, max: 100 },
        send: Send {
            design: SendDesign::Http,
            http: HttpUse::Kept,
            taps: Taps::NONE,
            attempts: 5,
            timeout_us: 30_000_000,
            backoff,
            idle_timeout_us: 10_000_000,
        },
        changes: crate::plan::Changes::NONE,
        hints: crate::plan::Hints::default(),
        actions: crate::plan::Actions::default(),
        receive: crate::plan::Receive::default(),
        connect: Connect { rate_per_s: 100.0, timeout_us: 5_000_000, backoff },
        churn: Churn { share_per_minute: 0.0, reset_share: 0.0, away_us: Range { min: 0, max: 0 } },
        members: crate::plan::Members::STEADY,
        faults: Vec::new(),
        heartbeat: Heartbeat { interval_us: 0, timeout_us: 0 },
        catch_up: CatchUp { page_size: 100, max_pages: 100, timeout_us: 5_000_000, cursor: CatchUpCursor::Read },
        drain: Drain { quiet_us: 30_000_000, deadline_us: 60_000_000, first_page_size: 100, second_page_size: 37 },
        measurement: Measurement {
            lag_p99_us: 1_000,
            canary_late_us: 10_000,
            canary_late_share: 0.001,
            achieved_share: 0.99,
            worker_cpu_share: 0.85,
            receive_wait_p99_us: 5_000,
            self_check: false,
        },
        stop: crate::plan::StopRule::default(),
        observe: None,
        trace: Default::default(),
        thresholds: Vec::new(),
        capabilities: Capabilities::ALL,
        key_layout: KeyLayout { channel_bits: 20 },
    }
}
