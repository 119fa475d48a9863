//! What a run will do, decided before it starts: the resolved plan and the
//! pure functions of it (who is in which channel, when each message is
//! intended, who disconnects when, how long a retry waits).
//!
//! Nothing here reads a file, a clock or a terminal. It must not know how a
//! message is sent or judged.

mod capabilities;
mod run_plan;

pub use capabilities::Capabilities;
pub use run_plan::{
    Arrival, ArrivalProcess, Backoff, CatchUp, CatchUpCursor, Churn, Connect, Drain, Heartbeat, Measurement, Phase,
    PhaseKind, Population, Range, RunPlan, Send, UserChoice,
};
