//! "Did you mean": names that are near a misspelt one.

/// At most `most` of the names that a misspelling may stand for, the nearest
/// first; none where none is near.
pub(crate) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>, most: usize) -> Vec<&'a str> {
    let allowed = (wrong.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let edits = strsim::damerau_levenshtein(wrong, name);
            let part = wrong.len() >= 4 && (name.contains(wrong) || (name.len() >= 3 && wrong.contains(name)));
            // A name that was cut short or lengthened ranks behind a typing error.
            (edits <= allowed).then_some((edits, name)).or(part.then_some((allowed + 1, name)))
        })
        .collect();
    near.sort_by_key(|(edits, _)| *edits);
    let best = near.first().map_or(0, |(edits, _)| *edits);
    near.into_iter().filter(|(edits, _)| *edits <= best + 1).take(most).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_are_near_and_other_words_are_not() {
        let names = ["rate", "duration", "warm_up", "process", "phases"];
        for (wrong, expected, reason) in [
            ("rat", vec!["rate"], "a letter is missing"),
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
