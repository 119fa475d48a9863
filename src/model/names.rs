//! The names of what is measured and of what can be found: the vocabulary of
//! results and thresholds. What a finding *means* is the judge's.

use serde::{Deserialize, Serialize};

/// What is measured. Each starts and ends where `name` says in the docs of the
/// variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LatencyKind {
    /// Intended → acknowledgement, with queueing, retries and back-off.
    Ack,
    /// Intended, or tapped → the user is shown that the message is sent, or has
    /// failed.
    Shown,
    /// Intended → pushed frame parsed, first live copy of each (message,
    /// subscriber).
    Delivery,
    /// First byte written → acknowledgement, of each attempt.
    Service,
    /// Noticed disconnect → caught up; where the workload chose an absence,
    /// from the end of the absence.
    Heal,
    /// Intended → obtained from history, of each healed message.
    HealMessage,
    /// Connection begun → subscription stands, with everything that a client
    /// fetches at a connect.
    Usable,
    /// Socket dead → client noticed.
    Notice,
    /// Intended → first byte written: the generator's own fault.
    Lag,
    /// Intended → acknowledged, of each edit, deletion, reaction and reply.
    Change,
    /// Intended → shown to another member that a user types.
    Typing,
    /// Intended → told whether another user is there.
    Presence,
    /// Intended → the app's answer is there, of each slash command and click.
    Action,
}

impl LatencyKind {
    /// All kinds, in the order of the reports.
    pub const ALL: [LatencyKind; 13] = [
        LatencyKind::Ack,
        LatencyKind::Shown,
        LatencyKind::Delivery,
        LatencyKind::Service,
        LatencyKind::Heal,
        LatencyKind::HealMessage,
        LatencyKind::Usable,
        LatencyKind::Notice,
        LatencyKind::Lag,
        LatencyKind::Change,
        LatencyKind::Typing,
        LatencyKind::Presence,
        LatencyKind::Action,
    ];

    /// The name in results and thresholds.
    pub fn name(self) -> &'static str {
        match self {
            LatencyKind::Ack => "ack",
            LatencyKind::Shown => "shown",
            LatencyKind::Delivery => "delivery",
            LatencyKind::Service => "service",
            LatencyKind::Heal => "heal",
            LatencyKind::HealMessage => "heal_message",
            LatencyKind::Usable => "usable",
            LatencyKind::Notice => "notice",
            LatencyKind::Lag => "lag",
            LatencyKind::Change => "change",
            LatencyKind::Typing => "typing",
            LatencyKind::Presence => "presence",
            LatencyKind::Action => "action",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

macro_rules! finding_kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// A kind of finding. The definitions stand in `judge`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FindingKind { $($(#[$doc])* $kind,)* }

        impl FindingKind {
            /// All kinds, in the order of the reports.
            pub const ALL: &[FindingKind] = &[$(FindingKind::$kind,)*];

            /// The name in results and thresholds.
            pub fn name(self) -> &'static str {
                match self { $(FindingKind::$kind => $name,)* }
            }
        }
    };
}

finding_kinds! {
    /// Seen in a history read, and gone from the final reads.
    Vanished = "vanished",
    /// Acknowledged, and not stored.
    AckedLost = "acked_lost",
    /// Shown as sent by a fire-and-forget write, and not stored.
    SilentLoss = "silent_loss",
    /// Delivered live, and stored nowhere.
    Phantom = "phantom",
    /// Refused, and stored all the same.
    RejectedStored = "rejected_stored",
    /// Stored more than once.
    StoreDuplicates = "store_duplicates",
    /// The acknowledged id is not the message's.
    AckIdentity = "ack_identity",
    /// Carries the run's id, and the run did not send it.
    Foreign = "foreign",
    /// The body is not the one that was sent.
    Corrupt = "corrupt",
    /// Pushed to somebody who is not entitled to it.
    Leaked = "leaked",
    /// Passed over by a catch-up that reached past it.
    Unhealed = "unhealed",
    /// History pages that contradict each other.
    PageAnomaly = "page_anomaly",
    /// Stored before a message that had been acknowledged earlier.
    SenderOrder = "sender_order",
    /// A read that started after an acknowledgement and does not show it.
    StaleRead = "stale_read",
    /// An edit or a reaction was acknowledged, and history does not show it.
    EditLost = "edit_lost",
    /// A deletion was acknowledged, and history shows the message.
    DeleteResurrected = "delete_resurrected",
    /// A reply was acknowledged, and its thread does not show it.
    OrphanReply = "orphan_reply",
    /// Should have come live, and did not.
    LiveMissed = "live_missed",
    /// Not live, obtained from history.
    Healed = "healed",
    /// Not obtained, by a subscriber whose catch-up did not reach it.
    Unresolved = "unresolved",
    /// Pushed more than once to one subscriber.
    LiveDuplicates = "live_duplicates",
    /// Pushed behind a later message.
    LiveReordered = "live_reordered",
    /// Never acknowledged, and stored.
    UnknownStored = "unknown_stored",
    /// Never acknowledged, and not stored.
    UnknownAbsent = "unknown_absent",
    /// Acknowledged, in a range that the target declared truncated.
    Unverifiable = "unverifiable",
}

impl FindingKind {
    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}
