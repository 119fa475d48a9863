//! A column of numbers that mostly lie near each other.

/// Two bytes each while they lie within 2¹⁶ of each other, four while they lie within
/// 2³², eight from the first on that does not.
#[derive(Clone, Debug)]
pub(super) enum Column {
    Two(Near<u16>),
    Four(Near<u32>),
    Eight(Vec<u64>),
}

/// Numbers by their distance from a base.
#[derive(Clone, Debug)]
pub(super) struct Near<D> {
    /// The first number that is not 0 chooses it.
    base: Option<u64>,
    /// `0` is 0; another is one more than its distance.
    distances: Vec<D>,
}

impl Column {
    /// An empty one with room for so many.
    pub(super) fn of(capacity: usize) -> Self {
        Self::Two(Near::of(capacity))
    }

    pub(super) fn push(&mut self, number: u64) {
        let at = match self {
            Self::Two(near) => near.push_0(),
            Self::Four(near) => near.push_0(),
            Self::Eight(numbers) => {
                numbers.push(0);
                numbers.len() - 1
            }
        };
        self.set(at, number);
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        match self {
            Self::Two(near) => near.get(at),
            Self::Four(near) => near.get(at),
            Self::Eight(numbers) => numbers[at],
        }
    }

    pub(super) fn set(&mut self, at: usize, number: u64) {
        let fits = match self {
            Self::Two(near) => near.set(at, number),
            Self::Four(near) => near.set(at, number),
            Self::Eight(numbers) => {
                numbers[at] = number;
                true
            }
        };
        if !fits {
            self.widen();
            self.set(at, number);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Two(near) => near.heap_bytes(),
            Self::Four(near) => near.heap_bytes(),
            Self::Eight(numbers) => numbers.capacity() * size_of::<u64>(),
        }
    }

    fn widen(&mut self) {
        match self {
            Self::Two(narrow) => {
                let mut near = Near::of(narrow.distances.capacity());
                for (at, number) in narrow.numbers().enumerate() {
                    near.push_0();
                    let fits = near.set(at, number);
                    debug_assert!(fits, "what lies within 2¹⁶ lies within 2³²");
                }
                *self = Self::Four(near);
            }
            Self::Four(near) => {
                let mut numbers = Vec::with_capacity(near.distances.capacity());
                numbers.extend(near.numbers());
                *self = Self::Eight(numbers);
            }
            Self::Eight(_) => {}
        }
    }
}

impl<D: Copy + Default + Into<u64> + TryFrom<u64>> Near<D> {
    fn of(capacity: usize) -> Self {
        Self { base: None, distances: Vec::with_capacity(capacity) }
    }

    /// Adds a 0 and returns its place.
    fn push_0(&mut self) -> usize {
        self.distances.push(D::default());
        self.distances.len() - 1
    }

    fn number(&self, distance: D) -> u64 {
        match distance.into() {
            0 => 0,
            distance => self.base.unwrap_or_default() + (distance - 1),
        }
    }

    fn get(&self, at: usize) -> u64 {
        self.number(self.distances[at])
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.distances.iter().map(|distance| self.number(*distance))
    }

    /// False, and nothing is changed but perhaps the base, where it does not fit.
    fn set(&mut self, at: usize, number: u64) -> bool {
        if number == 0 {
            self.distances[at] = D::default();
            return true;
        }
        // The first one is in the middle: what comes later may be smaller.
        let half = 1 << (8 * size_of::<D>() - 1);
        let base = *self.base.get_or_insert(number.saturating_sub(half));
        let distance = number.checked_sub(base).and_then(|distance| distance.checked_add(1));
        match distance.and_then(|distance| D::try_from(distance).ok()) {
            Some(distance) => {
                self.distances[at] = distance;
                true
            }
            None => false,
        }
    }

    fn heap_bytes(&self) -> usize {
        self.distances.capacity() * size_of::<D>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = u64> {
        let near = |middle: u64, most: u64| (0..=most).prop_map(move |by| middle.saturating_add(by));
        prop_oneof![
            Just(0),
            Just(u64::MAX),
            near(0, 70_000),
            near(1_700_000_000_000_000, 70_000),
            near(1_700_000_000_000_000 - (1 << 33), 1 << 34),
            any::<u64>(),
        ]
    }

    proptest! {
        #[test]
        fn every_number_comes_back(
            pushed in prop::collection::vec(number(), 1..30),
            changes in prop::collection::vec((any::<prop::sample::Index>(), number()), 0..30),
        ) {
            let (mut column, mut expected) = (Column::of(64), pushed.clone());
            pushed.iter().for_each(|number| column.push(*number));
            for (at, number) in changes {
                let at = at.index(expected.len());
                expected[at] = number;
                column.set(at, number);
                let found: Vec<u64> = (0..expected.len()).map(|at| column.get(at)).collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    #[test]
    fn a_column_is_as_wide_as_its_numbers_are_apart() {
        const MIDDLE: u64 = 1_700_000_000_000_000;
        for (numbers, bytes) in [
            (&[0, 0, 0][..], 2),
            (&[0, 1, 65_534], 2),
            (&[0, 1, 65_535], 4),
            (&[MIDDLE, MIDDLE + 32_766, MIDDLE - 32_768, 0], 2),
            (&[MIDDLE, MIDDLE + 32_767], 4),
            (&[MIDDLE, MIDDLE - 32_769], 4),
            (&[MIDDLE, MIDDLE + (1 << 31) - 2, MIDDLE - (1 << 31)], 4),
            (&[MIDDLE, MIDDLE + (1 << 31) - 1], 8),
            (&[MIDDLE, MIDDLE - (1 << 31) - 1], 8),
            (&[0, 1, MIDDLE], 8),
            (&[u64::MAX], 2),
        ] {
            let mut column = Column::of(10);
            numbers.iter().for_each(|number| column.push(*number));
            assert_eq!(column.heap_bytes(), 10 * bytes, "{numbers:?}");
            assert!(numbers.iter().enumerate().all(|(at, number)| column.get(at) == *number), "{numbers:?}");
        }
    }
}
