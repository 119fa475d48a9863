//! How long something is waited for, one wait after the other.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

/// A time-out whose timer is seldom set: to set one and to take it back is work at
/// every message. It is left where it is, wakes early, and is set to what is due by
/// then.
#[derive(Default)]
pub struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// The output of what is waited for; `None` where it is not there by then.
    pub async fn until<T>(&mut self, until: Instant, mut wait: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        std::future::poll_fn(|task| match wait.as_mut().poll(task) {
            Poll::Ready(come) => Poll::Ready(Some(come)),
            Poll::Pending => self.poll_past(task, until).map(|()| None),
        })
        .await
    }

    /// Ready once that time has passed; the task is woken then, and may be before.
    pub fn poll_past(&mut self, task: &mut Context<'_>, until: Instant) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        loop {
            ready!(timer.as_mut().poll(task));
            if timer.deadline() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::time::Duration;

    #[tokio::test]
    async fn each_wait_has_its_own_end_whatever_the_timer_was_set_to() {
        let mut patience = Patience::default();
        // Short ones behind long ones, long ones behind short ones, and what comes.
        for (limit_ms, comes_ms) in [(500, 1), (20, 500), (60, 500), (5, 500), (500, 30), (40, 500), (0, 500)] {
            let (limit, comes) = (Duration::from_millis(limit_ms), Duration::from_millis(comes_ms));
            let began = Instant::now();
            let come = patience.until(began + limit, pin!(tokio::time::sleep(comes))).await;
            let took = began.elapsed();
            assert_eq!(come.is_some(), comes < limit, "{limit_ms} {comes_ms}");
            assert!(took >= limit.min(comes), "{took:?} of {limit_ms} {comes_ms}");
            assert!(took < limit.min(comes) + Duration::from_millis(200), "{took:?} of {limit_ms} {comes_ms}");
        }
    }

    #[tokio::test]
    async fn what_is_there_comes_even_when_its_time_is_over() {
        let come = Patience::default().until(Instant::now(), pin!(std::future::ready(7))).await;
        assert_eq!(come, Some(7));
    }
}
