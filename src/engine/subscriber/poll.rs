//! A subscriber without a socket: it asks history at intervals.

use super::Subscriber;
use crate::engine::catch_up::CatchUpTask;
use crate::engine::fetches::{self, Fetches};
use crate::engine::worker::Phase;

impl Subscriber {
    /// Lives until the run ends.
    pub(super) async fn poll(mut self, from_us: u64) {
        let clock = self.shard.shared.clock;
        clock.sleep_until(from_us).await;
        self.watch_membership();
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
            let polls = !self.draining();
            tokio::select! {
                () = clock.sleep_until(next_us), if polls => {
                    self.fetches.iter_mut().for_each(Fetches::want_all);
                    // What was slept through is not made up for.
                    next_us = (next_us + interval_us).max(self.shard.now_us());
                }
                () = fetches::one_over(&mut self.fetches) => {}
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
        self.shard.count(|counters| counters.connected -= 1);
    }
}
