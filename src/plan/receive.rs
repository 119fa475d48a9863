//! How a subscriber comes to what was sent, and what it does about what it
//! missed.

use super::RunPlan;
use crate::model::{MessageRef, Random, UserId};
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
    /// What the apps of the designs for apps do.
    pub app: AppManners,
}

/// What an app does with an event the first time that it comes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppManners {
    /// When it acknowledges.
    pub acknowledges: Acknowledges,
    /// The share of events that it fails to take: it answers 500, or nothing.
    pub fail_share: f64,
    /// The share of events that it takes its time for.
    pub delay_share: f64,
    /// How long that is, in µs.
    pub delay_us: u64,
    /// The share of events at which it dies between receiving and processing.
    pub crash_share: f64,
}

/// When an app acknowledges an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acknowledges {
    /// Once it has processed it: what it dies over is sent again.
    #[default]
    After,
    /// Before it processes it: what it dies over is lost.
    Before,
}

/// What becomes of an event at an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is processed at once.
    Processed,
    /// It is not taken.
    Failed,
    /// It is processed after a delay.
    Delayed,
    /// The app dies over it.
    Fatal,
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
    /// An app over Socket Mode: envelopes that are sent again until they are
    /// acknowledged, and recognised by their `event_id`.
    SocketMode,
    /// An app with a URL that posthaste hosts: events are posted to it, again
    /// where it does not answer 200 in time.
    Webhook,
}

/// After so long, in µs, what an app did not acknowledge is sent again.
const APP_TIMEOUT_US: u64 = 3_000_000;

impl Default for Receive {
    fn default() -> Self {
        Self { design: ReceiveDesign::Ws, interval_us: 1_000_000, replay_window: 0, app: AppManners::GOOD }
    }
}

impl Default for AppManners {
    fn default() -> Self {
        Self::GOOD
    }
}

impl AppManners {
    /// It processes each event at once, and then acknowledges it.
    pub const GOOD: AppManners = AppManners {
        acknowledges: Acknowledges::After,
        fail_share: 0.0,
        delay_share: 0.0,
        delay_us: 500_000,
        crash_share: 0.0,
    };

    /// Whether each event is processed at once.
    pub fn are_good(&self) -> bool {
        self.fail_share + self.delay_share + self.crash_share == 0.0
    }
}

impl Acknowledges {
    /// All, with their names in profiles.
    pub const NAMES: [(&str, Acknowledges); 2] = [("after", Acknowledges::After), ("before", Acknowledges::Before)];

    /// The name in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Acknowledges::After => "after",
            Acknowledges::Before => "before",
        }
    }
}

/// How long after a message is pushed and visible the design of a plan may still
/// take to come to it by its own means, in µs.
pub fn receive_settle_us(plan: &RunPlan) -> u64 {
    let Receive { design, interval_us, app, .. } = plan.receive;
    let disturbed = !plan.faults.is_empty() || plan.churn.share_per_minute > 0.0 || !app.are_good();
    let delay_us = if app.delay_share > 0.0 { app.delay_us } else { 0 };
    match design {
        // One request that is under way, and the next one.
        ReceiveDesign::Poll => 2 * interval_us,
        ReceiveDesign::SocketMode if disturbed => APP_TIMEOUT_US + delay_us,
        // It is posted again at once.
        ReceiveDesign::Webhook if disturbed => 1_000_000 + delay_us,
        _ => 0,
    }
}

/// What becomes of a message at a user's app the first time that it comes.
pub fn app_fate(plan: &RunPlan, user: UserId, message: MessageRef) -> Fate {
    let AppManners { fail_share, delay_share, crash_share, .. } = plan.receive.app;
    let place = (u64::from(message.channel.0) << 32) | u64::from(message.index);
    let drawn = Random::new(plan.seed, "app").split(user.0.into()).split(place).unit();
    let shares = [(fail_share, Fate::Failed), (delay_share, Fate::Delayed), (crash_share, Fate::Fatal)];
    let mut below = 0.0;
    let hit = shares.into_iter().find(|(share, _)| {
        below += share;
        drawn < below
    });
    hit.map_or(Fate::Processed, |(_, fate)| fate)
}

impl ReceiveDesign {
    /// All designs, in the order of the reports.
    pub const ALL: [ReceiveDesign; 7] = [
        ReceiveDesign::Ws,
        ReceiveDesign::WsTrusting,
        ReceiveDesign::WsHint,
        ReceiveDesign::Poll,
        ReceiveDesign::Rtm,
        ReceiveDesign::SocketMode,
        ReceiveDesign::Webhook,
    ];

    /// The name in profiles and results.
    pub fn name(self) -> &'static str {
        match self {
            ReceiveDesign::Ws => "ws",
            ReceiveDesign::WsTrusting => "ws-trusting",
            ReceiveDesign::WsHint => "ws-hint",
            ReceiveDesign::Poll => "poll",
            ReceiveDesign::Rtm => "rtm",
            ReceiveDesign::SocketMode => "socket-mode",
            ReceiveDesign::Webhook => "webhook",
        }
    }

    /// Whether all messages come from history, and none by a push.
    pub fn fetches(self) -> bool {
        matches!(self, ReceiveDesign::WsHint | ReceiveDesign::Poll)
    }

    /// Whether the target sends again over a new connection what was missed.
    pub fn is_sent_again(self) -> bool {
        matches!(self, ReceiveDesign::Rtm | ReceiveDesign::SocketMode)
    }

    /// Whether the subscriber is an app that acknowledges what it is told.
    pub fn is_app(self) -> bool {
        matches!(self, ReceiveDesign::SocketMode | ReceiveDesign::Webhook)
    }

    /// Whether the subscriber holds a socket, which it can lose.
    pub fn holds_socket(self) -> bool {
        !matches!(self, ReceiveDesign::Poll | ReceiveDesign::Webhook)
    }

    /// Whether messages can be sent over what the subscriber holds.
    pub fn takes_sends(self) -> bool {
        self.holds_socket() && !self.is_app()
    }

    /// Whether what comes, comes in the order of its positions: what is sent
    /// again until it is acknowledged, is overtaken.
    pub fn keeps_order(self) -> bool {
        !self.is_app()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChannelId;
    use crate::plan::tests::example;

    #[test]
    fn an_event_has_one_fate_in_its_share() {
        let mut plan = example();
        plan.receive.app = AppManners { fail_share: 0.1, delay_share: 0.2, crash_share: 0.3, ..AppManners::GOOD };
        let fate = |user, index| app_fate(&plan, UserId(user), MessageRef { channel: ChannelId(1), index });
        for (wanted, share) in [(Fate::Failed, 0.1), (Fate::Delayed, 0.2), (Fate::Fatal, 0.3), (Fate::Processed, 0.4)] {
            let count = (0..10_000).filter(|index| fate(3, *index) == wanted).count() as f64;
            assert!((count / 10_000.0 - share).abs() < 0.02, "{wanted:?}: {count}");
        }
        let differing = (0..1_000).filter(|index| fate(3, *index) != fate(4, *index)).count();
        assert!(differing > 500, "each app has its own: {differing}");
    }
}
