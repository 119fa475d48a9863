//! Sets of message indices as text: "0-41,43,50-52", ends included.

use crate::ledger::RunSet;

/// The text of a set.
pub(super) fn to_text(set: &RunSet) -> String {
    let part = |run: std::ops::Range<u32>| match run.end - run.start {
        1 => run.start.to_string(),
        _ => format!("{}-{}", run.start, run.end - 1),
    };
    set.runs().map(part).collect::<Vec<_>>().join(",")
}

/// The set of a text; the error is a sentence.
pub(super) fn parse(text: &str) -> Result<RunSet, String> {
    let mut set = RunSet::default();
    let mut next: u64 = 0;
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let wrong = || format!("{part:?} is no range of message indices such as 0-41");
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
        if u64::from(first) < next || last < first {
            return Err(format!("{part:?} does not ascend"));
        }
        (first..=last).for_each(|index| _ = set.insert(index));
        next = u64::from(last) + 1;
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_go_both_ways() {
        for text in ["", "0", "0-41,43,50-52", "7"] {
            assert_eq!(to_text(&parse(text).unwrap()), text);
        }
        for (text, says) in [("x", "no range"), ("3-1", "ascend"), ("4,4", "ascend"), ("1--2", "no range")] {
            assert!(parse(text).unwrap_err().contains(says), "{text}");
        }
    }
}
