//! LATENCY: a table, with as many columns as the terminal holds.

use super::{Ink, Style};
use crate::judge::{LatencySummary, RunSummary};
use crate::model::LatencyKind;
use crate::report::phrases::Column;

/// "heal_message" and a blank.
const NAME: usize = 13;
const CELL: usize = 9;
const COUNT: usize = 12;
const TITLE: &str = "LATENCY from intended time";

pub(super) fn section(summary: &RunSummary, style: Style) -> String {
    let rows: Vec<(&str, &LatencySummary)> = LatencyKind::ALL
        .iter()
        .filter_map(|kind| summary.latency_us.get(kind.name()).map(|latency| (kind.name(), latency)))
        .filter(|(_, latency)| latency.count > 0)
        .collect();
    if rows.is_empty() {
        return format!("{}nothing was measured\n", style.heading(TITLE));
    }
    let withheld = rows.iter().any(|(_, latency)| latency.withheld);
    let mut text = style.heading(TITLE);
    if withheld {
        let line = "withheld: the figures stand for the record, the measurement is not valid";
        text.push_str(&style.marked("?", Ink::Open, line, 5));
    }
    let columns = fitting(style.width);
    let line = |name: &str, cell: &dyn Fn(Column) -> String| {
        let mut line = format!("{name:NAME$}");
        for column in &columns {
            line.push_str(&format!("{:>width$}", cell(*column), width = width_of(*column)));
        }
        line
    };
    text.push_str(&style.paint(Ink::Faint, &line("", &|column| column.head().to_owned())));
    text.push('\n');
    for (name, latency) in rows {
        let mark = if latency.withheld { "?" } else { " " };
        text.push_str(&line(&format!("{mark}{name}"), &|column| column.cell(latency)));
        text.push('\n');
    }
    text
}

fn width_of(column: Column) -> usize {
    if column == Column::Count { COUNT } else { CELL }
}

/// The columns that a width holds, the most telling ones first.
fn fitting(width: usize) -> Vec<Column> {
    let mut room = width.saturating_sub(NAME);
    let by_worth = [Column::P50, Column::P99, Column::Max, Column::Count, Column::P90, Column::P999];
    let mut chosen: Vec<Column> = Vec::new();
    for column in by_worth {
        if width_of(column) <= room {
            room -= width_of(column);
            chosen.push(column);
        }
    }
    Column::ALL.into_iter().filter(|column| chosen.contains(column)).collect()
}
