//! The matrix: every design against every failure, each cell a run of its own
//! with the same workload and seed, a few side by side.

mod failures;

pub use failures::{Failure, receive_failures, send_failures};

use super::Children;
use crate::exit_code;
use crate::judge::{Design, MatrixCell, MatrixFailure, MatrixTable};
use crate::plan::ReceiveDesign;
use crate::results::StudyFolder;
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
    pub folder: &'a StudyFolder,
    /// Makes the runs.
    pub children: &'a Children,
    /// Cells side by side.
    pub jobs: usize,
    /// Once set, no further cell begins.
    pub stop: &'a AtomicBool,
    /// Is told what happens to the cells.
    pub told: &'a (dyn Fn(CellEvent<'_>) + Sync),
    /// What the first run said that could not reach the target; no cell begins
    /// after it.
    pub unreachable: Mutex<Option<String>>,
}

/// What happens to a cell.
pub enum CellEvent<'a> {
    /// Its run begins.
    Begins {
        /// The design.
        design: Design,
        /// The failure.
        failure: &'a str,
    },
    /// It is done, whether or not there was a run.
    Done(Design, &'a MatrixCell),
}

/// Runs one table: designs of one kind against failures.
pub fn table(settings: &Settings<'_>, designs: &[Design], failures: &[Failure]) -> MatrixTable {
    let all: Vec<(Design, &Failure)> =
        designs.iter().flat_map(|design| failures.iter().map(move |failure| (*design, failure))).collect();
    let next = AtomicUsize::new(0);
    let cells: Vec<Mutex<Option<MatrixCell>>> = all.iter().map(|_| Mutex::default()).collect();
    std::thread::scope(|scope| {
        for _ in 0..settings.jobs.clamp(1, all.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let rank = next.fetch_add(1, Ordering::Relaxed);
                    let Some((design, failure)) = all.get(rank) else { return };
                    let cell = cell(settings, *design, failure);
                    (settings.told)(CellEvent::Done(*design, &cell));
                    *cells[rank].lock().unwrap_or_else(PoisonError::into_inner) = Some(cell);
                }
            });
        }
    });
    let cells = cells.into_iter().filter_map(|cell| cell.into_inner().unwrap_or_else(PoisonError::into_inner));
    MatrixTable {
        name: designs.first().map_or("", |design| design.table()).to_owned(),
        designs: designs.iter().map(|design| design.name().to_owned()).collect(),
        failures: failures
            .iter()
            .map(|failure| MatrixFailure { name: failure.name.to_owned(), faults: failure.in_words() })
            .collect(),
        cells: cells.collect(),
    }
}

fn cell(settings: &Settings<'_>, design: Design, failure: &Failure) -> MatrixCell {
    if let Some(because) = failure.rules_out(design, settings.built_in) {
        return MatrixCell::impossible(design.name(), failure.name, because);
    }
    if settings.stop.load(Ordering::Relaxed) {
        return MatrixCell::without_run(design.name(), failure.name, "interrupted");
    }
    if let Some(reason) = &*settings.unreachable.lock().unwrap_or_else(PoisonError::into_inner) {
        return MatrixCell::without_run(design.name(), failure.name, reason.as_str());
    }
    (settings.told)(CellEvent::Begins { design, failure: failure.name });
    let mut args = settings.common.clone();
    // The proxy is in the way of every cell, so that they compare.
    args.push("--through-proxy".to_owned());
    let mut set = |value: String| args.extend(["--set".to_owned(), value]);
    set(format!("{}.design={}", design.table(), design.name()));
    if design == Design::Receive(ReceiveDesign::Rtm) {
        set(format!("receive.replay_window={REPLAYED_EVENTS}"));
    }
    if !failure.faults.is_empty() {
        set(format!("faults={}", failure.faults));
    }
    failure.values.iter().for_each(|value| set((*value).to_owned()));
    let results = settings.folder.below(&[design.table(), &format!("{}--{}", design.name(), failure.name)]);
    match settings.children.run(&args, &results) {
        Ok(ended) => {
            let run = settings.folder.relative(&ended.folder);
            MatrixCell::of(design, failure.name, &run, &ended.summary)
        }
        Err(no_run) => {
            if no_run.code == Some(exit_code::UNREACHABLE) {
                let mut unreachable = settings.unreachable.lock().unwrap_or_else(PoisonError::into_inner);
                unreachable.get_or_insert_with(|| no_run.said.clone());
            }
            MatrixCell::without_run(design.name(), failure.name, no_run.said)
        }
    }
}

/// Events of a channel that are replayed to a bot that comes back: a second's
/// worth of the matrix's own workload.
const REPLAYED_EVENTS: u32 = 50;
