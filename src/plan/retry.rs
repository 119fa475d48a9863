//! Where a retry is decided: whether a message is tried again, and after which
//! wait.

use super::{Backoff, Send};
use crate::model::Random;

impl Backoff {
    /// The wait in µs before retry `retry` (from 0): exponential with full
    /// jitter, uniform in [0, min(max, base · 2^retry)]. Clients that failed
    /// together do not come back together (Brooker, "Exponential Backoff And
    /// Jitter", 2015).
    pub fn wait_us(&self, retry: u32, random: &mut Random) -> u64 {
        let factor = 1u64.checked_shl(retry).unwrap_or(u64::MAX);
        let ceiling_us = self.base_us.saturating_mul(factor).min(self.max_us);
        random.between(0, ceiling_us)
    }
}

/// The wait in µs before the next attempt, or `None` to give up.
///
/// `attempts` were made so far; `retryable` says whether the last answer
/// allows another; `asked_us` is a wait that the target asked for, which is the
/// least that is waited, the jitter on top.
pub fn next_attempt(
    send: &Send,
    attempts: u32,
    retryable: bool,
    asked_us: Option<u64>,
    random: &mut Random,
) -> Option<u64> {
    if !retryable || attempts >= send.attempts {
        return None;
    }
    let jittered_us = send.backoff.wait_us(attempts.saturating_sub(1), random);
    Some(asked_us.unwrap_or(0).saturating_add(jittered_us))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::plan;
    use super::*;

    #[test]
    fn waits_are_jittered_up_to_a_ceiling_that_doubles() {
        let backoff = Backoff { base_us: 100, max_us: 1_000 };
        let mut random = Random::new(1, "test");
        for (retry, ceiling_us) in [(0, 100), (1, 200), (3, 800), (4, 1_000), (64, 1_000), (u32::MAX, 1_000)] {
            let waits: Vec<u64> = (0..2_000).map(|_| backoff.wait_us(retry, &mut random)).collect();
            assert!(waits.iter().all(|wait| *wait <= ceiling_us));
            let mean = waits.iter().sum::<u64>() as f64 / 2_000.0 / ceiling_us as f64;
            assert!((0.47..0.53).contains(&mean), "full jitter: {mean} at retry {retry}");
        }
    }

    #[test]
    fn retries_end_and_the_target_may_ask_for_more_time() {
        let mut send = plan().send;
        (send.attempts, send.backoff) = (3, Backoff { base_us: 10, max_us: 10 });
        let mut random = Random::new(1, "test");
        let mut next = |attempts, retryable, asked| next_attempt(&send, attempts, retryable, asked, &mut random);
        assert!(next(1, true, None).is_some_and(|wait| wait <= 10));
        assert!(next(2, true, Some(5_000)).is_some_and(|wait| (5_000..=5_010).contains(&wait)));
        assert_eq!(next(3, true, None), None, "no attempt is left");
        assert_eq!(next(1, false, Some(1)), None, "it would be refused again");
    }
}
