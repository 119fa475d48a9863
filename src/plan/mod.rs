//! What a run will do, decided before it starts: the resolved plan and the
//! pure functions of it (who is in which channel, when each message is
//! intended, who disconnects when, how long a retry waits).
//!
//! Nothing here reads a file, a clock or a terminal. It must not know how a
//! message is sent or judged.

mod capabilities;
mod changes;
mod churn;
pub mod estimate;
mod fault;
mod hints;
mod membership;
pub mod near;
mod observe;
pub mod profile;
mod receive;
mod retry;
mod roster;
mod run_plan;
mod schedule;
mod send;
mod stop;
mod threshold;
mod trace;

pub use capabilities::{Capabilities, Positions};
pub use changes::{Change, ChangeKind, Changes, changes_of};
pub use churn::{Disconnect, disconnects};
pub use fault::{
    Act, Connections, Direction, Ending, FAULT_JITTER_US, Fault, FaultKind, FaultSettings, Touches, Wish,
    answer_dropped_by, hedged_by, touches_subscriber, touches_user, wishes,
};
pub use hints::{Actions, Doing, Habit, Hints, doing, latest_doing};
pub use membership::{Leave, Members, is_private, leaves};
pub use observe::Observe;
pub use receive::{Acknowledges, AppManners, Fate, Receive, ReceiveDesign, app_fate, receive_settle_us};
pub use retry::next_attempt;
pub use roster::Roster;
pub use run_plan::{
    Arrival, ArrivalProcess, Backoff, CatchUp, CatchUpCursor, Churn, Connect, Drain, Heartbeat, Measurement, Phase,
    PhaseKind, Population, Range, RunPlan, UserChoice,
};
pub use schedule::{ArrivalSchedule, Intended, Turn, closed_loop_per_s, expected_messages};
pub use send::{HttpUse, Send, SendDesign, Taps};
pub use stop::StopRule;
pub use threshold::{Comparison, During, LEDGER_FIELDS, Metric, Quantile, RateMetric, Threshold};
pub use trace::{TRACE_ID, Trace, TraceSample};

#[cfg(test)]
mod tests;
