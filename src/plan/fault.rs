//! What is done to the target, to the path and to the clients during the load,
//! when, and to whom: pure, so that every shard and the judge know it.

mod wishes;

pub use wishes::{Act, Wish, answer_dropped_by, hedged_by, touches_subscriber, touches_user, wishes};

use serde::{Deserialize, Serialize};

/// A fault with a time of its own begins up to so much later, in µs: not at a
/// fixed distance to the requests.
pub const FAULT_JITTER_US: u64 = 50_000;

/// One fault of a workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What is done.
    pub kind: FaultKind,
    /// When, in µs after the start of the load.
    pub at_us: u64,
    /// How long it lasts in µs; what that means depends on the kind.
    pub for_us: u64,
    /// The share of those that could be touched, from 0 to 1.
    pub share: f64,
    /// What only some kinds need.
    #[serde(default, skip_serializing_if = "FaultSettings::are_usual")]
    pub settings: FaultSettings,
}

/// What only some kinds of fault need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FaultSettings {
    /// Which connections of a user.
    pub connections: Connections,
    /// Which way is disturbed.
    pub direction: Direction,
    /// How a connection is left at the end.
    pub ending: Ending,
    /// Least delay of what passes, in µs.
    pub delay_us: u64,
    /// What is added to the delay at most, in µs, uniform.
    pub jitter_us: u64,
    /// What may pass in a second each way, in bytes.
    pub bytes_per_s: u64,
    /// What is written at once, in bytes.
    pub slice_bytes: u32,
    /// A connection without a byte for longer than this is idle, in µs.
    pub idle_us: u64,
    /// How long a process stands still before it is killed, in µs, as one does
    /// that runs out of memory.
    pub stall_us: u64,
    /// Begins the fault: a program and its arguments. Empty for the built-in
    /// server.
    pub begin: Vec<String>,
    /// Ends it.
    pub end: Vec<String>,
}

/// Which connections of a user a fault touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// All.
    #[default]
    All,
    /// Those that events come over.
    Sockets,
    /// Those that posts leave over.
    Posts,
}

/// Which way a fault disturbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both.
    #[default]
    Both,
    /// From the client to the target.
    ToTarget,
    /// From the target to the client.
    FromTarget,
}

/// How a fault leaves the connections that it touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// Reset.
    #[default]
    Reset,
    /// Closed.
    Close,
    /// What was held back flows on.
    Heal,
}

impl Default for FaultSettings {
    fn default() -> Self {
        Self {
            connections: Connections::All,
            direction: Direction::Both,
            ending: Ending::Reset,
            delay_us: 100_000,
            jitter_us: 0,
            bytes_per_s: 100_000,
            slice_bytes: 1,
            idle_us: 60_000_000,
            stall_us: 0,
            begin: Vec::new(),
            end: Vec::new(),
        }
    }
}

impl FaultSettings {
    fn are_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Connections {
    /// All, with their names in profiles.
    pub const NAMES: [(&str, Connections); 3] =
        [("all", Connections::All), ("sockets", Connections::Sockets), ("posts", Connections::Posts)];
}

impl Direction {
    /// All, with their names in profiles.
    pub const NAMES: [(&str, Direction); 3] =
        [("both", Direction::Both), ("to-target", Direction::ToTarget), ("from-target", Direction::FromTarget)];
}

impl Ending {
    /// All, with their names in profiles.
    pub const NAMES: [(&str, Ending); 3] = [("reset", Ending::Reset), ("close", Ending::Close), ("heal", Ending::Heal)];
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// A share of the subscribers loses its connection: half of them by a
    /// close, half by a reset. They stay away for the length.
    Disconnect,
    /// A share of the messages that begin within the length is posted twice at
    /// once, with one key.
    Hedge,
    /// A share of the subscribers moves to a new connection; the old one is
    /// left half-open for the length, and then reset.
    Handoff,
    /// A share of the subscribers reads nothing for the length, with a small
    /// receive buffer.
    SlowReader,
    /// A share of the subscribers stops for the length, as under a closed lid,
    /// and finds out afterwards what is left of its connection.
    Suspend,
    /// The answer to the first attempt of a share of the messages that begin
    /// within the length is thrown away, and the connection reset.
    DropAck,
    /// The connections of a share of the users pass nothing for the length,
    /// without a word to either side.
    Blackhole,
    /// A connection that was idle for too long while the fault lasts passes
    /// nothing any more, without a word to either side.
    IdleEvict,
    /// Every socket of a share of the users ends at once.
    Herd,
    /// What passes is delayed.
    Latency,
    /// Only so much passes in a second.
    Bandwidth,
    /// What passes is cut into small pieces.
    Slice,
    /// The target's store refuses writes for the length.
    StoreFail,
    /// The target's process is killed (SIGKILL) and started again after the
    /// length.
    Crash,
    /// The target's process is stopped (SIGSTOP) for the length.
    Pause,
    /// The target's process is asked to end (SIGTERM) and started again.
    Deploy,
}

/// Whom a fault touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// Subscribers.
    Subscribers,
    /// Messages.
    Messages,
    /// Connections, on their way through the proxy.
    Connections,
    /// The target's store.
    Store,
    /// The process that posthaste started.
    Process,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [FaultKind; 16] = [
        FaultKind::Disconnect,
        FaultKind::Hedge,
        FaultKind::Handoff,
        FaultKind::SlowReader,
        FaultKind::Suspend,
        FaultKind::DropAck,
        FaultKind::Blackhole,
        FaultKind::IdleEvict,
        FaultKind::Herd,
        FaultKind::Latency,
        FaultKind::Bandwidth,
        FaultKind::Slice,
        FaultKind::StoreFail,
        FaultKind::Crash,
        FaultKind::Pause,
        FaultKind::Deploy,
    ];

    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::Disconnect => "disconnect",
            FaultKind::Hedge => "hedge",
            FaultKind::Handoff => "handoff",
            FaultKind::SlowReader => "slow-reader",
            FaultKind::Suspend => "suspend",
            FaultKind::DropAck => "drop-ack",
            FaultKind::Blackhole => "blackhole",
            FaultKind::IdleEvict => "idle-evict",
            FaultKind::Herd => "herd",
            FaultKind::Latency => "latency",
            FaultKind::Bandwidth => "bandwidth",
            FaultKind::Slice => "slice",
            FaultKind::StoreFail => "store-fail",
            FaultKind::Crash => "crash",
            FaultKind::Pause => "pause",
            FaultKind::Deploy => "deploy",
        }
    }

    /// Whom it touches.
    pub fn touches(self) -> Touches {
        match self {
            FaultKind::Disconnect | FaultKind::Handoff | FaultKind::SlowReader | FaultKind::Suspend => {
                Touches::Subscribers
            }
            FaultKind::Hedge | FaultKind::DropAck => Touches::Messages,
            FaultKind::Blackhole
            | FaultKind::IdleEvict
            | FaultKind::Herd
            | FaultKind::Latency
            | FaultKind::Bandwidth
            | FaultKind::Slice => Touches::Connections,
            FaultKind::StoreFail => Touches::Store,
            FaultKind::Crash | FaultKind::Pause | FaultKind::Deploy => Touches::Process,
        }
    }

    /// Whether it needs the proxy between the clients and the target.
    pub fn needs_proxy(self) -> bool {
        self == FaultKind::DropAck || self.touches() == Touches::Connections
    }
}
