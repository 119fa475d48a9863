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
}

impl Default for Receive {
    fn default() -> Self {
        Self { design: ReceiveDesign::Ws }
    }
}

impl ReceiveDesign {
    /// All designs, in the order of the reports.
    pub const ALL: [ReceiveDesign; 2] = [ReceiveDesign::Ws, ReceiveDesign::WsTrusting];

    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            ReceiveDesign::Ws => "ws",
            ReceiveDesign::WsTrusting => "ws-trusting",
        }
    }

    /// Whether a reconnect reads history from the cursor on.
    pub fn catches_up(self) -> bool {
        self == ReceiveDesign::Ws
    }
}
