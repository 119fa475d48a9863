//! What a target spent on a probe, and what a message costs it.

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the target used during a probe, and for what.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct TargetUse {
    /// CPU time in seconds, until history was read.
    pub cpu_s: f64,
    /// Length of that time in seconds.
    pub seconds: f64,
    /// Tries to post in that time.
    pub posts: u64,
    /// Frames that carried a message.
    pub deliveries: u64,
    /// Sockets that were open.
    pub sockets: u64,
    /// The largest resident memory.
    pub rss_max_bytes: Option<u64>,
    /// What the sockets added to it, before the first message.
    pub rss_of_sockets_bytes: Option<u64>,
}

/// What a target sent during a probe, and for what. Bytes are those of HTTP answers
/// and of WebSocket frames, without what TCP and TLS add.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Egress {
    /// Tries to post.
    pub posts: u64,
    /// Bytes of their answers.
    pub answer_bytes: u64,
    /// Frames that carried a message.
    pub deliveries: u64,
    /// Bytes of all frames: also greetings and answers to heartbeats.
    pub frame_bytes: u64,
}

/// What the target sends, over all probes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct EgressCost {
    /// Bytes for a thousand posts.
    pub bytes_per_1000_posts: Option<f64>,
    /// Bytes for ten thousand deliveries.
    pub bytes_per_10000_deliveries: Option<f64>,
}

/// CPU time that the target spends, fitted over the probes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct Cost {
    /// What was observed.
    pub source: String,
    /// Seconds for a thousand posts.
    pub cpu_s_per_1000_posts: Option<f64>,
    /// Seconds for ten thousand deliveries.
    pub cpu_s_per_10000_deliveries: Option<f64>,
    /// Seconds a minute for a thousand idle sockets.
    pub cpu_s_per_minute_of_1000_sockets: Option<f64>,
    /// Resident memory of a thousand idle sockets.
    pub rss_bytes_per_1000_sockets: Option<u64>,
    /// The largest resident memory of all probes.
    pub rss_max_bytes: Option<u64>,
    /// Root of the mean squared error of the fit, relative to the CPU time of a
    /// probe.
    pub error: f64,
    /// Probes that it rests on.
    pub probes: Vec<u32>,
    /// Why parts of it are not known, where they are not.
    pub unknown_because: Option<String>,
}
