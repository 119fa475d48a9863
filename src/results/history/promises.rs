//! The promises of a target as a history tells them.

use super::lines::{from_us, to_us};
use crate::plan::{Capabilities, Positions};
use serde::{Deserialize, Serialize};

/// [`Capabilities`], each with a default, and the lag in ms.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Promises {
    pub dedup: bool,
    pub sender_order: bool,
    pub live_order: bool,
    pub read_after_ack: bool,
    pub explicit_membership: bool,
    pub own_push: bool,
    pub changes: bool,
    pub positions: Positions,
    pub confirmed_subscription: bool,
    pub lag: f64,
}

impl Default for Promises {
    fn default() -> Self {
        Self {
            dedup: true,
            sender_order: false,
            live_order: false,
            read_after_ack: true,
            explicit_membership: true,
            own_push: true,
            changes: false,
            positions: Positions::Unique,
            confirmed_subscription: true,
            lag: 0.0,
        }
    }
}

impl Promises {
    pub(super) fn of(capabilities: &Capabilities) -> Self {
        Self {
            dedup: capabilities.dedup,
            sender_order: capabilities.sender_order,
            live_order: capabilities.live_order,
            read_after_ack: capabilities.read_after_ack,
            explicit_membership: capabilities.explicit_membership,
            own_push: capabilities.own_push,
            changes: capabilities.changes,
            positions: capabilities.positions,
            confirmed_subscription: capabilities.confirmed_subscription,
            lag: from_us(capabilities.lag_us),
        }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        Capabilities {
            dedup: self.dedup,
            sender_order: self.sender_order,
            live_order: self.live_order,
            read_after_ack: self.read_after_ack,
            explicit_membership: self.explicit_membership,
            own_push: self.own_push,
            changes: self.changes,
            positions: self.positions,
            confirmed_subscription: self.confirmed_subscription,
            lag_us: to_us(self.lag).unwrap_or(0),
            ..Capabilities::ALL
        }
    }
}
