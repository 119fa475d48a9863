//! The messages that waited longest, and where the target's tracing has a message.

use super::TEXT_MAX;
use crate::judge::{SlowMessage, TraceLink};
use crate::report::figures::{duration, instant};
use crate::report::phrases::web_address;
use crate::report::safe_text::plain;
use serde::Serialize;

/// A trace by its id; a link where it can be looked at.
#[derive(Serialize)]
pub(super) struct Traced {
    id: String,
    url: Option<String>,
    is_kept: bool,
}

/// A row of the slowest.
#[derive(Serialize)]
pub(super) struct Slow {
    ack: String,
    key: String,
    cells: [String; 4],
    trace: Option<Traced>,
}

pub(super) fn traced(link: &TraceLink) -> Traced {
    let url = link.url.as_deref().and_then(web_address).map(str::to_owned);
    Traced { id: plain(&link.id, TEXT_MAX), url, is_kept: link.sampled }
}

pub(super) fn slowest(messages: &[SlowMessage]) -> Vec<Slow> {
    let row = |message: &SlowMessage| Slow {
        ack: format!("{}{}", if message.at_least { "≥" } else { "" }, duration(message.ack_us)),
        key: plain(&message.key, TEXT_MAX),
        cells: [
            instant(message.intended_us),
            format!("u{}", message.sender),
            format!("channel {}, index {}", message.channel, message.index),
            message.attempts.to_string(),
        ],
        trace: message.trace.as_ref().map(traced),
    };
    messages.iter().map(row).collect()
}
