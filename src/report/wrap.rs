//! Lines of a given width.

/// A blank that no line is broken at if that can be helped; [`wrap`] makes a
/// plain one of it.
const TIED: char = '\u{a0}';

/// Ties the words of a text together, so that a line rather breaks before or
/// after it.
pub(super) fn tied(text: &str) -> String {
    text.replace(' ', "\u{a0}")
}

/// Breaks `first`, a head that is kept as it is, and a text at the text's
/// blanks into lines of at most `width` characters; the lines after the first
/// begin with `indent` blanks. A word that no line holds is broken where the
/// line ends.
pub(super) fn wrap(head: &str, text: &str, width: usize, indent: usize) -> String {
    let width = width.max(indent + 8);
    let mut done = String::new();
    let mut line = head.to_owned();
    let mut begun = false;
    for group in text.split(' ') {
        if fits(&line, begun, group, width) {
            add(&mut line, &mut begun, group);
            continue;
        }
        // The group alone may fit a line; if not, its own words may.
        let pieces: Vec<&str> =
            if fits(&" ".repeat(indent), false, group, width) { vec![group] } else { group.split(TIED).collect() };
        for piece in pieces {
            if !fits(&line, begun, piece, width) && begun {
                next_line(&mut done, &mut line, &mut begun, indent);
            }
            let mut piece = piece;
            while !fits(&line, begun, piece, width) {
                let room = width.saturating_sub(line.chars().count()).max(1);
                let cut = piece.char_indices().nth(room).map_or(piece.len(), |(place, _)| place);
                add(&mut line, &mut begun, &piece[..cut]);
                piece = &piece[cut..];
                next_line(&mut done, &mut line, &mut begun, indent);
            }
            add(&mut line, &mut begun, piece);
        }
    }
    done.push_str(line.trim_end());
    done.replace(TIED, " ")
}

fn fits(line: &str, begun: bool, piece: &str, width: usize) -> bool {
    line.chars().count() + usize::from(begun) + piece.chars().count() <= width
}

fn add(line: &mut String, begun: &mut bool, piece: &str) {
    if *begun {
        line.push(' ');
    }
    line.push_str(piece);
    *begun = true;
}

fn next_line(done: &mut String, line: &mut String, begun: &mut bool, indent: usize) {
    done.push_str(line.trim_end());
    done.push('\n');
    *line = " ".repeat(indent);
    *begun = false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_they_should() {
        for (head, text, width, expected, reason) in [
            ("A  ", "one two", 20, "A  one two", "it fits"),
            ("A  ", "one two three", 10, "A  one two\n   three", "at a blank"),
            ("A  ", "one two\u{a0}three", 14, "A  one\n   two three", "not within what is tied"),
            ("A  ", "one two\u{a0}three\u{a0}four", 13, "A  one two\n   three four", "unless it must"),
            ("A  ", "x abcdefghijkl", 11, "A  x\n   abcdefgh\n   ijkl", "a word that is too long"),
            ("A  ", "", 10, "A", "nothing"),
        ] {
            assert_eq!(wrap(head, text, width, 3), expected, "{reason}");
        }
    }

    #[test]
    fn no_line_is_too_wide() {
        let text =
            format!("{} {} été … {}", "word ".repeat(30), "x".repeat(100), tied("many words that are tied together"));
        for width in 12..90 {
            for line in wrap("LABEL    ", &text, width, 4).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}
