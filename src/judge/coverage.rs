//! How many of many sets hold each index, at the cost of the runs of the sets
//! and not of their elements.

use crate::ledger::RunSet;
use crate::model::{ChannelId, MessageRef};
use std::collections::BTreeMap;

/// Counts the sets that hold each message.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    /// By channel and index: sets that begin to hold it there, less those that
    /// cease to.
    steps: BTreeMap<ChannelId, BTreeMap<u32, i64>>,
}

impl Coverage {
    /// Adds a set of indices of a channel.
    pub(super) fn add(&mut self, channel: ChannelId, set: &RunSet) {
        let steps = self.steps.entry(channel).or_default();
        for run in set.runs() {
            *steps.entry(run.start).or_default() += 1;
            *steps.entry(run.end).or_default() -= 1;
        }
    }

    /// Every message that at least one set holds, and how many do.
    pub(super) fn counts(&self) -> impl Iterator<Item = (MessageRef, u32)> {
        self.steps.iter().flat_map(|(&channel, steps)| {
            let mut holding = 0;
            let starts = steps.iter().map(move |(&at, &step)| {
                holding += step;
                (at, holding as u32)
            });
            let ends = steps.keys().skip(1).copied();
            starts.zip(ends).filter(|((_, count), _)| *count > 0).flat_map(move |((start, count), end)| {
                (start..end).map(move |index| (MessageRef { channel, index }, count))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_sets() {
        let mut coverage = Coverage::default();
        for set in [vec![0, 1, 2, 7], vec![1, 2, 3], vec![], vec![2]] {
            coverage.add(ChannelId(4), &set.into_iter().collect());
        }
        coverage.add(ChannelId(5), &[9].into_iter().collect());
        let counts: Vec<(u32, u32, u32)> =
            coverage.counts().map(|(message, count)| (message.channel.0, message.index, count)).collect();
        assert_eq!(counts, [(4, 0, 1), (4, 1, 2), (4, 2, 3), (4, 3, 1), (4, 7, 1), (5, 9, 1)]);
    }
}
