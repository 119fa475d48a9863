//! The summary for a terminal, and without colour for `summary.txt`.

mod findings;
mod latency;
mod slowest;
mod totals;

use super::phrases::{correctness_reasons, plan_parts, reasons, verdict, verdict_parts};
use super::safe_text::plain;
use super::wrap::{tied, wrap};
use crate::judge::{RunSummary, Verdict};

/// How to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Whether escapes for colours are written.
    pub colour: bool,
    /// Characters of a line; everything stays readable from 40, and
    /// less than 30 is taken for 30.
    pub width: usize,
}

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 200;

/// Colours by what they mean.
#[derive(Clone, Copy)]
pub(super) enum Ink {
    Good,
    Bad,
    Open,
    Strong,
    Faint,
}

/// The whole report of a run: lines that end in line ends. `folder` is where
/// the run's files are, as the reader would type it; without it neither the
/// path nor a next command is shown.
pub fn terminal(summary: &RunSummary, folder: Option<&str>, style: Style) -> String {
    let style = Style { width: style.width.max(30), ..style };
    let mut sections = vec![header(summary, style), verdict_section(summary, style), thresholds(summary, style)];
    sections.push(findings::section(summary, style));
    sections.push(latency::section(summary, style));
    sections.push(slowest::section(summary, style));
    sections.push(totals::section(summary, style));
    sections.extend(folder.map(|folder| footer(summary, folder)));
    sections.retain(|section| !section.is_empty());
    sections.join("\n")
}

impl Style {
    /// Colours one line or a part of one. To be done after lines are measured.
    pub(super) fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => "32",
            Ink::Bad => "31",
            Ink::Open => "33",
            Ink::Strong => "1",
            Ink::Faint => "2",
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A line that begins with a label in a column of its own; what does not
    /// fit continues under the text.
    pub(super) fn labelled(self, label: &str, text: &str) -> String {
        const LABEL: usize = 9;
        let head = if label.chars().count() >= LABEL { format!("{label} ") } else { format!("{label:LABEL$}") };
        let indent = if self.width < 60 { 3 } else { LABEL };
        let lines = wrap(&head, text, self.width, indent);
        format!("{}{}\n", self.paint(Ink::Strong, label), &lines[label.len()..])
    }

    /// A line of a list, with a mark of one character in front.
    pub(super) fn marked(self, mark: &str, ink: Ink, text: &str, indent: usize) -> String {
        let lines = wrap(&format!(" {mark} "), text, self.width, indent);
        format!(" {}{}\n", self.paint(ink, mark), &lines[1 + mark.len()..])
    }

    /// A heading over lines.
    pub(super) fn heading(self, text: &str) -> String {
        format!("{}\n", self.paint(Ink::Strong, text))
    }
}

/// Parts in one line; where it breaks, the point stays behind its part.
fn joined(parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().map(|part| tied(&part)).collect();
    parts.join("\u{a0}· ")
}

/// What ran where; the run's name at the right where there is room.
fn header(summary: &RunSummary, style: Style) -> String {
    let name = |text: &str| plain(text, TEXT_MAX);
    let title = format!(
        "posthaste run {} --target {} → {}",
        name(&summary.workload),
        name(&summary.target),
        name(&summary.url)
    );
    let id = name(&summary.run_id);
    let (title_width, id_width) = (title.chars().count(), id.chars().count());
    let room = style.width.saturating_sub(title_width + id_width);
    let mut text = if room >= 2 {
        format!("{}{}{id}\n", style.paint(Ink::Strong, &title), " ".repeat(room))
    } else {
        format!("{}\n{}\n", style.paint(Ink::Strong, &wrap("", &title, style.width, 2)), wrap("", &id, style.width, 2))
    };
    let plan = plan_parts(&summary.plan);
    if !plan.is_empty() {
        text.push_str(&wrap("", &joined(plan), style.width, 0));
        text.push('\n');
    }
    text
}

/// What a history that was judged by itself says: correctness alone. `source`
/// is where it came from.
pub fn correctness(summary: &RunSummary, source: &str, style: Style) -> String {
    let style = Style { width: style.width.max(30), ..style };
    let title = format!("posthaste judge {} · {}", plain(source, TEXT_MAX), plain(&summary.run_id, TEXT_MAX));
    let sections = [
        style.paint(Ink::Strong, &wrap("", &title, style.width, 2)) + "\n",
        verdict_lines(summary.correctness.verdict, "of correctness alone", &correctness_reasons(summary), style),
        findings::section(summary, style),
        totals::ledger(summary, style),
    ];
    sections.join("\n")
}

fn verdict_section(summary: &RunSummary, style: Style) -> String {
    verdict_lines(summary.verdict, &joined(verdict_parts(summary)), &reasons(summary), style)
}

fn verdict_lines(of: Verdict, parts: &str, reasons: &[&str], style: Style) -> String {
    let word = verdict(of).to_uppercase();
    let ink = match of {
        Verdict::Pass => Ink::Good,
        Verdict::Inconclusive => Ink::Open,
        Verdict::Fail => Ink::Bad,
    };
    let label = "VERDICT";
    let head = format!("{label}  {word}");
    let indent = if style.width < 60 { 3 } else { head.chars().count() + 4 };
    let lines = wrap(&format!("{head}    "), parts, style.width, indent);
    let mut text =
        format!("{}  {}{}\n", style.paint(Ink::Strong, label), style.paint(ink, &word), &lines[head.len()..]);
    for reason in reasons {
        text.push_str(&style.marked("·", Ink::Faint, &plain(reason, 2 * TEXT_MAX), 3));
    }
    text
}

fn thresholds(summary: &RunSummary, style: Style) -> String {
    if summary.thresholds.is_empty() {
        return String::new();
    }
    let mut text = style.heading("THRESHOLDS");
    let widest = summary.thresholds.iter().map(|threshold| threshold.expr.chars().count()).max().unwrap_or(0);
    let column = widest.min(style.width / 2);
    for threshold in &summary.thresholds {
        let (mark, ink) = match threshold.passed {
            Some(true) => ("✓", Ink::Good),
            Some(false) => ("✗", Ink::Bad),
            None => ("?", Ink::Open),
        };
        let expr = format!("{:column$}", plain(&threshold.expr, TEXT_MAX));
        let line = format!("{}  {}", tied(&expr), tied(&plain(&threshold.shown, TEXT_MAX)));
        text.push_str(&style.marked(mark, ink, &line, 5));
    }
    text
}

/// Where the files are, and one command that goes on from here. Only commands
/// that exist are named.
fn footer(summary: &RunSummary, folder: &str) -> String {
    let folder = plain(folder, 4 * TEXT_MAX);
    let next = match summary.verdict {
        Verdict::Pass if summary.workload == "quickstart" => "posthaste profiles".to_owned(),
        Verdict::Pass => format!("posthaste compare {folder} ANOTHER-RUN"),
        Verdict::Fail => format!("posthaste report {folder} --format json"),
        Verdict::Inconclusive => {
            format!(
                "posthaste run {} --target {}",
                plain(&summary.workload, TEXT_MAX),
                plain(&summary.target, TEXT_MAX)
            )
        }
    };
    // Neither line is broken: both are there to be copied.
    format!("{folder}/report.html\nnext: {next}\n")
}

#[cfg(test)]
mod tests;
