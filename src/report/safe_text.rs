//! Text of a server, made safe to show.

/// Without characters that move the cursor, colour the terminal or turn the
/// direction of reading, and not longer than `most` characters.
pub(super) fn plain(text: &str, most: usize) -> String {
    let mut shown: String = text.chars().filter(|letter| !is_invisible(*letter)).take(most + 1).collect();
    if shown.chars().count() > most {
        shown.truncate(shown.char_indices().nth(most.saturating_sub(1)).map_or(0, |(place, _)| place));
        shown.push('…');
    }
    shown
}

/// The same for text of several lines, uncut.
pub(super) fn lines(text: &str) -> String {
    text.chars().filter(|letter| *letter == '\n' || !is_invisible(*letter)).collect()
}

/// Words for a terminal that a target's may be among, of several lines: not
/// longer than a screen.
pub fn printable(text: &str) -> String {
    const MOST: usize = 4_000;
    let mut shown: String = lines(text).chars().take(MOST + 1).collect();
    if shown.chars().count() > MOST {
        shown.truncate(shown.char_indices().nth(MOST).map_or(0, |(place, _)| place));
        shown.push('…');
    }
    shown
}

/// The same for Markdown, where the characters that mean something become
/// entities: no markup, no HTML, no table cell, and no mention of a person.
pub(super) fn markdown(text: &str, most: usize) -> String {
    let mut safe = String::new();
    for letter in plain(text, most).chars() {
        match letter {
            '&' | '<' | '>' | '|' | '`' | '*' | '[' | ']' | '\\' | '@' => {
                safe.push_str(&format!("&#{};", u32::from(letter)));
            }
            _ => safe.push(letter),
        }
    }
    safe
}

/// Control characters, and those that Unicode has for direction and for
/// nothing to see.
fn is_invisible(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_server_acts_on_a_terminal() {
        for (text, safe, reason) in [
            ("1700000000.000100", "17000000…", "cut"),
            ("123456789", "123456789", "just short enough"),
            ("a\u{1b}[2Jb", "a[2Jb", "escape"),
            ("a\r\nb\u{9b}c", "abc", "line ends, and the one-byte escape"),
            ("a\u{202e}b\u{200b}", "ab", "direction and zero width"),
        ] {
            assert_eq!(plain(text, 9), safe, "{reason}");
        }
        assert_eq!(plain("ééééé", 3), "éé…");
    }

    #[test]
    fn nothing_of_a_server_is_markup() {
        let safe = markdown("<b>|`x`*[a](b)@team&\\\n", 100);
        assert_eq!(safe, "&#60;b&#62;&#124;&#96;x&#96;&#42;&#91;a&#93;(b)&#64;team&#38;&#92;");
    }
}
