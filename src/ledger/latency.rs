//! Latencies of one worker, in HdrHistograms of µs.

use crate::model::LatencyKind;
use hdrhistogram::Histogram;

/// One µs to one hour, three significant digits.
pub fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are constant and valid")
}

/// A histogram for each [`LatencyKind`].
#[derive(Clone, Debug)]
pub struct Latencies {
    histograms: [Histogram<u64>; LatencyKind::ALL.len()],
    errors: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { histograms: std::array::from_fn(|_| new_histogram()), errors: 0 }
    }
}

impl Latencies {
    /// Records one latency in µs; less than 1 µs counts as 1. A value past one
    /// hour is an error that is counted, never a sample that is bent.
    pub fn record(&mut self, kind: LatencyKind, latency_us: u64) {
        if self.histograms[kind as usize].record(latency_us.max(1)).is_err() {
            self.errors += 1;
        }
    }

    /// The histogram of a kind.
    pub fn histogram(&self, kind: LatencyKind) -> &Histogram<u64> {
        &self.histograms[kind as usize]
    }

    /// The histogram of a kind, to add to.
    pub fn histogram_mut(&mut self, kind: LatencyKind) -> &mut Histogram<u64> {
        &mut self.histograms[kind as usize]
    }

    /// Values that no histogram could hold.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// Adds all of another worker's or interval's.
    pub fn merge(&mut self, other: &Latencies) {
        // An empty histogram costs neither time nor memory that nobody has touched.
        let both = self.histograms.iter_mut().zip(&other.histograms);
        for (mine, theirs) in both.filter(|(_, theirs)| !theirs.is_empty()) {
            if mine.add(theirs).is_err() {
                self.errors += theirs.len();
            }
        }
        self.errors += other.errors;
    }

    /// Empties all, keeping their memory.
    pub fn clear(&mut self) {
        for histogram in self.histograms.iter_mut().filter(|histogram| !histogram.is_empty()) {
            histogram.reset();
        }
        self.errors = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kinds_and_values_land_in_theirs() {
        let mut latencies = Latencies::default();
        for (rank, kind) in LatencyKind::ALL.into_iter().enumerate() {
            assert_eq!(LatencyKind::from_name(kind.name()), Some(kind));
            assert_eq!(kind as usize, rank);
            latencies.record(kind, 1_000 * (rank as u64 + 1));
        }
        let mut sum = Latencies::default();
        sum.merge(&latencies);
        sum.merge(&latencies);
        assert_eq!(sum.histogram(LatencyKind::Service).len(), 2);
        assert_eq!(sum.histogram(LatencyKind::Service).max(), 4_001, "three digits: 4,000 to 4,001");
    }

    #[test]
    fn errors_are_merged_and_all_can_be_emptied() {
        let mut one = Latencies::default();
        one.record(LatencyKind::Ack, 0);
        one.record(LatencyKind::Ack, 10_000_000_000);
        one.histogram_mut(LatencyKind::Heal).record_n(7, 3).unwrap();
        let mut sum = one.clone();
        sum.merge(&one);
        assert_eq!(sum.errors(), 2);
        assert_eq!((sum.histogram(LatencyKind::Ack).len(), sum.histogram(LatencyKind::Ack).max()), (2, 1));
        assert_eq!(sum.histogram(LatencyKind::Heal).len(), 6);
        sum.clear();
        assert_eq!(sum.errors(), 0);
        assert!(LatencyKind::ALL.into_iter().all(|kind| sum.histogram(kind).is_empty()));
    }

    /// A histogram that was read from a file may have other bounds.
    #[test]
    fn what_cannot_be_added_is_counted_as_errors() {
        let mut wide = Latencies::default();
        *wide.histogram_mut(LatencyKind::Ack) = Histogram::new_with_bounds(1, 36_000_000_000, 3).unwrap();
        wide.histogram_mut(LatencyKind::Ack).record_n(30_000_000_000, 2).unwrap();
        let mut sum = Latencies::default();
        sum.record(LatencyKind::Ack, 10_000_000_000);
        sum.merge(&wide);
        assert_eq!((sum.errors(), sum.histogram(LatencyKind::Ack).len()), (3, 0));
    }

    #[test]
    fn a_value_past_an_hour_is_counted_as_an_error() {
        let mut latencies = Latencies::default();
        latencies.record(LatencyKind::Ack, 10_000_000_000);
        assert_eq!((latencies.histogram(LatencyKind::Ack).len(), latencies.errors()), (0, 1));
    }
}
