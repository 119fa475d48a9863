//! What the target calls the run's channels and users.

use crate::model::{ChannelId, UserId};
use std::collections::HashMap;

/// The target's ids of the run's channels.
#[derive(Debug, Default)]
pub struct Directory {
    ids: Vec<String>,
    channels: HashMap<String, ChannelId>,
    /// The target's ids of the users, where the plan needs them.
    user_ids: Vec<String>,
    users: HashMap<String, UserId>,
}

impl Directory {
    /// From the target's ids in the order of the channels.
    pub fn new(ids: Vec<String>) -> Self {
        let numbered = ids.iter().enumerate();
        let channels = numbered.map(|(rank, id)| (id.clone(), ChannelId(rank as u32))).collect();
        Self { ids, channels, ..Self::default() }
    }

    /// The same, with the target's ids of the users in their order.
    pub fn with_users(self, user_ids: Vec<String>) -> Self {
        let numbered = user_ids.iter().enumerate();
        let users = numbered.map(|(rank, id)| (id.clone(), UserId(rank as u32))).collect();
        Self { user_ids, users, ..self }
    }

    /// The target's id of a user, where it was asked for.
    pub fn user_id(&self, user: UserId) -> Option<&str> {
        self.user_ids.get(user.0 as usize).map(String::as_str)
    }

    /// The user with the target's id, if it is one of the run's.
    pub fn user(&self, id: &str) -> Option<UserId> {
        self.users.get(id).copied()
    }

    /// The target's id of a channel.
    pub fn id(&self, channel: ChannelId) -> &str {
        &self.ids[channel.0 as usize]
    }

    /// The channel with the target's id, if it is one of the run's.
    pub fn channel(&self, id: &str) -> Option<ChannelId> {
        self.channels.get(id).copied()
    }
}
