//! A column of numbers that mostly lie near each other.

/// Four bytes each while they lie within 2³² of each other, eight from the first
/// on that does not.
#[derive(Clone, Debug)]
pub(super) enum Column {
    /// `0` is 0; another is one more than its distance from the base, which the
    /// first that is not 0 chooses.
    Near {
        base: Option<u64>,
        distances: Vec<u32>,
    },
    Wide(Vec<u64>),
}

impl Column {
    /// An empty one with room for so many.
    pub(super) fn of(capacity: usize) -> Self {
        Self::Near { base: None, distances: Vec::with_capacity(capacity) }
    }

    pub(super) fn push(&mut self, number: u64) {
        let at = match self {
            Self::Near { distances, .. } => {
                distances.push(0);
                distances.len() - 1
            }
            Self::Wide(numbers) => {
                numbers.push(0);
                numbers.len() - 1
            }
        };
        self.set(at, number);
    }

    pub(super) fn get(&self, at: usize) -> u64 {
        match self {
            Self::Near { base, distances } => number(*base, distances[at]),
            Self::Wide(numbers) => numbers[at],
        }
    }

    pub(super) fn set(&mut self, at: usize, number: u64) {
        match self {
            Self::Wide(numbers) => numbers[at] = number,
            Self::Near { base, distances } => {
                // The first one is in the middle: what comes later may be smaller.
                if number != 0 && base.is_none() {
                    *base = Some(number.saturating_sub(1 << 31));
                }
                match distance(*base, number) {
                    Some(distance) => distances[at] = distance,
                    None => {
                        self.widen();
                        self.set(at, number);
                    }
                }
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Near { distances, .. } => distances.capacity() * size_of::<u32>(),
            Self::Wide(numbers) => numbers.capacity() * size_of::<u64>(),
        }
    }

    fn widen(&mut self) {
        if let Self::Near { base, distances } = self {
            let mut numbers = Vec::with_capacity(distances.capacity());
            numbers.extend(distances.iter().map(|distance| number(*base, *distance)));
            *self = Self::Wide(numbers);
        }
    }
}

fn number(base: Option<u64>, distance: u32) -> u64 {
    if distance == 0 { 0 } else { base.unwrap_or_default() + u64::from(distance - 1) }
}

/// `None` where it does not fit.
fn distance(base: Option<u64>, number: u64) -> Option<u32> {
    if number == 0 {
        return Some(0);
    }
    u32::try_from(number.checked_sub(base?)?).ok()?.checked_add(1)
}
