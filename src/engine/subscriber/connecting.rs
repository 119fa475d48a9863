//! How a subscriber comes to a connection, and stays away from one.

use super::{Subscriber, ended};
use crate::engine::socket::{self, Socket};
use crate::engine::worker::Phase;
use std::time::Duration;

impl Subscriber {
    /// Connects, with jittered back-off after the first try; `None` when the
    /// run ends.
    pub(super) async fn connect(&mut self) -> Option<Socket> {
        self.overlaps = self.app.as_ref().is_some_and(|app| app.next.is_some());
        if let Some(socket) = self.opened_before().await {
            return Some(socket);
        }
        let mut tries = 0;
        let last_event = self.last_event_to_name();
        loop {
            self.begun_us = self.shard.now_us();
            let opened = match self.wired {
                Some(_) => self.open_described_unless_ended().await?,
                None => tokio::select! {
                    opened = socket::open(&self.shard, self.user, last_event) => opened,
                    () = ended(self.phase.clone()) => return None,
                },
            };
            match opened {
                Ok(socket) => return Some(socket),
                Err(reason) => {
                    tracing::debug!(user = self.user.0, reason, "cannot connect");
                    self.shard.trouble.replace(Some(reason));
                }
            }
            let wait_us = self.shard.plan().connect.backoff.wait_us(tries, &mut self.random);
            tries += 1;
            if !self.stay_away(wait_us).await {
                return None;
            }
        }
    }

    /// `None` when the run ends.
    async fn open_described_unless_ended(&mut self) -> Option<Result<Socket, String>> {
        // What the target asked for is waited for first.
        let wait_us = self.wired.as_ref().map_or(0, |wired| wired.wait_us);
        if wait_us > 0 && !self.stay_away(wait_us).await {
            return None;
        }
        let ends = ended(self.phase.clone());
        tokio::select! {
            opened = self.open_described() => Some(opened),
            () = ends => None,
        }
    }

    /// Waits; an absence is cut short by the drain. False when the run ends.
    pub(super) async fn stay_away(&mut self, wait_us: u64) -> bool {
        let draining = async {
            let _ = self.phase.clone().wait_for(|phase| matches!(phase, Phase::Drain(_) | Phase::End)).await;
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_micros(wait_us)) => {}
            () = draining => {
                // While the drain lasts, a target that is gone is not asked
                // without pause.
                tokio::time::sleep(Duration::from_micros(wait_us.min(200_000))).await;
            }
        }
        !matches!(*self.phase.borrow(), Phase::End)
    }
}
