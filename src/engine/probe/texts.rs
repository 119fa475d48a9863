//! What becomes of texts that a server may trim, cut or normalise.

use super::{MAIN, Prober};
use crate::ledger::TextFact;
use crate::target::Row;

/// What is behind the identity of a message, and what is particular about it.
fn texts() -> [(&'static str, String); 7] {
    [
        ("letters of many scripts", "Grüße, 字, مرحبا, 👋🏽, 👨‍👩‍👧".to_owned()),
        ("a letter that is not composed", "e\u{301}".to_owned()),
        ("line breaks", "a\nb\n\nc\r\nd".to_owned()),
        ("spaces at its end", "a  \t ".to_owned()),
        ("markup", "<b>*x* _y_ & \"q\" `z` @here :smile: https://example.com/a?b=c</b>".to_owned()),
        ("quotes and backslashes", r#"\ "{}" \n '%s' ${x} {{y}}"#.to_owned()),
        ("4,000 characters", "x".repeat(4_000)),
    ]
}

impl Prober {
    /// Sends each, and looks at what is stored.
    pub(super) async fn ask_texts(&self) -> Vec<TextFact> {
        let mut sent = Vec::new();
        for (what, tail) in texts() {
            let message = self.next(MAIN);
            let (key, text) = self.key_and_text(message);
            let text = format!("{text} {tail}");
            let said = self.say_with(self.sender(), message, &key, &text).await;
            sent.push((what, message, text, said.answer));
        }
        let rows = self.read_main().await;
        let fact = |(what, message, text, answer): (&str, _, String, _)| {
            let row = rows.as_ref().map(|rows| rows.iter().find(|row| row.message == Some(message)));
            let (fate, stored) = match row {
                None => ("no history to look at".to_owned(), None),
                Some(None) => ("not stored".to_owned(), None),
                Some(Some(row)) => fate(row, &text),
            };
            TextFact { what: what.to_owned(), answer, fate, stored }
        };
        sent.into_iter().map(fact).collect()
    }
}

fn fate(row: &Row, text: &str) -> (String, Option<String>) {
    let Some(stored) = row.altered.as_deref() else { return ("cut to the identity of the message".to_owned(), None) };
    if stored == text {
        return ("as it was".to_owned(), None);
    }
    let composed = |text: &str| text.replace("e\u{301}", "é");
    let fate = if stored == text.trim_end() {
        "trimmed".to_owned()
    } else if text.starts_with(stored) {
        format!("cut after {} characters", stored.chars().count())
    } else if composed(stored) == composed(text) {
        "normalised".to_owned()
    } else if stored.replace("\r\n", "\n") == text.replace("\r\n", "\n") {
        "line ends changed".to_owned()
    } else {
        "changed".to_owned()
    };
    let from = stored.len() - stored.chars().rev().take(60).map(char::len_utf8).sum::<usize>();
    let shown: String = stored[from..].chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    (fate, Some(shown))
}
