//! How a subscriber comes to what was sent, and what it does about what it
//! missed.

use serde::{Deserialize, Serialize};

/// How a subscriber receives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receive {
    /// By which means.
    pub design: ReceiveDesign,
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
}

impl Default for Receive {
    fn default() -> Self {
        Self { design: ReceiveDesign::Ws }
    }
}

impl ReceiveDesign {
    /// All designs, in the order of the reports.
    pub const ALL: [ReceiveDesign; 3] = [ReceiveDesign::Ws, ReceiveDesign::WsTrusting, ReceiveDesign::WsHint];

    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            ReceiveDesign::Ws => "ws",
            ReceiveDesign::WsTrusting => "ws-trusting",
            ReceiveDesign::WsHint => "ws-hint",
        }
    }

    /// Whether all messages come from history, and none by a push.
    pub fn fetches(self) -> bool {
        self == ReceiveDesign::WsHint
    }
}
