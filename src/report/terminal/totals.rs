//! LEDGER, LOAD, SOCKETS, FAULTS, GENERATOR: a line or two each.

use super::{Style, TEXT_MAX, joined};
use crate::judge::{RunSummary, TargetProcess};
use crate::report::figures::{count, counted, duration, memory, percent, rate};
use crate::report::phrases::{
    FAULT_MAX, change_parts, delivery_sum, fault_sentence, hint_parts, message_sum, send_parts,
};
use crate::report::safe_text::plain;
use crate::report::self_check::short_self_check;
use crate::report::wrap::tied;

pub(super) fn section(summary: &RunSummary, style: Style) -> String {
    let mut text = ledger(summary, style);
    text.push_str(&style.labelled("SENDS", &plain(&joined(send_parts(&summary.sends)), TEXT_MAX)));
    for (label, parts) in [("CHANGES", change_parts(summary)), ("HINTS", hint_parts(summary))] {
        if !parts.is_empty() {
            text.push_str(&style.labelled(label, &joined(parts)));
        }
    }
    text.push_str(&style.labelled("LOAD", &joined(load(summary))));
    text.push_str(&style.labelled("SOCKETS", &joined(sockets(summary))));
    for fault in &summary.faults {
        text.push_str(&style.labelled("FAULT", &plain(&fault_sentence(fault), FAULT_MAX)));
    }
    text.push_str(&style.labelled("GENERATOR", &joined(generator(summary))));
    if let Some(process) = &summary.target_process {
        text.push_str(&style.labelled("TARGET", &plain(&joined(target(process, summary)), TEXT_MAX)));
    }
    text
}

/// What the target's process used between the first message and the final
/// reads.
fn target(process: &TargetProcess, summary: &RunSummary) -> Vec<String> {
    let mut parts = vec![process.source.clone()];
    if let Some(why) = &process.unknown_because {
        parts.push(format!("not known: {why}"));
        return parts;
    }
    let messages = summary.ledger.acknowledged + summary.ledger.written;
    parts.push(format!("CPU {}", percent(process.cpu_s / process.seconds.max(f64::MIN_POSITIVE))));
    if messages > 0 {
        parts.push(format!("{} a message", duration((process.cpu_s * 1e6 / messages as f64) as u64)));
    }
    parts.extend(process.rss_max_bytes.map(memory));
    parts
}

/// The two sums that always hold.
pub(super) fn ledger(summary: &RunSummary, style: Style) -> String {
    let messages = style.labelled("LEDGER", &sum("intended", message_sum(summary)));
    messages + &style.labelled("", &sum("entitled", delivery_sum(summary)))
}

/// "intended 6,025 = acknowledged 6,001 + …". A sum that is wrong is shown as
/// what it is.
fn sum(name: &str, (total, parts): (u64, Vec<(&'static str, u64, String)>)) -> String {
    let added: u64 = parts.iter().map(|(_, part, _)| *part).sum();
    let sign = if added == total { "=" } else { "≠" };
    let parts: Vec<String> =
        parts.into_iter().map(|(name, part, note)| tied(format!("{name} {} {note}", count(part)).trim_end())).collect();
    format!("{}\u{a0}{sign} {}", tied(&format!("{name} {}", count(total))), parts.join("\u{a0}+ "))
}

fn load(summary: &RunSummary) -> Vec<String> {
    let rates = &summary.rates;
    vec![
        format!("offered {}", rate(rates.offered_per_s)),
        format!("achieved {}", rate(rates.achieved_per_s)),
        format!("delivered {}", rate(rates.delivered_per_s)),
        counted(summary.ledger.attempts, "attempt"),
        format!("{} retries", count(summary.ledger.retries)),
    ]
}

fn sockets(summary: &RunSummary) -> Vec<String> {
    let ledger = &summary.ledger;
    vec![
        counted(ledger.subscribers, "subscriber"),
        counted(ledger.connections, "connection"),
        counted(ledger.connections.saturating_sub(ledger.subscribers), "reconnect"),
        counted(ledger.catch_up_pages, "catch-up page"),
    ]
}

fn generator(summary: &RunSummary) -> Vec<String> {
    let generator = &summary.generator;
    let mut parts = vec![if summary.measurement.valid { "ok".to_owned() } else { "not ok".to_owned() }];
    parts.extend(generator.lag_p99_us.map(|lag| format!("lag p99 {}", duration(lag))));
    parts.extend(generator.self_check.as_ref().and_then(short_self_check));
    parts.push(format!("CPU {}", percent(generator.cpu_fraction)));
    let late = generator.workers.iter().map(|worker| worker.canary_worst_us).max().unwrap_or(0);
    if late > 0 {
        parts.push(format!("canary {} late", duration(late)));
    }
    parts.push(counted(generator.descriptors, "descriptor"));
    parts.push(memory(generator.rss_bytes));
    if generator.exhausted > 0 {
        parts.push(format!("{} connections refused for want of descriptors or ports", count(generator.exhausted)));
    }
    parts
}
