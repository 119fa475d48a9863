//! The Events API: an app's URL, to which its events are posted.
//!
//! An event that is not answered with 2xx in time is posted again at once, after
//! a minute and after five (scaled), under the same `event_id` and with the
//! reason; not where the app answers `X-Slack-No-Retry: 1`. So many POSTs are
//! under way at once, so events may overtake each other; an event that waits for
//! its retry holds none up. So many events wait at most: further ones are
//! dropped, and logged.

use super::super::PATIENCE;
use super::super::sync::lock;
use super::poster::{PostError, Poster};
use super::{Event, Identity};
use reqwest::Url;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;

/// POSTs under way at once.
const POSTS: u32 = 8;
/// Events that wait, or are posted.
const PENDING: usize = 10_000;
/// How long to wait before each try.
const WAITS: [Duration; 4] = [Duration::ZERO, Duration::ZERO, Duration::from_secs(60), Duration::from_secs(300)];

#[derive(Debug, Default)]
struct Pending {
    /// In the order in which they came.
    events: BTreeMap<u64, Event>,
    serial: u64,
    dropped: u64,
}

/// An app's URL and what is to be posted there.
#[derive(Debug)]
pub(in super::super) struct Endpoint {
    identity: Identity,
    url: Url,
    poster: Arc<Poster>,
    slots: Semaphore,
    pending: Mutex<Pending>,
    closing: AtomicBool,
}

impl Endpoint {
    pub(super) fn new(identity: Identity, url: Url, poster: Arc<Poster>) -> Self {
        let slots = Semaphore::new(POSTS as usize);
        Self { identity, url, poster, slots, pending: Mutex::default(), closing: AtomicBool::new(false) }
    }

    pub(in super::super) fn url(&self) -> &Url {
        &self.url
    }

    /// Posts a question; the body of its answer.
    pub(super) async fn ask(&self, form: String) -> Result<String, PostError> {
        self.poster.form(&self.url, form).await
    }

    /// Takes an event, and posts it soon.
    pub(super) fn offer(self: Arc<Self>, event: Event) {
        let serial = {
            let mut pending = lock(&self.pending);
            if pending.events.len() >= PENDING {
                pending.dropped += 1;
                if pending.dropped.is_power_of_two() {
                    let dropped = pending.dropped;
                    tracing::warn!(app = %self.identity.app, dropped, "{PENDING} events wait for the app, more are dropped");
                }
                return;
            }
            pending.serial += 1;
            let serial = pending.serial;
            pending.events.insert(serial, event.clone());
            serial
        };
        tokio::spawn(async move {
            if self.deliver(event).await {
                lock(&self.pending).events.remove(&serial);
            }
        });
    }

    /// Posts an event until that succeeds or is given up; `false` where the
    /// server ends before.
    async fn deliver(&self, mut event: Event) -> bool {
        let defects = &self.poster.defects;
        let mut failed = None;
        for (attempt, wait) in (0..).zip(WAITS) {
            if attempt == 1 && defects.gives_up(&self.identity, &event) {
                break;
            }
            if attempt > 0 && defects.renames(&self.identity, &event) {
                event.id = Event::new_id();
            }
            tokio::time::sleep(wait.mul_f64(self.poster.retry_scale)).await;
            let Ok(_slot) = self.slots.acquire().await else { return false };
            if self.closing.load(Ordering::Relaxed) {
                return false;
            }
            match self.post(&event, attempt, failed).await {
                Ok(_) => return true,
                Err(error) => failed = Some(error),
            }
            if failed == Some(PostError::Status { no_retry: true }) {
                break;
            }
        }
        let reason = failed.map_or("", PostError::reason);
        tracing::warn!(app = %self.identity.app, event = %event.id, reason, "an event was given up");
        true
    }

    async fn post(&self, event: &Event, attempt: u32, failed: Option<PostError>) -> Result<String, PostError> {
        let body = self.identity.callback(event);
        let number = attempt.to_string();
        match failed {
            None => self.poster.json(&self.url, body, &[]).await,
            Some(error) => {
                let headers = [("x-slack-retry-num", number.as_str()), ("x-slack-retry-reason", error.reason())];
                self.poster.json(&self.url, body, &headers).await
            }
        }
    }

    /// Starts no further POST, lets those under way end, and gives what was not
    /// told.
    pub(super) async fn close(&self) -> Vec<Event> {
        self.closing.store(true, Ordering::Relaxed);
        // One that is not answered by then counts as not told.
        let _ = tokio::time::timeout(PATIENCE.min(self.poster.answer_within), self.slots.acquire_many(POSTS)).await;
        std::mem::take(&mut lock(&self.pending).events).into_values().collect()
    }
}
