//! How a message is sent, and what its user is shown meanwhile.

use super::{Backoff, Range};
use serde::{Deserialize, Serialize};

/// How a message is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Send {
    /// Over which transport, acknowledged or not, with a key or without.
    #[serde(default)]
    pub design: SendDesign,
    /// How the designs over HTTP use their connections.
    #[serde(default)]
    pub http: HttpUse,
    /// Tries in all, the first included; at least 1. A tap begins anew.
    pub attempts: u32,
    /// Time for one attempt in µs, connection included.
    pub timeout_us: u64,
    /// The wait before a retry.
    pub backoff: Backoff,
    /// A connection closes when it has not been used for so long, in µs.
    pub idle_timeout_us: u64,
    /// What users do whose message was shown as failed.
    #[serde(default)]
    pub taps: Taps,
}

/// A way to send messages, as seen from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendDesign {
    /// A POST with an idempotency key, repeated with the same key where the
    /// outcome is unknown.
    #[default]
    Http,
    /// The same POST and retries, without the key.
    HttpNoKey,
    /// One frame on the open socket that nobody acknowledges: shown as sent at
    /// once.
    Ws,
    /// A frame with an id whose acknowledgement is waited for, repeated with
    /// the same key, after a reconnect where there was no answer.
    WsAck,
    /// The same, and the target cannot recognise the repetition.
    WsAckNoKey,
    /// As [`SendDesign::Ws`], to a target that pushes before it stores.
    WsFanoutFirst,
}

/// How the designs over HTTP use their connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpUse {
    /// HTTP/1.1, a connection of its own for each user, kept while it sends.
    #[default]
    Kept,
    /// HTTP/1.1, a new connection for every attempt.
    New,
    /// HTTP/2, a connection of its own for each user, kept while it sends:
    /// attempts at once share it, and one that times out does not end it.
    H2,
}

/// What users do whose message was shown as failed: some tap to retry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taps {
    /// The share of failed messages whose user taps, each time it fails.
    pub share: f64,
    /// How long the user takes to tap, in µs.
    pub after_us: Range<u64>,
}

impl Taps {
    /// Taps on one message at most: then the user gives up.
    pub const MOST: u32 = 3;
    /// Nobody taps.
    pub const NONE: Taps = Taps { share: 0.0, after_us: Range { min: 1_000_000, max: 3_000_000 } };
}

impl Default for Taps {
    fn default() -> Self {
        Self::NONE
    }
}

impl SendDesign {
    /// All designs, in the order of the reports.
    pub const ALL: [SendDesign; 6] = [
        SendDesign::Http,
        SendDesign::HttpNoKey,
        SendDesign::Ws,
        SendDesign::WsAck,
        SendDesign::WsAckNoKey,
        SendDesign::WsFanoutFirst,
    ];

    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            SendDesign::Http => "http",
            SendDesign::HttpNoKey => "http-no-key",
            SendDesign::Ws => "ws",
            SendDesign::WsAck => "ws-ack",
            SendDesign::WsAckNoKey => "ws-ack-no-key",
            SendDesign::WsFanoutFirst => "ws-fanout-first",
        }
    }

    /// Whether messages leave over the subscriber's socket.
    pub fn is_over_socket(self) -> bool {
        !matches!(self, SendDesign::Http | SendDesign::HttpNoKey)
    }

    /// Whether an attempt carries the idempotency key, so that the target can
    /// recognise a repetition.
    pub fn carries_key(self) -> bool {
        matches!(self, SendDesign::Http | SendDesign::WsAck)
    }

    /// Whether the target tells the sender that it has the message.
    pub fn is_acknowledged(self) -> bool {
        !matches!(self, SendDesign::Ws | SendDesign::WsFanoutFirst)
    }

    /// Whether the target stores a message before it pushes it.
    pub fn stores_first(self) -> bool {
        self != SendDesign::WsFanoutFirst
    }
}

impl HttpUse {
    /// All uses.
    pub const ALL: [HttpUse; 3] = [HttpUse::Kept, HttpUse::New, HttpUse::H2];

    /// The name in profiles.
    pub fn name(self) -> &'static str {
        match self {
            HttpUse::Kept => "kept",
            HttpUse::New => "new",
            HttpUse::H2 => "h2",
        }
    }
}
