//! Seeded randomness that is the same on every machine and in every version.
//!
//! A schedule is a pure function of its seed, and shards recompute it
//! independently; a generator from a library may change its stream between
//! versions, so the mixing function is written down here: SplitMix64 (Steele,
//! Lea and Flood, "Fast splittable pseudorandom number generators", 2014).

/// A stream of pseudo-random numbers.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The stream of a seed and a purpose: different purposes of one seed are
    /// independent streams.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut random = Self { state: mix(seed) };
        for byte in purpose.bytes() {
            random.state = mix(random.state ^ u64::from(byte)).wrapping_add(GOLDEN);
        }
        random
    }

    /// The same stream, split by a number: independent for each number.
    pub fn split(&self, number: u64) -> Self {
        Self { state: mix(self.state ^ mix(number.wrapping_add(GOLDEN))) }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// Uniform in [0, 1), with 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [0, bound); 0 where the bound is 0. The bias of the
    /// multiply-shift is below bound / 2⁶⁴.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in [low, high], both included; `low` where the range is empty.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -(1.0 - self.unit()).ln()
    }
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser: a bijection whose every output bit depends on every
/// input bit.
pub(super) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_splits_are_independent_and_repeatable() {
        let draw = |seed, purpose, number| Random::new(seed, purpose).split(number).next_u64();
        assert_eq!(draw(1, "a", 0), draw(1, "a", 0));
        let all = [draw(1, "a", 0), draw(1, "a", 1), draw(1, "b", 0), draw(2, "a", 0)];
        for (rank, one) in all.iter().enumerate() {
            assert!(all[rank + 1..].iter().all(|other| other != one));
        }
    }

    #[test]
    fn draws_cover_their_range_evenly() {
        let mut random = Random::new(7, "test");
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[random.below(10) as usize] += 1;
        }
        // 10,000 expected, standard deviation 95: five of them.
        assert!(counts.iter().all(|count| (9_525..10_475).contains(count)), "{counts:?}");
        let mean = (0..100_000).map(|_| random.exponential()).sum::<f64>() / 100_000.0;
        assert!((0.98..1.02).contains(&mean), "{mean}");
        assert_eq!(random.between(5, 5), 5);
    }
}
