//! The most attempts a second that a run may make, retries included: where load
//! goes to a host that is only allowed by name.

use std::sync::atomic::{AtomicU64, Ordering};

/// After a pause, so much may be made up for at once.
const BURST_NS: u64 = 100_000_000;

/// Shared by all workers: a ceiling that each had a part of would be another
/// one for each user.
#[derive(Debug)]
pub struct Ceiling {
    gap_ns: u64,
    next_ns: AtomicU64,
}

impl Ceiling {
    /// So many a second; less than one in 1,000 s is taken as that.
    pub fn new(per_s: f64) -> Self {
        Self { gap_ns: (1e9 / per_s.max(0.001)) as u64, next_ns: AtomicU64::new(0) }
    }

    /// When an attempt that is ready now may be made, in µs.
    pub fn take(&self, now_us: u64) -> u64 {
        let earliest_ns = (now_us * 1_000).saturating_sub(BURST_NS);
        let later = |next_ns: u64| Some(next_ns.max(earliest_ns) + self.gap_ns);
        let before = self.next_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        let (Ok(before_ns) | Err(before_ns)) = before;
        before_ns.max(earliest_ns).div_ceil(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_than_the_ceiling_and_a_tenth() {
        let ceiling = Ceiling::new(100.0);
        // All of them are ready at 5 s.
        let made: Vec<u64> = (0..1_000).map(|_| ceiling.take(5_000_000).max(5_000_000)).collect();
        for from_us in (5_000_000..15_000_000).step_by(100_000) {
            let within = made.iter().filter(|at_us| (from_us..from_us + 1_000_000).contains(*at_us)).count();
            assert!(within <= 111, "{within} from {from_us} µs on");
        }
        assert!((14_800_000..15_000_000).contains(made.last().unwrap()), "and not much fewer: {made:?}");
        assert_eq!(Ceiling::new(100.0).take(7), 0, "at once where nothing was before");
    }
}
