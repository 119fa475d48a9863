//! The set against a plain set of numbers, in friendly and in hostile orders.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// A set and what it must hold.
#[derive(Clone, Default)]
struct Pair {
    set: RunSet,
    oracle: BTreeSet<u32>,
}

impl Pair {
    fn of(indices: impl IntoIterator<Item = u32>) -> Self {
        let mut pair = Self::default();
        indices.into_iter().for_each(|index| pair.insert(index));
        pair
    }

    fn insert(&mut self, index: u32) {
        let greatest = self.oracle.last().copied();
        let expected = match self.oracle.insert(index) {
            false => Arrival::Duplicate,
            true if greatest.is_some_and(|greatest| greatest > index) => Arrival::LateFill,
            true => Arrival::New,
        };
        assert_eq!(self.set.insert(index), expected, "{index}");
    }

    /// Everything that can be asked of the set.
    fn check(&self) {
        let Self { set, oracle } = self;
        assert!(set.iter().eq(oracle.iter().copied()), "{set:?} is not {oracle:?}");
        let runs: Vec<Range<u32>> = set.runs().collect();
        assert!(runs.iter().all(|run| !run.is_empty()), "{set:?}");
        assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start), "{set:?}: runs are apart");
        assert_eq!(set.len(), oracle.len() as u64);
        assert_eq!(set.is_empty(), oracle.is_empty());
        assert_eq!(set.watermark(), oracle.last().map_or(0, |last| last + 1));
        let near = oracle.iter().flat_map(|index| index.saturating_sub(2)..index.saturating_add(3));
        for probe in near.chain([0, 4_095, 4_096, 65_535, 65_536, u32::MAX - 1]) {
            assert_eq!(set.contains(probe), oracle.contains(&probe), "{probe} in {set:?}");
        }
    }

    fn check_ranges(&self, from: u32, to: u32) {
        let Self { set, oracle } = self;
        assert_eq!(set.count_from(from), oracle.range(from..).count() as u64);
        let (from, to) = (from.min(to), from.max(to));
        assert_eq!(set.count_in(from..to), oracle.range(from..to).count() as u64);
        let holes = set.holes(to);
        assert!(holes.iter().all(|hole| !hole.is_empty() && hole.end <= to));
        assert!(holes.windows(2).all(|pair| pair[0].end < pair[1].start), "{holes:?}: holes are apart");
        let in_holes: u64 = holes.iter().map(|hole| u64::from(hole.end - hole.start)).sum();
        assert_eq!(in_holes, u64::from(to) - oracle.range(..to).count() as u64);
        assert!(holes.iter().all(|hole| oracle.range(hole.clone()).next().is_none()));
    }

    fn check_with(&self, other: &Pair) {
        let expected: Vec<u32> = self.oracle.difference(&other.oracle).copied().collect();
        let difference: Vec<Range<u32>> = self.set.difference(&other.set).collect();
        assert!(difference.iter().all(|range| !range.is_empty()), "{difference:?}");
        assert_eq!(difference.into_iter().flatten().collect::<Vec<u32>>(), expected);
        let mut union = self.clone();
        union.set.union(&other.set);
        union.oracle.extend(&other.oracle);
        union.check();
        assert_eq!(union.set == self.set, other.oracle.is_subset(&self.oracle), "equal where it adds nothing");
    }

    fn check_encoded(&self) {
        let bytes = postcard::to_stdvec(&self.set).unwrap();
        let back: RunSet = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back, self.set);
        Pair { set: back, oracle: self.oracle.clone() }.check();
    }
}

/// Indices in one manner, near a border of blocks or chunks.
fn stretch() -> impl Strategy<Value = Vec<u32>> {
    let base = prop::sample::select(vec![0, 4_000, 8_100, 65_400, 131_000, 600_000, u32::MAX - 700]);
    (base, 0u32..200, 1u32..300, 1u32..7, 0u8..5, any::<u64>()).prop_map(|(base, from, count, step, manner, seed)| {
        let top = u32::MAX - 1;
        let mut indices: Vec<u32> = (0..count).map(|rank| (base + from).saturating_add(rank * step).min(top)).collect();
        match manner {
            0 => {}
            1 => indices.reverse(),
            // Every index, in a random order.
            2 => shuffle(&mut indices, seed),
            // In order, but for a few of them.
            3 => indices.sort_by_key(|index| u64::from(index.wrapping_mul(seed as u32) % 11) + u64::from(*index)),
            // One in hundred is missing.
            _ => {
                indices = (0..count * 20).map(|rank| (base + from).saturating_add(rank).min(top)).collect();
                indices
                    .retain(|index| !index.wrapping_mul(seed as u32 | 1).wrapping_add(seed as u32).is_multiple_of(101));
            }
        }
        indices
    })
}

fn shuffle(indices: &mut [u32], seed: u64) {
    let mut random = crate::model::Random::new(seed, "order");
    for place in (1..indices.len()).rev() {
        indices.swap(place, random.below(place as u64 + 1) as usize);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn agrees_with_a_set_of_numbers(
        stretches in prop::collection::vec(stretch(), 0..8),
        others in prop::collection::vec(stretch(), 0..4),
        bounds in prop::collection::vec(prop_oneof![0u32..140_000, Just(u32::MAX - 300), Just(u32::MAX)], 4),
    ) {
        let mut pair = Pair::default();
        for stretch in stretches {
            stretch.into_iter().for_each(|index| pair.insert(index));
            pair.check();
        }
        for ends in bounds.windows(2) {
            pair.check_ranges(ends[0], ends[1]);
        }
        pair.check_encoded();
        let other = Pair::of(others.into_iter().flatten());
        pair.check_with(&other);
        other.check_with(&pair);
    }

    #[test]
    fn agrees_where_everything_is_small(
        indices in prop::collection::vec(0u32..150, 0..300),
        others in prop::collection::vec(0u32..150, 0..60),
    ) {
        let mut pair = Pair::default();
        for index in indices {
            pair.insert(index);
            pair.check();
        }
        pair.check_ranges(30, 100);
        pair.check_encoded();
        pair.check_with(&Pair::of(others));
    }

    #[test]
    fn blocks_come_back_in_either_form(density in 0u32..=64, seed: u64) {
        let mut random = crate::model::Random::new(seed, "block");
        let present: Vec<u32> = (0..block::SIZE).filter(|_| random.below(64) < u64::from(density)).collect();
        let mut bits = [0; 64];
        present.iter().for_each(|&offset| block::set_bits(&mut bits, offset..offset + 1));
        let bytes = block::encode(&bits);
        prop_assert!(bytes.len() <= block::BITMAP_BYTES);
        prop_assert!(block::runs(&bytes).flatten().eq(present.iter().copied()));
        for offset in 0..block::SIZE {
            prop_assert_eq!(block::contains(&bytes, offset), present.binary_search(&offset).is_ok());
        }
    }
}

#[test]
fn borders_of_blocks_and_chunks() {
    for border in [64, 4_096, 65_536, 131_072, 1 << 31] {
        // Enough holes before it that the border is compressed, and more after.
        let around = || (border - 240.min(border)..border + 400).filter(|index| index % 3 != 0 || *index == border);
        for (reason, order) in [
            ("upwards", around().collect::<Vec<u32>>()),
            ("downwards", around().collect::<Vec<u32>>().into_iter().rev().collect()),
            ("the even ones late", around().filter(|i| i % 2 == 1).chain(around().filter(|i| i % 2 == 0)).collect()),
        ] {
            let mut pair = Pair::of(order);
            pair.check();
            for late in [border - 1, border, border + 1, border - 1, border] {
                pair.insert(late);
            }
            pair.check();
            // Until no hole is left.
            (border - 240.min(border)..border + 400).for_each(|index| pair.insert(index));
            pair.check();
            assert_eq!(pair.set.runs().count(), 1, "{reason} around {border}");
        }
    }
}

#[test]
fn what_touches_compressed_runs_is_known() {
    // Every other index, of which the least runs are compressed. Filled from
    // the top, the last run grows down to them, and cannot take them in.
    let mut pair = Pair::of((0..140).step_by(2));
    for index in (0..140).rev() {
        pair.insert(index);
        pair.insert(index + 1);
        pair.check();
    }
    assert_eq!(pair.set.runs().count(), 1);
}

#[test]
fn a_hole_that_is_filled_leaves_nothing_behind() {
    let mut pair = Pair::of((0..10).chain(13..20));
    assert!(pair.set.heap_bytes() > 0);
    for (index, reason) in [(10, "from below"), (12, "from above"), (11, "between both")] {
        pair.insert(index);
        pair.check();
        assert_eq!(pair.set.heap_bytes() == 0, index == 11, "{reason}");
    }
}

#[test]
fn what_continues_a_run_of_long_ago_is_no_run_of_its_own() {
    let mut pair = Pair::of([0, 100, 300]);
    let bytes = pair.set.heap_bytes();
    for index in (40..100).rev().chain(101..200) {
        pair.insert(index);
        assert_eq!(pair.set.heap_bytes(), bytes, "{index}");
    }
    pair.check();
}

#[test]
fn long_outages_and_whole_chunks() {
    // Two messages, an outage of 100,000, and then 300,000 of which every
    // thousandth is missing.
    let after = |index: &u32| *index < 2 || (*index >= 100_002 && !index.is_multiple_of(1_000));
    let mut pair = Pair::of((0..400_000).filter(after));
    pair.check_ranges(50_000, 399_000);
    assert!(pair.set.iter().eq(pair.oracle.iter().copied()));
    let bytes = pair.set.heap_bytes();
    assert!(bytes < 2_000, "{bytes}");
    // The outage is healed by pages of 100, the newest first.
    for page in (0..1_000).rev() {
        (2 + page * 100..2 + (page + 1) * 100).for_each(|index| pair.insert(index));
    }
    assert!(pair.set.iter().eq(pair.oracle.iter().copied()));
    // Whole chunks between two holes are one entry, however many.
    let mut long = RunSet::default();
    long.push_run(0..u32::MAX - 1_000);
    for index in (u32::MAX - 900..u32::MAX).filter(|index| index % 2 == 0) {
        long.insert(index);
    }
    assert!(long.heap_bytes() < 2_000, "{}", long.heap_bytes());
    assert_eq!(long.len(), u64::from(u32::MAX) - 1_000 + 450);
    assert_eq!((long.insert(70_000), long.insert(u32::MAX - 1_000)), (Arrival::Duplicate, Arrival::LateFill));
}

#[test]
fn compressed_runs_over_whole_chunks() {
    const CHUNK: u32 = 65_536;
    for (ends, reason) in [
        (&[(0, CHUNK)][..], "one whole chunk"),
        (&[(5, 3 * CHUNK)], "from within a chunk over whole ones"),
        (&[(5, 3 * CHUNK + 7)], "and into another"),
        (&[(0, 9), (20, 2 * CHUNK), (2 * CHUNK + 1, 4 * CHUNK), (5 * CHUNK, 7 * CHUNK)], "several"),
        (&[(CHUNK, 2 * CHUNK), (2 * CHUNK, 4 * CHUNK), (4 * CHUNK, 4 * CHUNK + 1)], "that touch at the border"),
        (&[(3 * CHUNK - 1, 3 * CHUNK), (3 * CHUNK + 4_095, 3 * CHUNK + 4_097)], "around borders"),
        (&[(CHUNK - 1, u32::MAX)], "to the greatest index"),
    ] {
        let runs: Vec<Range<u32>> = ends.iter().map(|&(start, end)| start..end).collect();
        let mut sealed = sealed::Sealed::default();
        runs.iter().cloned().for_each(|run| sealed.push(run));
        let mut joined: Vec<Range<u32>> = Joined { runs: sealed.runs(), next: None }.collect();
        let expected: Vec<Range<u32>> = Joined { runs: runs.iter().cloned(), next: None }.collect();
        assert_eq!(joined, expected, "{reason}");
        assert_eq!(Some(sealed.end()), runs.last().map(|run| run.end), "{reason}");
        let within = |index: u32| runs.iter().any(|run| run.contains(&index));
        let borders = || runs.iter().flat_map(|run| [run.start, run.end]).chain((0..9).map(|number| number * CHUNK));
        let probes: Vec<u32> = borders().flat_map(|at| [at.saturating_sub(1), at, at.saturating_add(1)]).collect();
        for &probe in &probes {
            assert_eq!(sealed.contains(probe), within(probe), "{reason}: {probe}");
        }
        for probe in probes.into_iter().filter(|probe| *probe < sealed.end()).collect::<BTreeSet<u32>>() {
            assert_eq!(sealed.insert(probe), !within(probe), "{reason}: {probe}");
            assert!(sealed.contains(probe) && !sealed.insert(probe), "{reason}: {probe}");
            if !within(probe) {
                joined.push(probe..probe + 1);
            }
        }
        let all = |runs: &[Range<u32>]| runs.iter().map(|run| u64::from(run.end - run.start)).sum::<u64>();
        assert_eq!(all(&sealed.runs().collect::<Vec<_>>()), all(&joined), "{reason}");
    }
}

#[test]
fn chunks_are_reserved_by_a_quarter() {
    let mut sealed = sealed::Sealed::default();
    let bytes: Vec<usize> = (0..9)
        .map(|rank| {
            sealed.push(rank * 131_072..rank * 131_072 + 65_536);
            sealed.heap_bytes()
        })
        .collect();
    let room: Vec<usize> = bytes.iter().map(|all| all / bytes[0]).collect();
    assert_eq!(room, [1, 2, 3, 4, 6, 6, 8, 8, 11]);
}

#[test]
fn every_order_of_a_chunk_is_exact_and_small() {
    let mut indices: Vec<u32> = (0..70_000).filter(|index| index % 100 != 7).collect();
    let in_order: RunSet = indices.iter().copied().collect();
    let alternating: RunSet = (0..65_536).step_by(2).collect();
    shuffle(&mut indices, 5);
    let mut shuffled = Pair::of(indices.clone());
    assert_eq!(shuffled.set, in_order);
    indices.iter().take(2_000).for_each(|index| shuffled.insert(*index));
    for (set, most, reason) in [
        (&in_order, 1_900, "656 holes a chunk take 1.4 bytes each"),
        (&shuffled.set, 3_000, "a block that fills becomes coded again"),
        (&alternating, 9_500, "32,768 holes are a bitmap, and what it grows by"),
    ] {
        assert!(set.heap_bytes() <= most, "{reason}: {}", set.heap_bytes());
    }
}

#[test]
fn a_set_comes_back_and_what_is_none_is_refused() {
    let set: RunSet = [0, 1, 2, 7, 900, 901].into_iter().collect();
    let text = serde_json::to_string(&set).unwrap();
    assert_eq!(text, "[[0,3],[4,1],[892,2]]");
    assert_eq!(serde_json::from_str::<RunSet>(&text).unwrap(), set);
    let wrong = serde_json::from_str::<RunSet>("7").unwrap_err().to_string();
    assert!(wrong.contains("expected pairs of gap and length"), "{wrong}");
    for (text, reason) in [
        ("[[3,0]]", "an empty run"),
        ("[[0,3],[0,2]]", "runs that touch"),
        ("[[4294967295,1]]", "past the greatest index"),
        ("[[1,1],[4294967294,1]]", "past it by a sum"),
    ] {
        assert!(serde_json::from_str::<RunSet>(text).is_err(), "{reason}");
    }
}

fn ends(ranges: impl Iterator<Item = Range<u32>>) -> Vec<(u32, u32)> {
    ranges.map(|range| (range.start, range.end)).collect()
}

#[test]
fn what_lies_in_a_range_and_what_is_missing() {
    let set: RunSet = [1, 2, 5, 6, 7, 9].into_iter().collect();
    for (from, count) in [(0, 6), (1, 6), (2, 5), (3, 4), (7, 2), (9, 1), (10, 0)] {
        assert_eq!(set.count_from(from), count, "from {from}");
    }
    for (range, count) in [(0..1, 0), (1..3, 2), (2..6, 2), (3..5, 0), (6..10, 3), (9..9, 0), (0..100, 6)] {
        assert_eq!(set.count_in(range.clone()), count, "{range:?}");
    }
    for (end, holes) in [
        (0, vec![]),
        (1, vec![(0, 1)]),
        (3, vec![(0, 1)]),
        (5, vec![(0, 1), (3, 5)]),
        (8, vec![(0, 1), (3, 5)]),
        (9, vec![(0, 1), (3, 5), (8, 9)]),
        (10, vec![(0, 1), (3, 5), (8, 9)]),
        (12, vec![(0, 1), (3, 5), (8, 9), (10, 12)]),
    ] {
        assert_eq!(ends(set.holes(end).into_iter()), holes, "within {end}");
    }
    let from_zero: RunSet = [0, 1].into_iter().collect();
    let none = [from_zero.holes(2), RunSet::EMPTY.holes(3)].map(|holes| ends(holes.into_iter()));
    assert_eq!(none, [vec![], vec![(0, 3)]]);
    assert!(RunSet::EMPTY.runs().next().is_none() && RunSet::EMPTY.is_empty());
}

#[test]
fn two_sets_side_by_side() {
    let set = |indices: &[u32]| indices.iter().copied().collect::<RunSet>();
    for (one, other, difference, union) in [
        (vec![1, 2, 3, 7], vec![2, 7], vec![(1, 2), (3, 4)], vec![(1, 4), (7, 8)]),
        (vec![1, 2, 3], vec![], vec![(1, 4)], vec![(1, 4)]),
        (vec![], vec![4], vec![], vec![(4, 5)]),
        (vec![1, 2], vec![3, 4], vec![(1, 3)], vec![(1, 5)]),
        (vec![3, 4], vec![1, 2], vec![(3, 5)], vec![(1, 5)]),
        (vec![3, 4], vec![1, 6], vec![(3, 5)], vec![(1, 2), (3, 5), (6, 7)]),
        (vec![1, 5, 9], vec![0, 1, 2, 9, 10], vec![(5, 6)], vec![(0, 3), (5, 6), (9, 11)]),
        (vec![0, 1, 2, 3, 4], vec![1, 3], vec![(0, 1), (2, 3), (4, 5)], vec![(0, 5)]),
        (vec![2, 3], vec![2, 3], vec![], vec![(2, 4)]),
    ] {
        let (mine, theirs) = (set(&one), set(&other));
        assert_eq!(ends(mine.difference(&theirs)), difference, "{one:?} without {other:?}");
        let mut all = mine.clone();
        all.union(&theirs);
        assert_eq!(ends(all.runs()), union, "{one:?} and {other:?}");
        assert_eq!(mine == theirs, one == other, "{one:?} and {other:?}");
    }
}
