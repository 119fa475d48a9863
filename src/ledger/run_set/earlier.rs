//! Everything before the last run of a set: the few runs before it as they
//! are, because what is late is mostly little late, and the rest compressed.

use super::sealed::Sealed;
use std::ops::Range;

/// How many runs are held uncompressed at most.
const RECENT: usize = 32;
/// How many of them, the least ones, are compressed when there are as many.
const SEALED_AT_ONCE: usize = 16;

/// The runs before the last one.
#[derive(Clone, Debug, Default)]
pub(super) struct Earlier {
    /// Ascending, apart from each other, and all past the sealed ones.
    recent: Vec<(u32, u32)>,
    sealed: Option<Box<Sealed>>,
}

impl Earlier {
    /// Adds a run past all others.
    pub(super) fn push(&mut self, start: u32, end: u32) {
        self.make_room();
        self.recent.push((start, end));
    }

    /// Takes the last run away if it ends at `end`, and returns its start. One
    /// that is compressed already stays: it touches what follows then.
    pub(super) fn pop_ending_at(&mut self, end: u32) -> Option<u32> {
        self.recent.pop_if(|run| run.1 == end).map(|run| run.0)
    }

    /// One past the greatest index.
    pub(super) fn end(&self) -> u32 {
        let sealed_end = || self.sealed.as_ref().map_or(0, |sealed| sealed.end());
        self.recent.last().map_or_else(sealed_end, |run| run.1)
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.recent.is_empty() && self.sealed.is_none()
    }

    /// Whether the index is present.
    pub(super) fn contains(&self, index: u32) -> bool {
        let after = self.recent.partition_point(|run| run.0 <= index);
        match after.checked_sub(1) {
            Some(before) => index < self.recent[before].1,
            None => self.sealed.as_ref().is_some_and(|sealed| sealed.contains(index)),
        }
    }

    /// Adds an index; whether it was absent.
    pub(super) fn insert(&mut self, index: u32) -> bool {
        if let Some(sealed) = self.sealed.as_mut().filter(|sealed| index < sealed.end()) {
            return sealed.insert(index);
        }
        // The first run that starts past the index.
        let after = self.recent.partition_point(|run| run.0 <= index);
        let before = after.checked_sub(1);
        if before.is_some_and(|before| index < self.recent[before].1) {
            return false;
        }
        let touches_before = before.filter(|before| self.recent[*before].1 == index);
        let touches_after = self.recent.get(after).is_some_and(|run| run.0 == index + 1);
        match (touches_before, touches_after) {
            (Some(before), true) => {
                self.recent[before].1 = self.recent[after].1;
                self.recent.remove(after);
            }
            (Some(before), false) => self.recent[before].1 += 1,
            (None, true) => self.recent[after].0 -= 1,
            (None, false) => {
                self.recent.insert(after, (index, index + 1));
                self.make_room();
            }
        }
        true
    }

    /// All runs, ascending; some may touch.
    pub(super) fn runs(&self) -> impl Iterator<Item = Range<u32>> + '_ {
        let sealed = self.sealed.iter().flat_map(|sealed| sealed.runs());
        sealed.chain(self.recent.iter().map(|&(start, end)| start..end))
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let sealed = self.sealed.as_ref().map_or(0, |sealed| size_of::<Sealed>() + sealed.heap_bytes());
        self.recent.capacity() * size_of::<(u32, u32)>() + sealed
    }

    fn make_room(&mut self) {
        if self.recent.len() < RECENT {
            return;
        }
        let sealed = self.sealed.get_or_insert_default();
        for (start, end) in self.recent.drain(..SEALED_AT_ONCE) {
            sealed.push(start..end);
        }
    }
}
