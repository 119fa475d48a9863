//! A search for a capacity as text: for a terminal, as Markdown and CSV, and as
//! one page of HTML with its curve.

mod curve;
mod html;
mod words;

pub use html::capacity_html;
pub use words::{load_in_words, probe_in_words, purpose_in_words};

use super::figures::{duration, percent};
use super::safe_text::{markdown as safe, plain};
use super::terminal::{Ink, Style};
use super::wrap::wrap;
use crate::judge::capacity::{CapacityProbe, CapacitySummary, CapacityVerdict, Outcome};
use words::number;

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 300;
/// A terminal is taken to have so many columns at least.
const LEAST_WIDTH: usize = 40;

/// The search for a terminal, and without colour for `capacity.txt`. `folder`
/// is where its files are, as the reader would type it.
pub fn capacity_terminal(summary: &CapacitySummary, folder: &str, style: Style) -> String {
    let style = Style { width: style.width.max(LEAST_WIDTH), ..style };
    let clean = |text: &str| with_tied_units(&plain(text, TEXT_MAX));
    let mut text = style.paint(Ink::Strong, &wrap("", &clean(&words::title(summary)), style.width, 2)) + "\n";
    let find = words::unit(summary.settings.find);
    let asked = format!("the most {find} with {}", words::objective(&summary.settings));
    text.push_str(&wrap("", &clean(&asked), style.width, 0));
    text.push_str("\n\n");
    let ink = match summary.verdict {
        CapacityVerdict::Found => Ink::Good,
        CapacityVerdict::NoneHolds | CapacityVerdict::Incorrect => Ink::Bad,
        _ => Ink::Open,
    };
    text.push_str(&style.paint(ink, &wrap("capacity ", &clean(&words::headline(summary)), style.width, 9)));
    text.push('\n');
    if summary.verdict != CapacityVerdict::Found {
        text.push_str(&style.marked("·", ink, words::verdict(summary.verdict), 3));
    }
    text.push_str(&format!("\n{}\n", table(summary, style)));
    for (label, words) in sections(summary) {
        text.push_str(&style.labelled(label, &clean(&words)));
    }
    if !summary.notes.is_empty() {
        text.push('\n');
    }
    for note in &summary.notes {
        text.push_str(&style.marked("·", Ink::Faint, &plain(note, 2 * TEXT_MAX), 3));
    }
    text.push_str(&format!("\n{folder}/capacity.html\n{}", next(summary, folder)));
    text
}

/// Numbers that stay in one line with their units.
fn with_tied_units(text: &str) -> String {
    const UNITS: [&str; 9] = ["µs", "ms", "s", "min", "%", "msg/s", "users", "MB", "GB"];
    let mut tied = String::with_capacity(text.len());
    for word in text.split(' ') {
        let bare = word.trim_end_matches([',', ';', ')', ':']);
        let glue = match tied.chars().next_back() {
            None => "",
            Some(last) if last.is_ascii_digit() && UNITS.contains(&bare) => "\u{a0}",
            Some(_) => " ",
        };
        tied.push_str(glue);
        tied.push_str(word);
    }
    tied
}

/// What goes on from here.
fn next(summary: &CapacitySummary, folder: &str) -> String {
    match summary.verdict {
        CapacityVerdict::Interrupted | CapacityVerdict::Unconfirmed => {
            format!("next: posthaste capacity --resume {folder} --budget 10m\n")
        }
        CapacityVerdict::Incorrect => {
            let probe = summary.probes.iter().rfind(|probe| probe.outcome == Outcome::Incorrect);
            let run = probe.and_then(|probe| probe.run.as_deref()).unwrap_or_default();
            format!("next: posthaste report {folder}/{run}\n")
        }
        _ => String::new(),
    }
}

/// What is said beside the capacity, under labels.
fn sections(summary: &CapacitySummary) -> Vec<(&'static str, String)> {
    let find = summary.settings.find;
    let mut sections = Vec::new();
    sections.extend(summary.recovery.as_ref().map(|recovery| ("OVERLOAD", words::recovery(find, recovery))));
    sections.extend(summary.cost.as_ref().map(|cost| ("COST", words::cost(cost).join(" · "))));
    sections.extend(summary.egress.as_ref().map(|egress| ("EGRESS", words::egress(egress))));
    sections.push(("SCALING", words::usl(find, &summary.usl)));
    sections.extend(words::generator(summary).map(|generator| ("GENERATOR", generator)));
    sections
}

/// The probes, a row each; a narrow terminal has fewer columns.
fn table(summary: &CapacitySummary, style: Style) -> String {
    let unit = words::unit(summary.settings.find);
    let mut lines =
        vec![style.paint(
            Ink::Strong,
            &row(&["", "probe", unit, "goodput", "ack p99", "delivery p99", "result"], style.width),
        )];
    for probe in &summary.probes {
        let [number, purpose, load, goodput, ack, delivery] = cells(probe);
        let outcome = words::outcome(probe.outcome);
        let line = row(&[&number, &purpose, &load, &goodput, &ack, &delivery, outcome], style.width);
        let ink = match probe.outcome {
            Outcome::Held => None,
            Outcome::Failed | Outcome::Incorrect => Some(Ink::Bad),
            _ => Some(Ink::Open),
        };
        lines.push(ink.map_or(line.clone(), |ink| style.paint(ink, &line)));
        let room = style.width.saturating_sub(5);
        if !probe.because.is_empty() && probe.purpose.is_search() && room > 30 {
            let because = plain(&probe.because, TEXT_MAX);
            lines.push(style.paint(Ink::Faint, &wrap("     ", &because, style.width, 5)));
        }
    }
    lines.join("\n") + "\n"
}

fn row(cells: &[&str; 7], width: usize) -> String {
    let [number, purpose, load, goodput, ack, delivery, outcome] = cells;
    let text = match width {
        72.. => format!("{number:>3} {purpose:<15} {load:>9} {goodput:>9} {ack:>9} {delivery:>13}  {outcome}"),
        58.. => format!("{number:>3} {purpose:<15} {load:>9} {goodput:>9} {delivery:>9.9}  {outcome}"),
        _ => format!("{number:>3} {purpose:<15} {load:>8}  {outcome}"),
    };
    text.trim_end().to_owned()
}

/// Number, purpose, load, goodput and latencies of a probe.
fn cells(probe: &CapacityProbe) -> [String; 6] {
    let latency = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), duration);
    [
        probe.number.to_string(),
        probe.purpose.name().to_owned(),
        number(probe.load),
        probe.goodput.map_or_else(|| "–".to_owned(), percent),
        latency(probe.ack_us.p99),
        latency(probe.delivery_us.p99),
    ]
}

/// The search for a page that shows Markdown.
pub fn capacity_markdown(summary: &CapacitySummary) -> String {
    let clean = |text: &str| safe(text, TEXT_MAX);
    let mut text = format!("### {}\n\n", clean(&words::title(summary)));
    text.push_str(&format!("**capacity {}**\n\n", clean(&words::headline(summary))));
    if summary.verdict != CapacityVerdict::Found {
        text.push_str(&format!("{}\n\n", words::verdict(summary.verdict)));
    }
    text.push_str(&format!("Objective: {}\n\n", clean(&words::objective(&summary.settings))));
    let unit = words::unit(summary.settings.find);
    text.push_str(&format!("| | probe | {unit} | goodput | ack p99 | delivery p99 | result |\n"));
    text.push_str("| ---: | --- | ---: | ---: | ---: | ---: | --- |\n");
    for probe in &summary.probes {
        let outcome = words::outcome(probe.outcome);
        let outcome = if probe.outcome == Outcome::Held { outcome.to_owned() } else { format!("**{outcome}**") };
        let because = if probe.because.is_empty() { String::new() } else { format!(": {}", clean(&probe.because)) };
        text.push_str(&format!("| {} | {outcome}{because} |\n", cells(probe).join(" | ")));
    }
    text.push('\n');
    for (label, words) in sections(summary) {
        text.push_str(&format!("- {}: {}\n", label.to_lowercase(), clean(&words)));
    }
    for note in &summary.notes {
        text.push_str(&format!("- {}\n", safe(note, 2 * TEXT_MAX)));
    }
    text
}

/// A row a probe. Latencies are µs.
pub fn capacity_csv(summary: &CapacitySummary) -> String {
    let head = [
        "number",
        "purpose",
        "load",
        "outcome",
        "rate_per_s",
        "users",
        "subscribers",
        "offered_per_s",
        "achieved_per_s",
        "goodput",
        "delivered_per_s",
        "ack_p50_us",
        "ack_p99_us",
        "delivery_p50_us",
        "delivery_p99_us",
        "worker_cpu",
        "target_cpu_s",
        "target_s",
        "posts",
        "deliveries",
        "sockets",
        "took_s",
        "run",
    ];
    let in_memory = "a vector takes all, and every row has the same columns";
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head).expect(in_memory);
    for probe in &summary.probes {
        let optional = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let used =
            |of: fn(&crate::judge::capacity::TargetUse) -> String| probe.target.as_ref().map(of).unwrap_or_default();
        writer
            .write_record([
                probe.number.to_string(),
                probe.purpose.name().to_owned(),
                probe.load.to_string(),
                words::outcome(probe.outcome).to_owned(),
                probe.rate_per_s.to_string(),
                probe.users.to_string(),
                probe.subscribers.to_string(),
                format!("{:.3}", probe.offered_per_s),
                format!("{:.3}", probe.achieved_per_s),
                probe.goodput.map(|goodput| format!("{goodput:.5}")).unwrap_or_default(),
                format!("{:.3}", probe.delivered_per_s),
                optional(probe.ack_us.p50),
                optional(probe.ack_us.p99),
                optional(probe.delivery_us.p50),
                optional(probe.delivery_us.p99),
                format!("{:.4}", probe.worker_cpu),
                used(|used| format!("{:.6}", used.cpu_s)),
                used(|used| format!("{:.3}", used.seconds)),
                used(|used| used.posts.to_string()),
                used(|used| used.deliveries.to_string()),
                used(|used| used.sockets.to_string()),
                format!("{:.3}", probe.took_s),
                probe.run.clone().unwrap_or_default(),
            ])
            .expect(in_memory);
    }
    String::from_utf8(writer.into_inner().expect(in_memory)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
