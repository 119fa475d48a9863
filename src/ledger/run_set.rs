//! A set of message indices of one stream, as sorted runs.
//!
//! Deliveries come almost in order, so the set is nearly always one run that
//! grows at its end: the last run's end is the watermark, the gaps between
//! runs are the holes. Exact at any distance.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What an insertion found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// At or past the watermark.
    New,
    /// Into a hole before the watermark.
    LateFill,
    /// It was there already.
    Duplicate,
}

/// Indices as half-open runs, sorted, with at least one index between two.
///
/// Serialised as a sequence of (gap since the previous run's end, length): the
/// small numbers that a varint encoding makes small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunSet {
    runs: Vec<(u32, u32)>,
}

impl RunSet {
    /// Adds an index (below `u32::MAX`). O(1) at the end, O(log runs) to find
    /// any other place.
    pub fn insert(&mut self, index: u32) -> Arrival {
        match self.runs.last_mut() {
            Some((_, end)) if *end == index => {
                *end += 1;
                Arrival::New
            }
            Some((_, end)) if *end > index => self.insert_before_watermark(index),
            _ => {
                self.runs.push((index, index + 1));
                Arrival::New
            }
        }
    }

    /// Whether the index is in the set.
    pub fn contains(&self, index: u32) -> bool {
        let after = self.runs.partition_point(|&(start, _)| start <= index);
        after > 0 && index < self.runs[after - 1].1
    }

    /// How many indices are in the set.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|&(start, end)| u64::from(end - start)).sum()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// One past the greatest index, 0 for an empty set.
    pub fn watermark(&self) -> u32 {
        self.runs.last().map_or(0, |&(_, end)| end)
    }

    /// The runs as half-open ranges, ascending.
    pub fn runs(&self) -> impl Iterator<Item = std::ops::Range<u32>> + '_ {
        self.runs.iter().map(|&(start, end)| start..end)
    }

    /// All indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs().flatten()
    }

    /// How many indices are at or past `from`.
    pub fn count_from(&self, from: u32) -> u64 {
        self.runs.iter().map(|&(start, end)| u64::from(end.saturating_sub(start.max(from)))).sum()
    }

    /// The holes within `0..end` as half-open ranges, ascending.
    pub fn holes(&self, end: u32) -> Vec<std::ops::Range<u32>> {
        let mut holes = Vec::new();
        let mut covered = 0;
        for &(start, stop) in &self.runs {
            if start >= end {
                break;
            }
            if start > covered {
                holes.push(covered..start);
            }
            covered = stop;
        }
        if covered < end {
            holes.push(covered..end);
        }
        holes
    }

    /// Adds all of another set.
    pub fn union(&mut self, other: &RunSet) {
        if other.is_empty() {
            return;
        }
        let mut all = std::mem::take(&mut self.runs);
        all.extend_from_slice(&other.runs);
        all.sort_unstable();
        for (start, end) in all {
            match self.runs.last_mut() {
                Some((_, last)) if *last >= start => *last = end.max(*last),
                _ => self.runs.push((start, end)),
            }
        }
    }

    fn insert_before_watermark(&mut self, index: u32) -> Arrival {
        // The first run that starts past the index; there is a run at or after
        // the index, because the watermark is greater.
        let after = self.runs.partition_point(|&(start, _)| start <= index);
        let touches_before = after > 0 && self.runs[after - 1].1 >= index;
        if after > 0 && self.runs[after - 1].1 > index {
            return Arrival::Duplicate;
        }
        let touches_after = self.runs.get(after).is_some_and(|&(start, _)| start == index + 1);
        match (touches_before, touches_after) {
            (true, true) => {
                self.runs[after - 1].1 = self.runs[after].1;
                self.runs.remove(after);
            }
            (true, false) => self.runs[after - 1].1 += 1,
            (false, true) => self.runs[after].0 -= 1,
            (false, false) => self.runs.insert(after, (index, index + 1)),
        }
        Arrival::LateFill
    }
}

impl FromIterator<u32> for RunSet {
    fn from_iter<I: IntoIterator<Item = u32>>(indices: I) -> Self {
        let mut set = Self::default();
        for index in indices {
            set.insert(index);
        }
        set
    }
}

impl Serialize for RunSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut covered = 0;
        serializer.collect_seq(self.runs.iter().map(|&(start, end)| {
            let gap = start - covered;
            covered = end;
            (gap, end - start)
        }))
    }
}

impl<'de> Deserialize<'de> for RunSet {
    /// Refuses what is no set: runs that are empty, touch or pass `u32::MAX`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut runs = Vec::<(u32, u32)>::deserialize(deserializer)?;
        let mut covered = 0u32;
        for (rank, run) in runs.iter_mut().enumerate() {
            let (gap, length) = *run;
            let start = covered.checked_add(gap).filter(|_| gap > 0 || rank == 0);
            let end = start.and_then(|start| start.checked_add(length)).filter(|_| length > 0);
            let (Some(start), Some(end)) = (start, end) else {
                return Err(de::Error::custom("runs of a set that are not ascending"));
            };
            *run = (start, end);
            covered = end;
        }
        Ok(Self { runs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_set_of_numbers(
            mut indices in prop::collection::vec(0u32..120, 0..200),
            others in prop::collection::vec(0u32..150, 0..60),
            nearly_in_order: bool,
        ) {
            if nearly_in_order {
                indices.sort_by_key(|index| index / 5);
            }
            let (mut set, mut oracle) = (RunSet::default(), BTreeSet::new());
            for index in indices {
                let expected = if oracle.contains(&index) {
                    Arrival::Duplicate
                } else if oracle.last().is_some_and(|last| *last > index) {
                    Arrival::LateFill
                } else {
                    Arrival::New
                };
                oracle.insert(index);
                prop_assert_eq!(set.insert(index), expected);
            }
            prop_assert!(set.iter().eq(oracle.iter().copied()));
            prop_assert_eq!(set.len(), oracle.len() as u64);
            prop_assert_eq!(set.watermark(), oracle.last().map_or(0, |last| last + 1));
            prop_assert!(set.runs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", set.runs);
            for probe in 0..160 {
                prop_assert_eq!(set.contains(probe), oracle.contains(&probe));
                prop_assert_eq!(set.count_from(probe), oracle.range(probe..).count() as u64);
            }
            let holes: Vec<u32> = set.holes(100).into_iter().flatten().collect();
            let expected: Vec<u32> = (0..100).filter(|index| !oracle.contains(index)).collect();
            prop_assert_eq!(holes, expected);
            let other: RunSet = others.iter().copied().collect();
            set.union(&other);
            oracle.extend(others);
            prop_assert!(set.iter().eq(oracle.iter().copied()));
            prop_assert!(set.runs.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", set.runs);
        }
    }

    #[test]
    fn a_set_comes_back_and_what_is_none_is_refused() {
        let set: RunSet = [0, 1, 2, 7, 900, 901].into_iter().collect();
        let text = serde_json::to_string(&set).unwrap();
        assert_eq!(text, "[[0,3],[4,1],[892,2]]");
        assert_eq!(serde_json::from_str::<RunSet>(&text).unwrap(), set);
        for (text, reason) in [
            ("[[3,0]]", "an empty run"),
            ("[[0,3],[0,2]]", "runs that touch"),
            ("[[4294967295,1]]", "past the greatest index"),
            ("[[1,1],[4294967294,1]]", "past it by a sum"),
        ] {
            assert!(serde_json::from_str::<RunSet>(text).is_err(), "{reason}");
        }
    }
}
