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

/// Lateness that is made up for while posts wait: a thread that woke late, or a
/// slow commit, must not lower the rate. A store that rests saves nothing up.
const CREDIT: Duration = Duration::from_secs(1);
/// Batches a second at least, so that the first of a batch is not answered much
/// later than its own turn.
const BATCHES_PER_S: f64 = 100.0;

/// A store that takes so many posts a second.
#[derive(Debug)]
pub(super) struct Pace {
    per_s: f64,
    /// When the posts so far have had their time.
    free_at: Option<Instant>,
    /// Whether nothing waited since.
    rests: bool,
}

impl Pace {
    pub(super) fn new(posts_per_s: NonZeroU32) -> Self {
        Self { per_s: posts_per_s.get().into(), free_at: None, rests: true }
    }

    /// Posts of one batch at most.
    pub(super) fn batch_posts(&self) -> usize {
        (self.per_s / BATCHES_PER_S).max(1.0) as usize
    }

    /// Nothing waits.
    pub(super) fn rest(&mut self) {
        self.rests = true;
    }

    /// When a batch of so many posts may begin that is there `now`.
    pub(super) fn begin(&mut self, posts: usize, now: Instant) -> Instant {
        let credit = if std::mem::take(&mut self.rests) { Duration::ZERO } else { CREDIT };
        let earliest = now.checked_sub(credit).unwrap_or(now);
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

    /// Begins of batches of one post at ten a second, in ms: each is there at its
    /// time, and the thread sleeps so much longer than it was asked to.
    fn begins(there_ms: &[u64], late_ms: u64) -> Vec<u64> {
        let start = Instant::now() + Duration::from_secs(3_600);
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pace = Pace::new(NonZeroU32::new(10).unwrap());
        let mut awake_ms = 0;
        let begin = |there: &u64| {
            if *there > awake_ms {
                pace.rest();
                awake_ms = *there;
            }
            let begin = pace.begin(1, at(awake_ms));
            if begin > at(awake_ms) {
                awake_ms = begin.duration_since(start).as_millis() as u64 + late_ms;
            }
            awake_ms
        };
        there_ms.iter().map(begin).collect()
    }

    #[test]
    fn posts_wait_for_their_turn() {
        for (there_ms, late_ms, begin_ms, reason) in [
            (&[0, 0, 0, 0][..], 0, &[0, 100, 200, 300][..], "a burst leaves at the rate"),
            (&[0, 150, 300], 0, &[0, 150, 300], "slower than the rate: nobody waits"),
            (&[0, 0, 0, 250, 250], 0, &[0, 100, 200, 300, 400], "behind those that wait"),
            (&[0, 0, 0, 0, 0], 30, &[0, 130, 230, 330, 430], "a late thread does not lower the rate"),
            (&[0, 0, 0, 0, 0], 250, &[0, 350, 350, 350, 650], "and catches up"),
            (&[0, 5_000, 5_000, 5_000], 0, &[0, 5_000, 5_100, 5_200], "a rest saves nothing up"),
        ] {
            assert_eq!(begins(there_ms, late_ms), begin_ms, "{reason}");
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
