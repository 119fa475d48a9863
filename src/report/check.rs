//! What `posthaste check` found out about a target, as a table: declared against
//! observed.

use super::safe_text::plain;
use super::terminal::Style;
use super::wrap::wrap;
use crate::judge::probe::{Agreement, ProbeRow};
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, Color, ContentArrangement, Table};

/// Characters of one cell at most.
const CELL_CHARACTERS: usize = 160;

/// The table and what it comes to. `where_to` is the target, as the reader would
/// say it.
pub fn probed(rows: &[ProbeRow], where_to: &str, style: Style) -> String {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(style.width as u16);
    table.set_header(["", "asked", "declared", "observed"]);
    for row in rows {
        let (mark, colour) = mark(row.agreement);
        let mark = if style.colour { Cell::new(mark).fg(colour) } else { Cell::new(mark) };
        let text = |text: &str| Cell::new(plain(text, CELL_CHARACTERS));
        table.add_row([mark, text(&row.question), text(&row.declared), text(&row.observed)]);
    }
    format!("posthaste check → {}\n\n{table}\n\n{}\n", plain(where_to, 200), wrap("", &verdict(rows), style.width, 0))
}

fn mark(agreement: Agreement) -> (&'static str, Color) {
    match agreement {
        Agreement::Agrees => ("✓", Color::Green),
        Agreement::Broken => ("✗", Color::Red),
        Agreement::Noted => ("!", Color::Yellow),
        Agreement::NotSeen => ("?", Color::DarkGrey),
    }
}

fn verdict(rows: &[ProbeRow]) -> String {
    let count = |agreement| rows.iter().filter(|row| row.agreement == agreement).count();
    let (broken, noted, not_seen) = (count(Agreement::Broken), count(Agreement::Noted), count(Agreement::NotSeen));
    let mut words = match broken {
        0 => format!("The profile says what was seen: {} of {} rows agree.", count(Agreement::Agrees), rows.len()),
        1 => "1 promise of the profile does not hold (✗): correct the profile, or the server.".to_owned(),
        broken => format!("{broken} promises of the profile do not hold (✗): correct the profile, or the server."),
    };
    if noted > 0 {
        words.push_str(&format!(" {noted} worth knowing (!)."));
    }
    if not_seen > 0 {
        words.push_str(&format!(" {not_seen} could not be seen (?)."));
    }
    words
}

/// A target profile in words: how it is talked to, and what it promises.
pub fn target_in_words(lines: &[(String, String)], style: Style) -> String {
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in lines {
        let first = format!("{name:width$}  ");
        text.push_str(&wrap(&first, value, style.width, width + 2));
        text.push('\n');
    }
    text
}
