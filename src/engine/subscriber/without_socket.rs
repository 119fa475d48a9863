//! A subscriber without a socket: it asks history at intervals, or is posted to.

use super::{Subscriber, ended};
use crate::engine::catch_up::CatchUpTask;
use crate::engine::endpoint::Posted;
use crate::engine::fetches;
use crate::engine::worker::Phase;
use crate::ledger::ConnectionEnd;
use crate::target::{Callback, parse_done};
use std::time::Duration;
use tokio::sync::mpsc;

impl Subscriber {
    /// Who is in no channel has nothing to subscribe to: no target confirms that,
    /// and where the channels stand in the URL there is none.
    pub(super) async fn live_in_no_channel(mut self) {
        self.shard.count(|counters| counters.ever_connected += 1);
        let _ = self.phase.wait_for(|phase| matches!(phase, Phase::Drain(_) | Phase::End)).await;
        self.finish_drain();
    }

    /// Lives until the run ends.
    pub(super) async fn live_without_socket(mut self, from_us: u64) {
        let clock = self.shard.shared.clock;
        clock.sleep_until(from_us).await;
        self.watch_membership();
        let Some(mut posted) = self.begin_without_socket().await else { return };
        self.shard.count(|counters| {
            counters.connected += 1;
            counters.ever_connected += 1;
        });
        let interval_us = self.shard.plan().receive.interval_us;
        // A thousand clients that start together do not ask together.
        let mut next_us = self.shard.now_us() + self.random.below(interval_us.max(1));
        let mut draining = None;
        loop {
            if draining.is_none()
                && let Some(missing) = self.missing_in_drain()
            {
                draining = Some(self.read_in_drain(missing));
            }
            let polls = self.fetches.is_some() && !self.draining();
            let due_us = self.app.as_ref().map_or(u64::MAX, |app| app.due_us());
            tokio::select! {
                () = clock.sleep_until(next_us), if polls => {
                    self.fetches.iter_mut().for_each(|fetches| fetches.want_all());
                    // What was slept through is not made up for.
                    next_us = (next_us + interval_us).max(self.shard.now_us());
                }
                () = fetches::one_over(&mut self.fetches) => {}
                posted = next_posted(&mut posted) => self.take_posted(posted),
                () = clock.sleep_until(due_us), if due_us < u64::MAX => self.take_delayed(self.shard.now_us()),
                _ = CatchUpTask::joined(&mut draining) => {
                    draining = None;
                    self.finish_drain();
                }
                () = self.absences.one_over() => {}
                changed = self.phase.changed() => {
                    if changed.is_err() || matches!(*self.phase.borrow(), Phase::End) {
                        break;
                    }
                }
            }
        }
        self.log.borrow_mut().disconnected(self.shard.now_us(), ConnectionEnd::RunEnd);
        self.shard.count(|counters| counters.connected -= 1);
    }

    /// Subscribes the app's URL, if it is an app; `None` when the run ends
    /// before that is done.
    async fn begin_without_socket(&mut self) -> Option<Option<mpsc::Receiver<Posted>>> {
        let endpoint = self.shard.endpoint.borrow().clone();
        let Some(endpoint) = endpoint.filter(|_| self.app.is_some()) else { return Some(None) };
        let posted = endpoint.open(self.user);
        let timeout = Duration::from_micros(self.shard.plan().connect.timeout_us);
        let mut tries = 0;
        loop {
            let call = self.shard.api.slack.subscribe_app(&endpoint.url(self.user));
            let answer = tokio::select! {
                answer = self.shard.api.call_as_app(self.user, call, timeout) => answer,
                () = ended(self.phase.clone()) => return None,
            };
            match answer.and_then(|answer| parse_done(answer.status, &answer.body)) {
                Ok(()) => break,
                Err(reason) => {
                    self.shard.trouble.replace(Some(format!("posthaste.apps.subscribe: {reason}")));
                }
            }
            let wait_us = self.shard.plan().connect.backoff.wait_us(tries, &mut self.random);
            tries += 1;
            if !self.stay_away(wait_us).await {
                return None;
            }
        }
        // What is posted is owed from now on until the run ends.
        self.log.borrow_mut().connected(self.shard.now_us());
        Some(Some(posted))
    }

    fn take_posted(&mut self, posted: Posted) {
        let Posted { body, attempt, asker } = posted;
        let shared = self.shard.shared.clone();
        // A form is a question.
        let callback = Callback::parse(&body, &shared.texts).unwrap_or(Callback::Question);
        self.take_callback(callback, attempt, asker, self.shard.now_us());
    }
}

/// The next request; never where the subscriber is not posted to.
async fn next_posted(posted: &mut Option<mpsc::Receiver<Posted>>) -> Posted {
    let next = match posted {
        Some(posted) => posted.recv().await,
        None => None,
    };
    match next {
        Some(next) => next,
        None => std::future::pending().await,
    }
}
