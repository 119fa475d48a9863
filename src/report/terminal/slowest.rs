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
    let link = message.trace.as_ref();
    let not_kept = link.is_some_and(|link| !link.sampled);
    let parts = [
        Some(format!("{at_least}{}", duration(message.ack_us))),
        link.map(|link| format!("trace {}", plain(&link.id, TEXT_MAX))),
        not_kept.then(|| "not sampled".to_owned()),
        Some(format!("intended {}", instant(message.intended_us))),
        Some(format!("sender u{}", message.sender)),
        Some(counted(message.attempts.into(), "attempt")),
    ];
    let mut text = style.marked("·", Ink::Faint, &joined(parts.into_iter().flatten()), 5);
    // Whole, whatever the width: it is there to be followed.
    if let Some(url) = link.and_then(|link| web_address(link.url.as_deref()?)) {
        text.push_str(&format!("   {url}\n"));
    }
    text
}
