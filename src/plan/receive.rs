//! How a subscriber comes to what was sent, and what it does about what it
//! missed.

use serde::{Deserialize, Serialize};

/// How a subscriber receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receive {
    /// By which means.
    pub design: ReceiveDesign,
    /// From one poll to the next, in µs.
    pub interval_us: u64,
    /// Events of each channel that the built-in server replays to a socket that
    /// comes back, at most; 0 is no replay.
    pub replay_window: u32,
}

/// A way to receive messages, as seen from the client. The drain's read of
/// history at the end of a run belongs to none of them: it shows what a design
/// had missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiveDesign {
    /// A client's WebSocket; after each reconnect, history from its cursor on.
    #[default]
    Ws,
    /// The same socket, believed to be the truth: history is never read.
    WsTrusting,
    /// The same socket, of which a frame says only that a channel has changed:
    /// the channel is fetched from history, and after a reconnect all are.
    WsHint,
    /// No socket: every channel is asked for at intervals.
    Poll,
    /// A bot over RTM: as [`ReceiveDesign::WsTrusting`], but it names the last
    /// event that it saw when it comes back, and the target replays what it can.
    Rtm,
}

impl Default for Receive {
    fn default() -> Self {
        Self { design: ReceiveDesign::Ws, interval_us: 1_000_000, replay_window: 0 }
    }
}

impl Receive {
    /// How long after a message is pushed and visible the design may still take
    /// to come to it, in µs, where nothing fails.
    pub fn settle_us(&self) -> u64 {
        match self.design {
            // One request that is under way, and the next one.
            ReceiveDesign::Poll => 2 * self.interval_us,
            _ => 0,
        }
    }
}

impl ReceiveDesign {
    /// All designs, in the order of the reports.
    pub const ALL: [ReceiveDesign; 5] =
        [ReceiveDesign::Ws, ReceiveDesign::WsTrusting, ReceiveDesign::WsHint, ReceiveDesign::Poll, ReceiveDesign::Rtm];

    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            ReceiveDesign::Ws => "ws",
            ReceiveDesign::WsTrusting => "ws-trusting",
            ReceiveDesign::WsHint => "ws-hint",
            ReceiveDesign::Poll => "poll",
            ReceiveDesign::Rtm => "rtm",
        }
    }

    /// Whether all messages come from history, and none by a push.
    pub fn fetches(self) -> bool {
        matches!(self, ReceiveDesign::WsHint | ReceiveDesign::Poll)
    }

    /// Whether the target sends again over a new connection what was missed.
    pub fn is_sent_again(self) -> bool {
        self == ReceiveDesign::Rtm
    }

    /// Whether the subscriber holds a socket, which it can lose.
    pub fn holds_socket(self) -> bool {
        self != ReceiveDesign::Poll
    }
}
