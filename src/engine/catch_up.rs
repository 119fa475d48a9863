//! A subscriber reads what it missed from history, from its own cursor to the
//! end, while new pushes already arrive.

use super::chat::{Bound, ChannelAt, ReadPage, Reading};
use super::shard::Shard;
use super::traversal::Traversal;
use crate::ledger::{CatchUpKind, FirstSeen, PageRecord, RunSet, SubscriberLog};
use crate::model::{ChannelId, LatencyKind, Random, UserId};
use crate::plan::ReceiveDesign;
use crate::target::Row;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Tries of one page before the client gives the catch-up up until its next
/// reconnect. In the drain there is no next one: it tries until the deadline.
const POLICY_TRIES: u32 = 5;
/// No read of one channel takes more of the target's bytes: what goes on longer
/// is no history of this run.
const MAX_BYTES: usize = 256 << 20;
/// No read of one channel by a client's own policy lasts longer; those of the
/// drain end with its deadline.
const MAX_TIME_US: u64 = 600_000_000;

/// A catch-up under way; dropping it ends it.
pub struct CatchUpTask {
    /// Why it was begun.
    pub kind: CatchUpKind,
    task: JoinHandle<bool>,
}

impl Drop for CatchUpTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl CatchUpTask {
    /// Begins to read the given channels, one after the other.
    pub fn spawn(
        shard: &Rc<Shard>,
        user: UserId,
        log: &Rc<RefCell<SubscriberLog>>,
        channels: Vec<ChannelId>,
        kind: CatchUpKind,
    ) -> Self {
        let reader = ChannelReader::new(shard, user, log, kind);
        shard.count(|counters| counters.catch_ups += 1);
        let task = tokio::task::spawn_local(async move {
            let mut reached_all = true;
            for channel in channels {
                reached_all &= reader.read(channel).await;
            }
            reached_all
        });
        Self { kind, task }
    }

    /// Waits until it has ended: whether it reached the end of every channel.
    /// Never returns where there is none.
    pub async fn joined(running: &mut Option<CatchUpTask>) -> bool {
        match running {
            Some(catch_up) => (&mut catch_up.task).await.unwrap_or(false),
            None => std::future::pending().await,
        }
    }
}

/// The channels in which the subscriber lacks a stored message.
pub fn missing_channels(log: &SubscriberLog, stored: &[RunSet]) -> Vec<ChannelId> {
    let lacks = |channel: ChannelId| {
        let Some(stored) = stored.get(channel.0 as usize) else { return false };
        let Some(window) = log.window(channel) else { return !stored.is_empty() };
        let mut had = window.live();
        had.union(window.caught_up());
        had.union(window.drained());
        stored.difference(&had).next().is_some()
    };
    log.channels().filter(|channel| lacks(*channel)).collect()
}

/// Reads channels of one subscriber.
pub struct ChannelReader {
    shard: Rc<Shard>,
    user: UserId,
    log: Rc<RefCell<SubscriberLog>>,
    kind: CatchUpKind,
}

/// How far a page brought the traversal.
enum Step {
    /// To the end.
    End,
    /// To the next page.
    Next,
    /// Nowhere: neither a new row nor the end.
    Stuck,
}

impl ChannelReader {
    /// A reader that reads for a reason.
    pub fn new(shard: &Rc<Shard>, user: UserId, log: &Rc<RefCell<SubscriberLog>>, kind: CatchUpKind) -> Self {
        Self { shard: shard.clone(), user, log: log.clone(), kind }
    }

    /// Reads a channel from the subscriber's cursor on; whether the end was
    /// reached.
    pub async fn read(&self, channel: ChannelId) -> bool {
        let after = self.log.borrow().window(channel).and_then(|window| window.cursor);
        let known = self.shard.bookmarks.borrow().get(&(self.user, channel)).cloned();
        let (shared, size) = (self.shard.shared.clone(), self.shard.plan().catch_up.page_size);
        let place = ChannelAt { channel, channel_id: shared.directory.id(channel) };
        let mut reading = Reading::new(&self.shard.api, self.user, place, size, Bound { after, known });
        let mut traversal = Traversal::new(after);
        let mut newest = None;
        let (mut bytes, began_us) = (0, self.shard.now_us());
        for _ in 0..self.shard.plan().catch_up.max_pages {
            let Some((written_us, length, page)) = self.read_page(channel, &mut reading).await else {
                return false;
            };
            bytes += length;
            let endless = self.kind == CatchUpKind::Policy && written_us > began_us + MAX_TIME_US;
            if bytes > MAX_BYTES || endless {
                self.shard.trouble.replace(Some(format!("history: a read without an end after {bytes} bytes")));
                return false;
            }
            if let Some(row) = page.rows.last().filter(|_| newest.is_none() || !reading.walks_back()) {
                newest = Some(row.server_id.clone());
            }
            match self.note_page(channel, &mut traversal, written_us, page) {
                Step::End => {
                    self.mark(channel, newest);
                    return true;
                }
                Step::Next => {}
                Step::Stuck => return false,
            }
        }
        false
    }

    /// Remembers the newest row that was read, where the target is asked by ids.
    fn mark(&self, channel: ChannelId, newest: Option<Box<str>>) {
        if let (Some(newest), true) = (newest, self.shard.api.people.is_some()) {
            self.shard.bookmarks.borrow_mut().insert((self.user, channel), newest);
        }
    }

    /// One page, tried again after a back-off; when its request was written, and
    /// the bytes of its answer.
    async fn read_page(&self, channel: ChannelId, reading: &mut Reading<'_>) -> Option<(u64, usize, ReadPage)> {
        let shard = &self.shard;
        let timeout = Duration::from_micros(shard.plan().catch_up.timeout_us);
        let place = (u64::from(self.user.0) << 32) | u64::from(channel.0);
        let mut random = Random::new(shard.plan().seed, "catch-up").split(place);
        let mut tries = 0;
        loop {
            // Before the request is written, so that whatever was acknowledged
            // earlier was acknowledged before the write too.
            let written_us = shard.now_us();
            let answer = shard.api.call_renewing(self.user, || reading.call(), timeout).await;
            let page = answer.and_then(|answer| {
                let page = reading.read(&answer, &shard.shared.texts).map_err(|error| error.to_string())?;
                Ok((answer.body.len(), page))
            });
            match page {
                Ok((length, page)) => return Some((written_us, length, page)),
                Err(reason) => {
                    tracing::debug!(user = self.user.0, channel = channel.0, reason, "cannot read history");
                    shard.trouble.replace(Some(format!("history: {reason}")));
                }
            }
            tries += 1;
            if tries >= POLICY_TRIES && self.kind == CatchUpKind::Policy {
                return None;
            }
            let wait_us = shard.plan().connect.backoff.wait_us(tries, &mut random);
            tokio::time::sleep(Duration::from_micros(wait_us)).await;
        }
    }

    fn note_page(&self, channel: ChannelId, traversal: &mut Traversal, written_us: u64, page: ReadPage) -> Step {
        let now_us = self.shard.now_us();
        let mut log = self.log.borrow_mut();
        let Some(window) = log.window_mut(channel) else { return Step::Stuck };
        let last = page.next_cursor.is_none();
        let turn = traversal.turn(&page.rows, last, written_us);
        let mut record = PageRecord {
            reader: self.user,
            channel,
            kind: self.kind,
            written_us,
            after: traversal.after.filter(|_| page.positioned),
            lowest: page.rows.first().map(|row| row.position).filter(|_| page.positioned),
            highest: page.rows.last().map(|row| row.position).filter(|_| page.positioned),
            messages: RunSet::default(),
            unrecognised: Vec::new(),
            // Without positions, nobody can tell what a page should show.
            open_end: turn.open_end && page.positioned,
            repeated_rows: turn.repeated_rows,
            stuck: traversal.is_stuck(turn.fresh_rows, page.next_cursor.as_deref()),
        };
        for row in &page.rows {
            self.note_facts(row, channel, now_us);
            match row.message.filter(|message| message.channel == channel) {
                Some(message) => {
                    record.messages.insert(message.index);
                    if window.read(message.index, self.kind) {
                        self.note_healed(row, now_us);
                    }
                }
                None => record.unrecognised.push(row.server_id.clone()),
            }
        }
        let mut pages = self.shard.pages.borrow_mut();
        if turn.first_has_open_end
            && page.positioned
            && let Some(first) = traversal.first_record
        {
            pages.mark_open_end(first);
        }
        if !page.rows.is_empty() {
            traversal.first_record.get_or_insert(pages.len());
        }
        window.cursor = window.cursor.max(turn.complete_to.filter(|_| page.positioned));
        let step = match page.next_cursor {
            None => {
                window.reached_end_us = window.reached_end_us.max(Some(traversal.end_us(written_us)));
                Step::End
            }
            Some(_) if record.stuck => Step::Stuck,
            Some(_) => Step::Next,
        };
        pages.push(record);
        step
    }

    fn note_facts(&self, row: &Row, channel: ChannelId, now_us: u64) {
        let seen = FirstSeen { at_us: now_us, subscriber: Some(self.user) };
        if let Some(message) = row.message.filter(|message| message.channel != channel) {
            self.shard.facts.borrow_mut().elsewhere(message, channel, seen);
        }
        if let (Some(message), Some(false)) = (row.message, row.intact) {
            self.shard.facts.borrow_mut().altered(message, seen);
        }
        if let Some(text) = &row.foreign {
            self.shard.facts.borrow_mut().foreign(text, seen);
        }
    }

    /// A message obtained for the first time, and from history.
    fn note_healed(&self, row: &Row, now_us: u64) {
        let design = self.shard.plan().receive.design;
        let fetched = self.kind == CatchUpKind::Policy && design.fetches();
        self.shard.count(|counters| match fetched {
            true => counters.delivered += 1,
            false => counters.healed += 1,
        });
        let kind = match self.kind {
            CatchUpKind::Policy if fetched => LatencyKind::Delivery,
            // A design that does not heal: what the drain shows comes too late
            // by its definition.
            CatchUpKind::Drain if design != ReceiveDesign::Ws => return,
            _ => LatencyKind::HealMessage,
        };
        let load_start_us = self.shard.load_start_us.get();
        let since_load_us = now_us.saturating_sub(load_start_us);
        let intended_us = load_start_us + crate::model::unwrap_intended_us(row.intended_wrapped_us, since_load_us);
        self.shard.record_of_message(kind, intended_us, now_us.saturating_sub(intended_us));
    }
}
