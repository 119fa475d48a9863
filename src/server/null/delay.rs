//! A delay that is the same for all, by a thread of its own: tokio's timer has
//! a grain of 1 ms, and a sleeping thread wakes within some ten µs.

use std::io;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Waits so long after an instant.
pub(super) struct Delay {
    length: Duration,
    /// In the order of their times, as all wait equally long.
    line: Option<mpsc::Sender<(Instant, oneshot::Sender<()>)>>,
}

impl Delay {
    /// A delay; its thread ends when it is dropped.
    pub(super) fn start(length: Duration) -> io::Result<Self> {
        if length.is_zero() {
            return Ok(Self { length, line: None });
        }
        let (line, waiting) = mpsc::channel::<(Instant, oneshot::Sender<()>)>();
        std::thread::Builder::new().name("delay".to_owned()).spawn(move || {
            for (until, waiter) in waiting {
                std::thread::sleep(until.saturating_duration_since(Instant::now()));
                // Whoever waited may be gone.
                let _ = waiter.send(());
            }
        })?;
        Ok(Self { length, line: Some(line) })
    }

    /// Whether nobody waits at all.
    pub(super) fn is_none(&self) -> bool {
        self.line.is_none()
    }

    /// Waits until the delay since an instant is over.
    pub(super) async fn since(&self, start: Instant) {
        let Some(line) = &self.line else { return };
        let (waiter, over) = oneshot::channel();
        if line.send((start + self.length, waiter)).is_ok() {
            let _ = over.await;
        }
    }
}
