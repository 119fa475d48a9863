//! Known limits, so that what a tool finds can be held against the truth: how
//! many posts a second the store takes, and CPU time that is spent on purpose.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// What a server cannot do faster, and what it spends beside its work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Posts a second that the store takes; what comes faster waits.
    pub posts_per_s: Option<NonZeroU32>,
    /// CPU time spent on each post.
    pub burn_post: Duration,
    /// CPU time spent on each event that a socket is sent.
    pub burn_delivery: Duration,
}

/// Lateness that is made up for: a thread that woke late, or a slow commit,
/// must not lower the rate.
const CREDIT: Duration = Duration::from_millis(100);
/// Batches a second at least, so that the first of a batch is not answered much
/// later than its own turn.
const BATCHES_PER_S: f64 = 100.0;

/// A store that takes so many posts a second.
#[derive(Debug)]
pub(super) struct Pace {
    per_s: f64,
    /// When the posts so far have had their time.
    free_at: Option<Instant>,
}

impl Pace {
    pub(super) fn new(posts_per_s: NonZeroU32) -> Self {
        Self { per_s: posts_per_s.get().into(), free_at: None }
    }

    /// Posts of one batch at most.
    pub(super) fn batch_posts(&self) -> usize {
        (self.per_s / BATCHES_PER_S).max(1.0) as usize
    }

    /// When a batch of so many posts may begin that is there `now`.
    pub(super) fn begin(&mut self, posts: usize, now: Instant) -> Instant {
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        let begin = self.free_at.map_or(now, |free_at| free_at.max(earliest));
        self.free_at = Some(begin + Duration::from_secs_f64(posts as f64 / self.per_s));
        begin
    }
}

/// Spends CPU time of the calling thread.
pub(super) fn burn(time: Duration) {
    if time.is_zero() {
        return;
    }
    let until = thread_cpu() + time;
    while thread_cpu() < until {
        for _ in 0..200 {
            std::hint::spin_loop();
        }
    }
}

fn thread_cpu() -> Duration {
    // A clock that cannot be read stands at the end of time: nothing is spent.
    let now = nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID.now();
    now.map_or(Duration::MAX, Duration::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins of batches of one post, when each is there at its time in ms.
    fn begins(per_s: u32, there_ms: &[u64]) -> Vec<u64> {
        let start = Instant::now() + Duration::from_secs(3_600);
        let mut pace = Pace::new(NonZeroU32::new(per_s).unwrap());
        let begin = |there_ms: &u64| {
            let now = start + Duration::from_millis(*there_ms);
            pace.begin(1, now).max(now).duration_since(start).as_millis() as u64
        };
        there_ms.iter().map(begin).collect()
    }

    #[test]
    fn posts_wait_for_their_turn() {
        for (there_ms, begin_ms, reason) in [
            (&[0, 0, 0, 0][..], &[0, 100, 200, 300][..], "a burst leaves at the rate"),
            (&[0, 150, 300], &[0, 150, 300], "slower than the rate: nobody waits"),
            (&[0, 0, 0, 250, 250], &[0, 100, 200, 300, 400], "and behind those that wait"),
            (&[0, 130, 130, 290], &[0, 130, 200, 300], "a late thread is made up for"),
            (&[0, 5_000, 5_000, 5_000], &[0, 5_000, 5_000, 5_100], "a long rest is worth one post, not fifty"),
        ] {
            assert_eq!(begins(10, there_ms), begin_ms, "{reason}");
        }
    }

    #[test]
    fn batches_are_short() {
        for (per_s, posts) in [(1, 1), (150, 1), (1_000, 10), (25_000, 250)] {
            assert_eq!(Pace::new(NonZeroU32::new(per_s).unwrap()).batch_posts(), posts);
        }
    }

    #[test]
    fn what_is_burnt_is_cpu_time() {
        let before = thread_cpu();
        burn(Duration::from_millis(20));
        let burnt = thread_cpu() - before;
        assert!(burnt >= Duration::from_millis(20) && burnt < Duration::from_millis(40), "{burnt:?}");
        burn(Duration::ZERO);
    }
}
