//! A matrix as text: for a terminal, as Markdown, and as one page of HTML.

mod html;

pub use html::matrix_html;

use super::figures::{count, duration};
use super::safe_text::{markdown as safe, plain};
use super::terminal::Style;
use super::wrap::wrap;
use crate::judge::{MatrixCell, MatrixSummary, MatrixTable, MatrixVerdict};
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table};

/// Longest text of a server or a profile that is shown.
const TEXT_MAX: usize = 200;

/// A count: its name in the results, in a cell, and what it means.
struct Count {
    name: &'static str,
    short: &'static str,
    meaning: &'static str,
}

const COUNTS: [Count; 7] = [
    Count {
        name: "lost silently",
        short: "lost",
        meaning: "shown as sent, acknowledged by nobody, and not in history",
    },
    Count { name: "lost after ack", short: "lost acked", meaning: "acknowledged, and not in history" },
    Count { name: "stored twice", short: "twice", meaning: "surplus copies in history" },
    Count { name: "phantoms", short: "phantom", meaning: "pushed to others, and not in history" },
    Count {
        name: OPEN,
        short: "open",
        meaning: "shown as failed in the end; the sender never learned whether it is in history",
    },
    Count {
        name: "never received",
        short: "missed",
        meaning: "deliveries that the design never came to by its own means, and posthaste found at the end",
    },
    Count { name: "received twice", short: "again", meaning: "deliveries that came a second time" },
];

const OPEN: &str = "never settled";

/// The lines of one cell.
struct Lines {
    /// What was counted; one line that says "0" where nothing was.
    counts: Vec<String>,
    latency: String,
    tone: Tone,
}

/// What a cell says at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    /// Nothing was found.
    Clean,
    /// What the design never promised to avoid.
    Known,
    /// Sends that failed or never settled, and nothing worse.
    Open,
    /// A promise was broken.
    Broken,
    /// It says nothing.
    Silent,
}

/// The matrix for a terminal, and without colour for `matrix.txt`. `folder`
/// is where its files are, as the reader would type it.
pub fn matrix_terminal(matrix: &MatrixSummary, folder: &str, style: Style) -> String {
    let mut text = format!("{}\n", wrap("", &title(matrix), style.width, 2));
    for table in &matrix.tables {
        text.push_str(&format!("\n{}\n", grid(table, style)));
    }
    text.push('\n');
    for line in legend(matrix).into_iter().chain(notes(matrix)) {
        text.push_str(&format!("{}\n", wrap(" · ", &plain(&line, TEXT_MAX), style.width, 3)));
    }
    text.push_str(&format!("\n{}\n\n{folder}/matrix.html\n", wrap("", &verdict(matrix), style.width, 0)));
    text
}

/// The matrix for a page that shows Markdown.
pub fn matrix_markdown(matrix: &MatrixSummary) -> String {
    let mut text = format!("### {}\n\n{}\n", safe(&title(matrix), TEXT_MAX), verdict(matrix));
    for table in &matrix.tables {
        text.push_str(&format!("\n| {} design |", table.name));
        for failure in &table.failures {
            text.push_str(&format!(" {} |", safe(&failure.name, TEXT_MAX)));
        }
        text.push_str(&format!("\n| --- |{}\n", " --- |".repeat(table.failures.len())));
        for design in &table.designs {
            text.push_str(&format!("| `{design}` |"));
            for cell in row(table, design) {
                let lines = lines(cell);
                let counts = lines.counts.join("<br>");
                let plain = matches!(lines.tone, Tone::Clean | Tone::Silent);
                let counts = if plain { counts } else { format!("**{counts}**") };
                let latency = if lines.latency.is_empty() { String::new() } else { format!("<br>{}", lines.latency) };
                text.push_str(&format!(" {counts}{latency} |"));
            }
            text.push('\n');
        }
    }
    text.push('\n');
    for line in legend(matrix).into_iter().chain(notes(matrix)) {
        text.push_str(&format!("- {}\n", safe(&line, TEXT_MAX)));
    }
    text
}

/// "posthaste matrix → built-in server · workload matrix, seed 42".
fn title(matrix: &MatrixSummary) -> String {
    let target = match &matrix.about.url {
        Some(url) => format!("{} → {url}", matrix.about.target),
        None => "built-in server".to_owned(),
    };
    format!(
        "posthaste matrix {} · {target} · workload {}, seed {}",
        matrix.about.matrix_id, matrix.about.workload, matrix.about.seed
    )
}

/// What it comes to, in a sentence or two.
fn verdict(matrix: &MatrixSummary) -> String {
    match matrix.verdict {
        MatrixVerdict::Kept => kept(matrix),
        MatrixVerdict::Broken => "A design broke a promise that it made.".to_owned(),
        MatrixVerdict::Interrupted => "Interrupted: not all cells were run.".to_owned(),
        MatrixVerdict::Inconclusive => "Inconclusive: not every cell says something.".to_owned(),
    }
}

/// Which designs did no harm under any failure, a sentence a table.
fn kept(matrix: &MatrixSummary) -> String {
    let sentences = matrix.tables.iter().map(|table| {
        let is_harmless = |design: &&String| row(table, design).all(|cell| lines(cell).tone != Tone::Known);
        let harmless: Vec<&str> = table.designs.iter().filter(is_harmless).map(String::as_str).collect();
        let what = if table.name == "send" { "lost, doubled and invented nothing" } else { "missed nothing" };
        let who = match harmless.as_slice() {
            [] => return format!("Of the {} designs, none came through unharmed, and none promised to.", table.name),
            [only] => (*only).to_owned(),
            [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
        };
        let others = if harmless.len() == table.designs.len() { "" } else { "; the others never promised that" };
        format!("Of the {} designs, {who} {what}{others}.", table.name)
    });
    sentences.collect::<Vec<_>>().join(" ")
}

fn row<'t>(table: &'t MatrixTable, design: &'t str) -> impl Iterator<Item = &'t MatrixCell> {
    table.cells.iter().filter(move |cell| cell.design == design)
}

fn lines(cell: &MatrixCell) -> Lines {
    if !cell.speaks() {
        let sign = if cell.impossible { "–" } else { "?" };
        return Lines { counts: vec![sign.to_owned()], latency: String::new(), tone: Tone::Silent };
    }
    let found = |of: &Count| cell.counts.get(of.name).map(|number| format!("{} {}", count(*number), of.short));
    let mut counts: Vec<String> = COUNTS.iter().filter_map(found).collect();
    // A second copy is recognised by its id.
    let only_open = cell.counts.keys().all(|name| name == OPEN || name == "received twice");
    let tone = match (counts.is_empty(), cell.broken.is_empty()) {
        (_, false) => Tone::Broken,
        (true, _) => Tone::Clean,
        (false, _) if only_open => Tone::Open,
        (false, _) => Tone::Known,
    };
    if counts.is_empty() {
        counts.push("0".to_owned());
    }
    let latency = cell.latency_us.map(|us| {
        let at_least = if cell.latency_at_least { "≥" } else { "" };
        let of = if cell.latency_of == "heal max" { "heal" } else { "p99" };
        format!("{of} {at_least}{}", duration(us))
    });
    Lines { counts, latency: latency.unwrap_or_default(), tone }
}

/// The table, or several below each other where the columns do not fit.
fn grid(table: &MatrixTable, style: Style) -> String {
    let failures: Vec<&str> = table.failures.iter().map(|failure| failure.name.as_str()).collect();
    let all = grid_of(table, &failures, style);
    let fits = |failures: &[&str]| {
        let plain = grid_of(table, failures, Style { colour: false, ..style });
        plain.lines().all(|line| line.chars().count() <= style.width)
    };
    if fits(&failures) {
        return all;
    }
    let columns = (1..failures.len()).rev().find(|columns| failures.chunks(*columns).all(fits)).unwrap_or(1);
    let grids: Vec<String> = failures.chunks(columns).map(|part| grid_of(table, part, style)).collect();
    grids.join("\n\n")
}

fn grid_of(table: &MatrixTable, failures: &[&str], style: Style) -> String {
    let mut grid = Table::new();
    grid.load_preset(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    if style.colour {
        grid.enforce_styling();
    } else {
        grid.force_no_tty();
    }
    let heads = failures.iter().map(|failure| (*failure).to_owned());
    grid.set_header(std::iter::once(format!("{} design", table.name)).chain(heads));
    for design in &table.designs {
        let cells = row(table, design).filter(|cell| failures.contains(&cell.failure.as_str())).map(|cell| {
            let lines = lines(cell);
            let mut text = lines.counts;
            text.push(lines.latency);
            let shown = Cell::new(text.join("\n").trim_end());
            match lines.tone {
                _ if !style.colour => shown,
                Tone::Clean => shown.fg(Color::Green),
                Tone::Open => shown.fg(Color::Yellow),
                Tone::Known => shown.fg(Color::Red),
                Tone::Broken => shown.fg(Color::Red).add_attribute(Attribute::Reverse),
                Tone::Silent => shown.fg(Color::DarkGrey),
            }
        });
        grid.add_row(std::iter::once(Cell::new(design)).chain(cells));
    }
    grid.trim_fmt()
}

/// The meanings of the counts that the matrix shows.
fn legend(matrix: &MatrixSummary) -> Vec<String> {
    let cells = || matrix.tables.iter().flat_map(|table| &table.cells);
    let shown = COUNTS.iter().filter(|of| cells().any(|cell| cell.counts.contains_key(of.name)));
    let mut lines: Vec<String> = shown.map(|of| format!("{}: {}", of.short, of.meaning)).collect();
    let has = |name: &str| matrix.tables.iter().any(|table| table.name == name);
    if has("send") {
        let of = "from the intended time to the acknowledgement; where the design has none, until it was shown as sent";
        lines.push(format!("p99 of a send design: {of}"));
    }
    if has("receive") {
        lines.push("heal: the longest time from a reconnect until caught up".to_owned());
        lines.push("p99 of a receive design: from the intended time to each subscriber".to_owned());
    }
    let messages = cells().filter(|cell| cell.speaks()).map(|cell| cell.intended).max().unwrap_or(0);
    lines.push(format!(
        "each cell is a run of {} messages through the fault proxy, some at the same time: latencies compare within \
         this table only",
        count(messages)
    ));
    lines
}

/// What a reader must know, of all cells and of single ones.
fn notes(matrix: &MatrixSummary) -> Vec<String> {
    let mut notes = matrix.about.warnings.clone();
    let mut silent: Vec<(&str, Vec<String>)> = Vec::new();
    for cell in matrix.tables.iter().flat_map(|table| &table.cells) {
        let place = format!("{} × {}", cell.design, cell.failure);
        if !cell.broken.is_empty() {
            notes.push(format!("{place}: a broken promise: {}", cell.broken.join(", ")));
        }
        if let Some(name) = &cell.expected_and_absent
            && cell.speaks()
        {
            notes.push(format!("{place}: the design is known for messages {name} here, and this run has none"));
        }
        if let Some(because) = &cell.silent_because {
            match silent.iter_mut().find(|(reason, _)| reason == because) {
                Some((_, places)) => places.push(place),
                None => silent.push((because, vec![place])),
            }
        }
    }
    notes.extend(silent.into_iter().map(|(because, places)| format!("{}: {because}", places.join(", "))));
    notes
}

#[cfg(test)]
mod tests;
