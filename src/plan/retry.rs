//! Where a retry is decided: whether there is one, and how long it waits.

use super::{Backoff, Send};
use crate::model::Random;

impl Backoff {
    /// The wait in µs before retry `retry` (from 0): uniform in
    /// [0, min(max, base · 2^retry)]. Full jitter spreads clients that failed
    /// together (Brooker, "Exponential backoff and jitter", 2015).
    pub fn wait_us(&self, retry: u32, random: &mut Random) -> u64 {
        let factor = 1u64.checked_shl(retry).unwrap_or(u64::MAX);
        random.between(0, self.base_us.saturating_mul(factor).min(self.max_us))
    }
}

/// The wait in µs before the next attempt of a message, or `None` to give up.
///
/// `attempts_so_far` counts the attempts that have ended, the first included;
/// `retryable` is the classification of the last one. A `Retry-After` from the
/// target is the least wait, and the jitter comes on top of it: clients that
/// were told the same time must not all return at the same time.
pub fn next_attempt(
    send: &Send,
    attempts_so_far: u32,
    retryable: bool,
    retry_after_us: Option<u64>,
    random: &mut Random,
) -> Option<u64> {
    if !retryable || attempts_so_far >= send.attempts {
        return None;
    }
    let wait_us = send.backoff.wait_us(attempts_so_far.saturating_sub(1), random);
    Some(retry_after_us.unwrap_or(0).saturating_add(wait_us))
}

#[cfg(test)]
mod tests {
    use super::super::{HttpUse, SendDesign, Taps};
    use super::*;

    fn send(attempts: u32) -> Send {
        let backoff = Backoff { base_us: 100, max_us: 1_000 };
        Send {
            design: SendDesign::Http,
            http: HttpUse::Kept,
            taps: Taps::NONE,
            attempts,
            timeout_us: 1,
            backoff,
            idle_timeout_us: 1,
        }
    }

    #[test]
    fn waits_are_uniform_up_to_a_ceiling_that_doubles() {
        let backoff = Backoff { base_us: 100, max_us: 1_000 };
        for (retry, ceiling, reason) in [
            (0, 100, "the base"),
            (1, 200, "doubled"),
            (3, 800, "doubled thrice"),
            (4, 1_000, "held at the maximum"),
            (63, 1_000, "the factor's last bit"),
            (64, 1_000, "the factor would overflow"),
            (u32::MAX, 1_000, "the factor would overflow by far"),
        ] {
            let mut random = Random::new(1, "test");
            let waits: Vec<u64> = (0..2_000).map(|_| backoff.wait_us(retry, &mut random)).collect();
            assert!(waits.iter().all(|wait| *wait <= ceiling), "{reason}");
            let mean = waits.iter().sum::<u64>() as f64 / 2_000.0;
            // The standard deviation of the mean is ceiling / √12 / √2000.
            assert!((mean / ceiling as f64 - 0.5).abs() < 0.04, "{reason}: mean {mean} of {ceiling}");
        }
        let mut random = Random::new(1, "test");
        assert_eq!(Backoff { base_us: 0, max_us: 5 }.wait_us(9, &mut random), 0);
        Backoff { base_us: u64::MAX, max_us: u64::MAX }.wait_us(9, &mut random);
    }

    #[test]
    fn attempts_end_when_they_may_not_or_need_not_go_on() {
        for (attempts, so_far, retryable, expected, reason) in [
            (4, 1, true, true, "the first of four failed"),
            (4, 3, true, true, "one is left"),
            (4, 4, true, false, "none is left"),
            (4, 5, true, false, "more than allowed"),
            (4, 1, false, false, "the answer is definite"),
            (1, 1, true, false, "a workload without retries"),
            (1, 0, true, true, "nothing was tried yet"),
        ] {
            let wait = next_attempt(&send(attempts), so_far, retryable, None, &mut Random::new(1, "test"));
            assert_eq!(wait.is_some(), expected, "{reason}");
        }
    }

    #[test]
    fn retry_after_is_the_least_wait_and_clients_still_spread() {
        let mut random = Random::new(1, "test");
        let mut waits: Vec<u64> =
            (0..50).map(|_| next_attempt(&send(4), 1, true, Some(30_000), &mut random).unwrap()).collect();
        assert!(waits.iter().all(|wait| (30_000..=30_100).contains(wait)), "{waits:?}");
        waits.sort_unstable();
        waits.dedup();
        assert!(waits.len() > 20, "{waits:?}");
        assert_eq!(next_attempt(&send(4), 1, true, Some(u64::MAX), &mut random), Some(u64::MAX));
    }
}
