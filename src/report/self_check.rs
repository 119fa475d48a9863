//! What a self-check found, as a table and a verdict.

use super::figures::duration;
use super::safe_text::plain;
use super::terminal::{Ink, Style};
use super::wrap::wrap;
use crate::judge::self_check::{Accuracy, Ceiling, SelfCheck, ShortSelfCheck, Stall};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// Longest text of a reason that is shown.
const TEXT_MAX: usize = 300;

/// The check for a terminal.
pub fn self_checked(check: &SelfCheck, style: Style) -> String {
    let mut text = String::from("posthaste check --self: what is reported, against the server's own stamps\n\n");
    text.push_str(&format!("{}\n\n", accuracy_table(&check.accuracy)));
    text.push_str(&wrap("stall    ", &stall(&check.stall), style.width, 9));
    text.push_str(&format!("\n{}\n", wrap("ceiling  ", &ceiling(&check.ceiling), style.width, 9)));
    for note in &check.notes {
        text.push_str(&format!("{}\n", wrap("note     ", &plain(note, TEXT_MAX), style.width, 9)));
    }
    let (ink, words) = match check.passed {
        true => (Ink::Good, "PASS     latencies of this machine can be believed, within what the table shows"),
        false => (
            Ink::Open,
            "NOT OK   not here, not now: give posthaste and the server cores of their own, stop what else runs, and \
             check again",
        ),
    };
    text.push_str(&format!("\n{}\n", style.paint(ink, &wrap("", words, style.width, 9))));
    text
}

fn accuracy_table(rows: &[Accuracy]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING);
    table.set_header(["", "p50 of", "msg/s", "subscribers", "delay", "true", "reported", "error", "allowed"]);
    for row in rows {
        table.add_row([
            mark(row.passed).to_owned(),
            row.latency.clone(),
            format!("{:.0}", row.rate_per_s),
            row.subscribers.to_string(),
            format!("{} ms", row.delay_us / 1_000),
            duration(row.truth_us),
            duration(row.reported_us),
            format!("{:+.3} ms", row.error_us as f64 / 1e3),
            format!("{:.3} ms", row.allowed_us as f64 / 1e3),
        ]);
    }
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn mark(passed: bool) -> &'static str {
    if passed { "✓" } else { "✗" }
}

fn stall(stall: &Stall) -> String {
    format!(
        "{} the server stood still for {} in {}: p99 must be {} ± 10 %, and is {} (ack) and {} (delivery); counted from \
         the first byte it would be {}",
        mark(stall.passed),
        duration(stall.stall_us),
        duration(stall.load_us),
        duration(stall.expected_us),
        duration(stall.ack_p99_us),
        duration(stall.delivery_p99_us),
        duration(stall.service_p99_us),
    )
}

fn ceiling(ceiling: &Ceiling) -> String {
    let mut words = format!(
        "{} {:.0} messages a second with {:.0} deliveries were measured",
        ceiling.passed.map_or("·", mark),
        ceiling.sends_per_s,
        ceiling.deliveries_per_s
    );
    if let Some(wanted_per_s) = ceiling.wanted_per_s {
        words.push_str(&format!(", {wanted_per_s:.0} are wanted"));
    }
    match &ceiling.held_by {
        Some(held_by) => words.push_str(&format!("; no more, for {}", plain(held_by, TEXT_MAX))),
        None => words.push_str(", and more was not tried"),
    }
    words
}

/// The short check of a run in a few words; `None` where it was skipped.
pub fn short_self_check(check: &ShortSelfCheck) -> Option<String> {
    let worst = check.accuracy.iter().max_by_key(|row| row.error_us.unsigned_abs())?;
    let off = duration(worst.error_us.unsigned_abs());
    Some(match check.passed? {
        true => format!("medians exact to {off}"),
        false => format!("self-check: the median of {} is off by {off}", worst.latency),
    })
}
