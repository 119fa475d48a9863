//! A set of message indices of one stream, compact at any size.
//!
//! Deliveries come almost in order, so the set is nearly always one run that
//! grows at its end. That run is held as it is: an arrival that continues it
//! touches nothing else. What lies before it is held apart and exists only
//! once there is a hole: some recent runs as they are (`earlier`), the others
//! as varints or bitmaps, whichever is shorter (`sealed`, `block`). Exact at
//! any distance.

mod block;
mod earlier;
mod sealed;

use earlier::Earlier;
use serde::de::{SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::ops::Range;

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

/// Indices of a stream, each below `u32::MAX`.
///
/// Serialised as a sequence of (gap since the previous run's end, length): the
/// small numbers that a varint encoding makes small.
#[derive(Clone, Default)]
pub struct RunSet {
    /// The last run; 0..0 of an empty set.
    start: u32,
    end: u32,
    /// What lies before it; `None` where nothing does.
    earlier: Option<Box<Earlier>>,
}

impl RunSet {
    /// An empty set.
    pub const EMPTY: RunSet = RunSet { start: 0, end: 0, earlier: None };

    /// Adds an index (below `u32::MAX`). O(1) in the last run and behind it;
    /// anywhere else at the cost of one block of at most 512 bytes.
    #[inline]
    pub fn insert(&mut self, index: u32) -> Arrival {
        if index == self.end {
            self.end += 1;
            return Arrival::New;
        }
        if (self.start..self.end).contains(&index) {
            return Arrival::Duplicate;
        }
        self.insert_elsewhere(index)
    }

    /// Whether the index is in the set.
    #[inline]
    pub fn contains(&self, index: u32) -> bool {
        if index >= self.start {
            return index < self.end;
        }
        self.earlier.as_ref().is_some_and(|earlier| earlier.contains(index))
    }

    /// How many indices are in the set. O(runs).
    pub fn len(&self) -> u64 {
        self.runs().map(|run| u64::from(run.end - run.start)).sum()
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// One past the greatest index, 0 for an empty set.
    pub fn watermark(&self) -> u32 {
        self.end
    }

    /// The runs as half-open ranges, ascending, with at least one index
    /// between two.
    pub fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let earlier = self.earlier.iter().flat_map(|earlier| earlier.runs());
        let last = (self.start < self.end).then_some(self.start..self.end);
        Joined { runs: earlier.chain(last), next: None }
    }

    /// All indices, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.runs().flatten()
    }

    /// How many indices are at or past `from`.
    pub fn count_from(&self, from: u32) -> u64 {
        self.count_in(from..u32::MAX)
    }

    /// How many indices are in a range.
    pub fn count_in(&self, range: Range<u32>) -> u64 {
        let within = |run: Range<u32>| run.end.min(range.end).saturating_sub(run.start.max(range.start));
        self.runs().map(|run| u64::from(within(run))).sum()
    }

    /// The holes within `0..end` as half-open ranges, ascending.
    pub fn holes(&self, end: u32) -> Vec<Range<u32>> {
        let mut holes = Vec::new();
        let mut covered = 0;
        for run in self.runs() {
            if run.start >= end {
                break;
            }
            if run.start > covered {
                holes.push(covered..run.start);
            }
            covered = run.end;
        }
        if covered < end {
            holes.push(covered..end);
        }
        holes
    }

    /// What is in this set and not in the other, as half-open ranges,
    /// ascending. At the cost of the runs of both.
    pub fn difference<'s>(&'s self, other: &'s RunSet) -> impl Iterator<Item = Range<u32>> + 's {
        let (mut mine, mut theirs) = (self.runs(), other.runs().peekable());
        let mut rest: Option<Range<u32>> = None;
        std::iter::from_fn(move || {
            loop {
                let run = rest.take().or_else(|| mine.next())?;
                while theirs.next_if(|their| their.end <= run.start).is_some() {}
                let Some(their) = theirs.peek().filter(|their| their.start < run.end) else { return Some(run) };
                rest = (their.end < run.end).then_some(their.end..run.end);
                if run.start < their.start {
                    return Some(run.start..their.start);
                }
            }
        })
    }

    /// Adds all of another set. At the cost of the other's runs where they lie
    /// behind this set, else of the runs of both.
    pub fn union(&mut self, other: &RunSet) {
        let Some(first) = other.runs().next() else { return };
        if self.is_empty() {
            *self = other.clone();
        } else if first.start >= self.end {
            other.runs().for_each(|run| self.push_run(run));
        } else {
            let mut all = RunSet::default();
            let (mut mine, mut theirs) = (self.runs().peekable(), other.runs().peekable());
            while let Some(run) = match (mine.peek(), theirs.peek()) {
                (Some(own), Some(their)) if own.start <= their.start => mine.next(),
                (_, Some(_)) => theirs.next(),
                _ => mine.next(),
            } {
                all.push_run(run);
            }
            drop((mine, theirs));
            *self = all;
        }
    }

    /// Bytes on the heap, as they were asked for.
    pub fn heap_bytes(&self) -> usize {
        self.earlier.as_ref().map_or(0, |earlier| size_of::<Earlier>() + earlier.heap_bytes())
    }

    /// Adds a run that does not start before the last one.
    fn push_run(&mut self, run: Range<u32>) {
        if self.is_empty() {
            (self.start, self.end) = (run.start, run.end);
        } else if run.start <= self.end {
            self.end = self.end.max(run.end);
        } else {
            self.earlier.get_or_insert_default().push(self.start, self.end);
            (self.start, self.end) = (run.start, run.end);
        }
    }

    /// Adds an index that neither continues the last run nor lies in it.
    fn insert_elsewhere(&mut self, index: u32) -> Arrival {
        debug_assert!(index < u32::MAX, "no index reaches the greatest number");
        if index > self.end {
            self.push_run(index..index + 1);
            return Arrival::New;
        }
        if index + 1 == self.start {
            if self.earlier.as_ref().is_some_and(|earlier| earlier.end() > index) {
                // Compressed runs that this one touches.
                return Arrival::Duplicate;
            }
            let merged = self.earlier.as_mut().and_then(|earlier| earlier.pop_ending_at(index));
            self.start = merged.unwrap_or(index);
            if self.earlier.as_ref().is_some_and(|earlier| earlier.is_empty()) {
                self.earlier = None;
            }
            return Arrival::LateFill;
        }
        let absent = self.earlier.get_or_insert_default().insert(index);
        if absent { Arrival::LateFill } else { Arrival::Duplicate }
    }
}

/// Runs that touch, joined.
struct Joined<I> {
    runs: I,
    next: Option<Range<u32>>,
}

impl<I: Iterator<Item = Range<u32>>> Iterator for Joined<I> {
    type Item = Range<u32>;

    fn next(&mut self) -> Option<Range<u32>> {
        let mut run = self.next.take().or_else(|| self.runs.next())?;
        for next in self.runs.by_ref() {
            if next.start != run.end {
                self.next = Some(next);
                break;
            }
            run.end = next.end;
        }
        Some(run)
    }
}

impl PartialEq for RunSet {
    /// The same indices, however they are held.
    fn eq(&self, other: &Self) -> bool {
        self.runs().eq(other.runs())
    }
}

impl Eq for RunSet {}

impl fmt::Debug for RunSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.runs()).finish()
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
        let mut sequence = serializer.serialize_seq(Some(self.runs().count()))?;
        let mut covered = 0;
        for run in self.runs() {
            sequence.serialize_element(&(run.start - covered, run.end - run.start))?;
            covered = run.end;
        }
        sequence.end()
    }
}

impl<'de> Deserialize<'de> for RunSet {
    /// Refuses what is no set: runs that are empty, touch or pass `u32::MAX`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(RunsVisitor)
    }
}

struct RunsVisitor;

impl<'de> Visitor<'de> for RunsVisitor {
    type Value = RunSet;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("pairs of gap and length")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<RunSet, A::Error> {
        let mut set = RunSet::default();
        while let Some((gap, length)) = pairs.next_element::<(u32, u32)>()? {
            let start = set.end.checked_add(gap).filter(|_| gap > 0 || set.is_empty());
            let end = start.and_then(|start| start.checked_add(length)).filter(|_| length > 0);
            let (Some(start), Some(end)) = (start, end) else {
                return Err(de::Error::custom("runs of a set that are not ascending"));
            };
            set.push_run(start..end);
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests;
