//! "Did you mean": names that are near a misspelt one.

/// At most `most` of the names that a misspelling may stand for, the nearest
/// first; none where none is near.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let allowed = (wrong.chars().count() / 3).max(1);
    // How far, and of those as far as each other, how unlike.
    let distance = |name: &str| {
        let edits = strsim::damerau_levenshtein(wrong, name);
        if edits <= allowed {
            return Some((edits, 1.0 - strsim::jaro_winkler(wrong, name)));
        }
        // A name that was cut short or lengthened ranks behind typing errors.
        let part = wrong.len() >= 4 && (name.contains(wrong) || (name.len() >= 3 && wrong.contains(name)));
        part.then_some((allowed + 1, edits as f64))
    };
    let mut near: Vec<((usize, f64), &str)> =
        names.into_iter().filter_map(|name| Some((distance(name)?, name))).collect();
    near.sort_by(|((edits, unlike), _), (other, _)| edits.cmp(&other.0).then(unlike.total_cmp(&other.1)));
    let best = near.first().map_or(0, |((edits, _), _)| *edits);
    near.into_iter().filter(|((edits, _), _)| *edits <= best + 1).take(most).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_and_other_words_are_not() {
        let names = ["seed", "send", "rate", "duration", "warm_up", "process", "phases"];
        for (wrong, expected, reason) in [
            ("rat", vec!["rate"], "a letter is missing"),
            ("sned", vec!["send", "seed"], "swapped letters are likelier than a wrong one"),
            ("raet", vec!["rate"], "two letters changed places"),
            ("Duration", vec!["duration"], "upper case"),
            ("warmup", vec!["warm_up"], "without its underscore"),
            ("duration_s", vec!["duration"], "with a unit"),
            ("phase", vec!["phases"], "the singular"),
            ("think_time", vec![], "something else"),
            ("x", vec![], "a single letter"),
        ] {
            assert_eq!(nearest(wrong, names, 3), expected, "{reason}");
        }
    }
}
