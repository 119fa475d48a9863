//! A matrix as one page of HTML that needs nothing else.

use super::{Tone, legend, lines, notes, row, title, verdict};
use crate::judge::{MatrixSummary, MatrixVerdict};
use crate::report::page;
use minijinja::context;
use serde::Serialize;

const PAGE: &str = include_str!("matrix.html");

#[derive(Serialize)]
struct Table {
    name: String,
    failures: Vec<Failure>,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Failure {
    name: String,
    faults: String,
}

#[derive(Serialize)]
struct Row {
    design: String,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    tone: &'static str,
    counts: Vec<String>,
    latency: String,
    run: String,
}

/// The page. Every text in it is escaped.
pub fn matrix_html(matrix: &MatrixSummary) -> String {
    let tables: Vec<Table> = matrix
        .tables
        .iter()
        .map(|table| Table {
            name: table.name.clone(),
            failures: table
                .failures
                .iter()
                .map(|failure| Failure { name: failure.name.clone(), faults: failure.faults.clone() })
                .collect(),
            rows: table
                .designs
                .iter()
                .map(|design| Row {
                    design: design.clone(),
                    cells: row(table, design)
                        .map(|cell| {
                            let lines = lines(cell);
                            let tone = match lines.tone {
                                Tone::Clean => "clean",
                                Tone::Known => "known",
                                Tone::Open => "open",
                                Tone::Broken => "broken",
                                Tone::Silent => "silent",
                            };
                            let run = cell.run.clone().unwrap_or_default();
                            Cell { tone, counts: lines.counts, latency: lines.latency, run }
                        })
                        .collect(),
                })
                .collect(),
        })
        .collect();
    page::render(
        "matrix.html",
        PAGE,
        context! {
            title => title(matrix),
            verdict => verdict(matrix),
            passed => matrix.verdict == MatrixVerdict::Kept,
            started_at => matrix.about.started_at,
            version => matrix.posthaste_version,
            tables,
            legend => legend(matrix),
            notes => notes(matrix),
        },
    )
}
