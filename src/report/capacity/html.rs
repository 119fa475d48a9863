//! A search as one page of HTML that needs nothing else.

use super::curve::{Size, svg};
use super::{cells, sections, with_tied_units, words};
use crate::judge::capacity::{CapacitySummary, CapacityVerdict, Outcome};
use crate::report::page;
use minijinja::{Value, context};
use serde::Serialize;

const PAGE: &str = include_str!("capacity.html");
/// Two pictures, of which the page shows the one that fits.
const WIDE: Size = Size { width: 960.0, panel: 190.0 };
const NARROW: Size = Size { width: 380.0, panel: 170.0 };

#[derive(Serialize)]
struct Row {
    cells: [String; 6],
    outcome: &'static str,
    tone: &'static str,
    because: String,
    run: String,
}

#[derive(Serialize)]
struct Section {
    label: String,
    /// One, or those of a list.
    items: Vec<String>,
}

/// The page. Every text in it is escaped.
pub fn capacity_html(summary: &CapacitySummary) -> String {
    let rows: Vec<Row> = summary
        .probes
        .iter()
        .map(|probe| Row {
            cells: cells(probe),
            outcome: words::outcome(probe.outcome),
            tone: match probe.outcome {
                Outcome::Held => "held",
                Outcome::Failed | Outcome::Incorrect => "failed",
                _ => "open",
            },
            because: probe.because.clone(),
            run: probe.run.clone().unwrap_or_default(),
        })
        .collect();
    let items = |words: &str| with_tied_units(words).split(" · ").map(str::to_owned).collect();
    let section = |(label, words): (&str, String)| Section { label: label.to_lowercase(), items: items(&words) };
    let sections: Vec<Section> = sections(summary).into_iter().map(section).collect();
    page::render(
        "capacity.html",
        PAGE,
        context! {
            title => words::title(summary),
            capacity => words::capacity(summary),
            basis => summary.result.as_ref().map(words::basis).map(|basis| with_tied_units(&basis)),
            failed => summary.result.as_ref().and_then(|result| result.failed).map(|load| words::load_in_words(summary.settings.find, load)),
            share => summary.generator.as_ref().map(|generator| super::percent(generator.share)),
            verdict => words::verdict(summary.verdict),
            tone => match summary.verdict {
                CapacityVerdict::Found => "held",
                CapacityVerdict::NoneHolds | CapacityVerdict::Incorrect => "failed",
                _ => "open",
            },
            objective => words::objective(&summary.settings),
            unit => words::unit(summary.settings.find),
            wide => Value::from_safe_string(svg(summary, WIDE)),
            narrow => Value::from_safe_string(svg(summary, NARROW)),
            has_fit => summary.usl.not_identifiable.is_none(),
            rows,
            sections,
            notes => summary.notes,
            seed => summary.about.seed,
            cores => summary.about.cores,
            id => summary.about.capacity_id,
            started_at => summary.about.started_at,
            version => summary.posthaste_version,
        },
    )
}
