//! The resolved plan of one run: every value decided, every value valid.

use super::{Actions, Capabilities, Changes, Fault, Hints, Members, Observe, Receive, Send, StopRule, Trace};
use crate::model::{KeyLayout, SizeRange};
use serde::{Deserialize, Serialize};

/// One run, completely. Times are µs, rates are per second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// Name of the workload.
    pub workload: String,
    /// Name of the target profile.
    pub target: String,
    /// Seed of the schedule, the membership and the churn.
    pub seed: u64,
    /// Who exists.
    pub population: Population,
    /// When messages are intended.
    pub arrival: Arrival,
    /// How long a text is.
    pub message_size_bytes: SizeRange,
    /// How a message is sent and retried.
    pub send: Send,
    /// Which messages are changed after they were sent, and how.
    #[serde(default)]
    pub changes: Changes,
    /// What users hint at.
    #[serde(default)]
    pub hints: Hints,
    /// What users ask apps.
    #[serde(default)]
    pub actions: Actions,
    /// How a subscriber receives.
    #[serde(default)]
    pub receive: Receive,
    /// How fast connections open.
    pub connect: Connect,
    /// Who loses the connection, and for how long.
    pub churn: Churn,
    /// Who leaves channels and joins them again.
    pub members: Members,
    /// What is done to the target and its clients during the load.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How a dead socket is noticed.
    pub heartbeat: Heartbeat,
    /// How a client reads what it missed.
    pub catch_up: CatchUp,
    /// How a run ends.
    pub drain: Drain,
    /// When latencies are withheld.
    pub measurement: Measurement,
    /// When the run ends itself.
    #[serde(default)]
    pub stop: StopRule,
    /// What tells how much the target's process uses; of the built-in server
    /// posthaste knows it.
    #[serde(default)]
    pub observe: Option<Observe>,
    /// What the target's tracing is told; not named where it is told nothing.
    #[serde(default, skip_serializing_if = "Trace::is_off")]
    pub trace: Trace,
    /// The thresholds as written, each valid.
    pub thresholds: Vec<String>,
    /// What the target promises.
    pub capabilities: Capabilities,
    /// The split of the message key between channel and index.
    pub key_layout: KeyLayout,
}

/// Users, channels and who is in which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// Virtual users.
    pub users: u32,
    /// Channels.
    pub channels: u32,
    /// Members of a channel.
    pub members: Range<u32>,
    /// How many of the users send: the users 0 to senders − 1.
    pub senders: u32,
    /// How many of the users hold a subscription: the last ones, so that
    /// senders and subscribers overlap no more than they must.
    pub subscribers: u32,
    /// How a send chooses its user.
    pub choice: UserChoice,
    /// The share of the channels that are private: only who is invited is a
    /// member, and nobody else may be shown anything of them.
    #[serde(default)]
    pub private_share: f64,
}

/// Both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range<T> {
    /// The least value.
    pub min: T,
    /// The greatest value.
    pub max: T,
}

/// How a send chooses its user.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserChoice {
    /// Every sender is as likely as every other.
    Uniform,
    /// The k-th sender is chosen in proportion to 1 / kˢ.
    Zipf {
        /// The exponent s.
        exponent: f64,
    },
}

/// When messages are intended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Arrival {
    /// The law of the gaps between messages.
    pub process: ArrivalProcess,
    /// The phases in their order.
    pub phases: Vec<Phase>,
}

/// The law of the gaps between intended messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArrivalProcess {
    /// Exponential gaps, as independent people make them: an open loop.
    Poisson,
    /// Equal gaps: an open loop too.
    Constant,
    /// A closed loop: each user waits for the answer before the next message.
    Closed {
        /// How long in µs a user thinks between an answer and the next message.
        think_us: Range<u64>,
    },
}

/// A stretch of time whose rate is constant or changes linearly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What the phase is for.
    pub kind: PhaseKind,
    /// How long it lasts in µs.
    pub duration_us: u64,
    /// Messages a second at its start; in a closed loop, what its users hardly
    /// exceed ([`closed_loop_per_s`](super::closed_loop_per_s)).
    pub rate_from: f64,
    /// Messages a second at its end.
    pub rate_to: f64,
}

/// What a phase is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseKind {
    /// In the ledger and not in the latencies; only at the start.
    WarmUp,
    /// One rate.
    Steady,
    /// From one rate to another.
    Ramp,
    /// A burst.
    Spike,
}

/// Exponential back-off with full jitter: before retry k (from 0) a wait
/// uniform in [0, min(max, base · 2ᵏ)].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// The ceiling of the first wait in µs.
    pub base_us: u64,
    /// The ceiling of every wait in µs.
    pub max_us: u64,
}

/// How connections open.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connect {
    /// Subscriptions opened a second at the start, over all shards.
    pub rate_per_s: f64,
    /// Time for one connection in µs, its handshake included.
    pub timeout_us: u64,
    /// The wait before a reconnect, after the first which is at once.
    pub backoff: Backoff,
}

/// Who loses the connection by the workload's wish.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Churn {
    /// The share of subscribers that disconnect in a minute; 0 is none.
    pub share_per_minute: f64,
    /// The share of disconnects that are a reset; the others close cleanly.
    pub reset_share: f64,
    /// How long a subscriber stays away in µs.
    pub away_us: Range<u64>,
}

/// The client's heartbeat over the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Time between pings in µs; 0 is no heartbeat.
    pub interval_us: u64,
    /// A ping unanswered for so long means a dead socket, in µs.
    pub timeout_us: u64,
}

/// How a client reads what it missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatchUp {
    /// Rows asked for in a page.
    pub page_size: u32,
    /// Pages of one catch-up of one channel, at most.
    pub max_pages: u32,
    /// Time for one page in µs.
    pub timeout_us: u64,
    /// What moves the cursor.
    pub cursor: CatchUpCursor,
}

/// What moves a subscriber's cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUpCursor {
    /// Only what was read from history: a dropped push heals.
    Read,
    /// Pushes too, as a client does that trusts them: a dropped push stays
    /// unhealed.
    Seen,
}

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Least quiet time in µs between the last attempt and the first final
    /// read.
    pub quiet_us: u64,
    /// The drain as a whole may take so long, in µs.
    pub deadline_us: u64,
    /// Rows asked for in a page by final read 1.
    pub first_page_size: u32,
    /// Rows asked for in a page by final read 2: another number, because a
    /// paging bug hides different messages at different sizes.
    pub second_page_size: u32,
}

/// When latencies are withheld.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Largest p99 of `lag` in µs, if it is more than a tenth of the p50 of
    /// `ack`.
    pub lag_p99_us: u64,
    /// A canary tick later than this in µs is late.
    pub canary_late_us: u64,
    /// Largest share of late ticks.
    pub canary_late_share: f64,
    /// Least share of the intended messages that must have been attempted.
    pub achieved_share: f64,
    /// Largest share of a core that a worker may use.
    pub worker_cpu_share: f64,
    /// Largest p99 in µs of what lies in a worker's sockets until it is read, if
    /// it is more than a tenth of the p50 of `delivery`.
    #[serde(default = "usual_receive_wait_us")]
    pub receive_wait_p99_us: u64,
    /// Whether posthaste checks itself before the run.
    #[serde(default)]
    pub self_check: bool,
}

fn usual_receive_wait_us() -> u64 {
    5_000
}

impl Arrival {
    /// Length of all phases in µs.
    pub fn duration_us(&self) -> u64 {
        self.phases.iter().map(|phase| phase.duration_us).sum()
    }

    /// Whether each user waits for an answer before the next message.
    pub fn is_closed(&self) -> bool {
        matches!(self.process, ArrivalProcess::Closed { .. })
    }

    /// The highest rate of any phase in messages a second.
    pub fn peak_per_s(&self) -> f64 {
        self.phases.iter().map(|phase| phase.rate_from.max(phase.rate_to)).fold(0.0, f64::max)
    }

    /// Length of the warm-up in µs: messages intended earlier are in the
    /// ledger and not in the latencies.
    pub fn warm_up_us(&self) -> u64 {
        let warm_up = self.phases.iter().take_while(|phase| phase.kind == PhaseKind::WarmUp);
        warm_up.map(|phase| phase.duration_us).sum()
    }
}

impl RunPlan {
    /// How long after the last indeterminate attempt a message may still
    /// appear, in µs: the longer of the request time-out and the target's lag.
    pub fn settle_us(&self) -> u64 {
        self.send.timeout_us.max(self.capabilities.lag_us)
    }

    /// What sat in a kernel buffer at a close is not a miss: a connection must
    /// last so long in µs beyond an acknowledgement for a miss to count.
    pub fn live_margin_us(&self) -> u64 {
        self.capabilities.lag_us.max(1_000_000)
    }
}
