//! Rows about which the writer and the readers of history must agree for a
//! defect to be noted exactly.

use super::super::channel::Channel;
use super::super::sync::lock;
use super::super::writer::now_us;
use super::{Defect, Instance};
use std::sync::Mutex;

/// A row that has its position and is not committed: `late-commit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) channel: i64,
    pub(super) ts: u64,
    pub(super) key: Box<str>,
}

/// Positions given and not committed.
#[derive(Debug, Default)]
pub(super) struct Uncommitted(Mutex<Vec<Given>>);

impl Uncommitted {
    pub(super) fn add(&self, given: Given) {
        lock(&self.0).push(given);
    }

    pub(super) fn remove(&self, channel: i64, ts: u64) {
        lock(&self.0).retain(|given| (given.channel, given.ts) != (channel, ts));
    }

    pub(super) fn of(&self, channel: i64) -> Vec<Given> {
        lock(&self.0).iter().filter(|given| given.channel == channel).cloned().collect()
    }
}

/// How long a row is fresh, in µs.
const FRESH_US: u64 = 1_000_000;

/// Fresh rows that a history read returned and that the writer is to lose:
/// `vanish`.
#[derive(Debug, Default)]
pub(super) struct Doomed(Mutex<Vec<(i64, u64, Instance)>>);

impl Doomed {
    pub(super) fn is_fresh(ts: u64) -> bool {
        now_us().saturating_sub(ts) < FRESH_US
    }

    /// Dooms a row once.
    pub(super) fn add(&self, channel: &Channel, ts: u64, key: Option<&str>, reader: &str) {
        let mut doomed = lock(&self.0);
        if doomed.iter().any(|(number, other, _)| (*number, *other) == (channel.number, ts)) {
            return;
        }
        let (defect, client_msg_id) = (Defect::Vanish.name(), key.map(Into::into));
        let (channel_id, user) = (channel.id.clone(), Some(reader.into()));
        let instance = Instance { defect, client_msg_id, channel: channel_id, user, ts: Some(ts), limit: None };
        doomed.push((channel.number, ts, instance));
    }

    /// Takes those that are to go now. A row that settled meanwhile stays.
    pub(super) fn take(&self) -> Vec<(i64, u64, Instance)> {
        let mut doomed = std::mem::take(&mut *lock(&self.0));
        doomed.retain(|(_, ts, _)| Self::is_fresh(*ts));
        doomed
    }
}
