//! What became of the faults of a workload.

use super::LatencySummary;
#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of one fault of the workload. Times are µs since the start of
/// the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct FaultSummary {
    /// "crash", "disconnect", …
    pub kind: String,
    /// When it was to begin.
    pub at_us: u64,
    /// When it first touched something; null if it never did.
    pub fired_us: Option<u64>,
    /// When it had ended for everything that it touched.
    pub healed_us: Option<u64>,
    /// How many it touched.
    pub touched: u64,
    /// Of what: subscribers, messages or processes.
    pub what: String,
    /// `ack` of the messages that were intended before, during and after it;
    /// null where it never touched anything.
    #[serde(default)]
    pub ack_us: Option<FaultLatency>,
    /// `delivery` of the seconds before, during and after it; a second that it
    /// touches is one during it. Pushes that never came are counted by the intended
    /// time of their message. Null where that is not known.
    #[serde(default)]
    pub delivery_us: Option<FaultLatency>,
    /// How clients came back from a fault of the process, or from a herd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<FaultRecovery>,
}

/// How clients came back from a fault. Of a subscriber that lost its connection
/// more than once, the first time counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct FaultRecovery {
    /// Messages that were under way while it lasted.
    pub sends: u64,
    /// Their attempts beyond the first of each.
    pub retries: u64,
    /// Those of them that were never acknowledged.
    pub failed_sends: u64,
    /// What became of the sockets; null where the receive design holds none whose
    /// life the ledger knows.
    pub sockets: Option<SocketRecovery>,
}

/// How the sockets came back from a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct SocketRecovery {
    /// Subscribers that lost their connection until ten seconds after its end,
    /// and had another one later.
    pub moved: u64,
    /// From its begin until the last of them was connected again, in µs; null
    /// where none was.
    pub reconnected_us: Option<u64>,
    /// From its begin until the last of them asked for the last page of history
    /// that it needed, in µs.
    pub caught_up_us: Option<u64>,
    /// Pages of history that they asked for on those connections.
    pub pages: u64,
    /// The most of these in one second since its begin.
    pub pages_in_worst_second: u64,
}

/// A latency split by a fault. The warm-up is in none of the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct FaultLatency {
    /// Before it first touched something.
    pub before: LatencySummary,
    /// Until it had ended for everything that it touched.
    pub during: LatencySummary,
    /// From then on.
    pub after: LatencySummary,
}
