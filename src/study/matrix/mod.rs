//! The matrix: every design against every failure, each cell a run of its own
//! with the same workload and seed, a few side by side.

mod failures;

pub use failures::{Failure, send_failures};

use super::child;
use crate::judge::{MatrixCell, MatrixFailure, MatrixTable};
use crate::plan::SendDesign;
use crate::results::MatrixFolder;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What every cell has in common.
pub struct Settings<'a> {
    /// Arguments of `posthaste run`: workload, target, seed, values.
    pub common: Vec<String>,
    /// Whether the target is the built-in server, whose process and store can
    /// be touched.
    pub built_in: bool,
    /// Where the cells leave their runs.
    pub folder: &'a MatrixFolder,
    /// Cells side by side.
    pub jobs: usize,
}

/// What happens to a cell.
pub enum CellEvent<'a> {
    /// Its run begins.
    Begins {
        /// The design.
        design: &'a str,
        /// The failure.
        failure: &'a str,
    },
    /// It is done, whether or not there was a run.
    Done(&'a MatrixCell),
}

/// Runs the send table. Once `stop` is set, no further cell begins.
pub fn send_table(
    settings: &Settings<'_>,
    designs: &[SendDesign],
    failures: &[Failure],
    stop: &AtomicBool,
    told: &(dyn Fn(CellEvent<'_>) + Sync),
) -> MatrixTable {
    let all: Vec<(SendDesign, &Failure)> =
        designs.iter().flat_map(|design| failures.iter().map(move |failure| (*design, failure))).collect();
    let next = AtomicUsize::new(0);
    let cells: Vec<Mutex<Option<MatrixCell>>> = all.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..settings.jobs.clamp(1, all.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let rank = next.fetch_add(1, Ordering::Relaxed);
                    let Some((design, failure)) = all.get(rank) else { return };
                    let cell = send_cell(settings, *design, failure, stop, told);
                    told(CellEvent::Done(&cell));
                    *cells[rank].lock().unwrap_or_else(PoisonError::into_inner) = Some(cell);
                }
            });
        }
    });
    let cells = cells.into_iter().filter_map(|cell| cell.into_inner().unwrap_or_else(PoisonError::into_inner));
    MatrixTable {
        name: "send".to_owned(),
        designs: designs.iter().map(|design| design.name().to_owned()).collect(),
        failures: failures
            .iter()
            .map(|failure| MatrixFailure { name: failure.name.to_owned(), faults: failure.faults.clone() })
            .collect(),
        cells: cells.collect(),
    }
}

fn send_cell(
    settings: &Settings<'_>,
    design: SendDesign,
    failure: &Failure,
    stop: &AtomicBool,
    told: &(dyn Fn(CellEvent<'_>) + Sync),
) -> MatrixCell {
    if failure.needs_own_server && !settings.built_in {
        let because = "needs a server that posthaste started";
        return MatrixCell::impossible(design.name(), failure.name, because);
    }
    if stop.load(Ordering::Relaxed) {
        return MatrixCell::without_run(design.name(), failure.name, "interrupted");
    }
    told(CellEvent::Begins { design: design.name(), failure: failure.name });
    let mut args = settings.common.clone();
    // The proxy is in the way of every cell, so that they compare.
    args.push("--through-proxy".to_owned());
    let mut set = |value: String| args.extend(["--set".to_owned(), value]);
    set(format!("send.design={}", design.name()));
    if !failure.faults.is_empty() {
        set(format!("faults={}", failure.faults));
    }
    match child::run(&args, &settings.folder.cell(design.name(), failure.name)) {
        Ok(ended) => {
            let run = settings.folder.relative(&ended.folder);
            MatrixCell::of_send(design, failure.name, &run, &ended.summary)
        }
        Err(error) => MatrixCell::without_run(design.name(), failure.name, format!("{error:#}")),
    }
}
