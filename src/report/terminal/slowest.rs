//! SLOWEST: where the target's tracing has the messages that waited longest; nothing
//! where none was traced.

use super::{Ink, Style, TEXT_MAX, joined};
use crate::judge::{RunSummary, SlowMessage};
use crate::report::figures::{counted, duration, instant};
use crate::report::phrases::web_address;
use crate::report::safe_text::plain;

/// As many as are looked at; the report has all.
const SHOWN: usize = 5;

pub(super) fn section(summary: &RunSummary, style: Style) -> String {
    let traced: Vec<_> = summary.slowest.iter().filter(|message| message.trace.is_some()).collect();
    if traced.is_empty() {
        return String::new();
    }
    let mut text = style.heading("SLOWEST from intended time to the acknowledgement");
    traced.iter().take(SHOWN).for_each(|message| text.push_str(&one(message, style)));
    if traced.len() > SHOWN {
        let more = format!("{} more are in report.html and summary.json", traced.len() - SHOWN);
        text.push_str(&style.marked(" ", Ink::Faint, &more, 3));
    }
    text
}

fn one(message: &SlowMessage, style: Style) -> String {
    let at_least = if message.at_least { "≥" } else { "" };
    let parts = [
        format!("{at_least}{}", duration(message.ack_us)),
        format!("intended {}", instant(message.intended_us)),
        format!("sender u{}", message.sender),
        counted(message.attempts.into(), "attempt"),
    ];
    let mut text = style.marked("·", Ink::Faint, &joined(parts), 5);
    if let Some(link) = &message.trace {
        let not_kept = if link.sampled { "" } else { ", not sampled" };
        let id = format!("trace {}{not_kept}", plain(&link.id, TEXT_MAX));
        // An address is not broken, whatever the width: it is there to be followed.
        let place = link.url.as_deref().and_then(web_address).map_or(id, str::to_owned);
        text.push_str(&format!("     {place}\n"));
    }
    text
}
