//! Two sides in pairs of runs, one right after the other, in an order that is
//! drawn for each pair: what changes slowly on the machine hits both alike.

use super::launched::Launched;
use super::{Children, Ended as Run, NoRun};
use crate::exit_code;
use crate::judge::compare::{CompareSide, Decision, Gate, GateOutcome, PairRow, decide, reading};
use crate::judge::{RunSummary, Verdict};
use crate::model::Random;
use crate::results::StudyFolder;
use std::sync::atomic::{AtomicBool, Ordering};

/// How a comparison is run.
pub struct Settings<'a> {
    /// The base, and what is compared with it.
    pub sides: [&'a CompareSide; 2],
    /// What decides.
    pub gates: &'a [Gate],
    /// After how many pairs to look; the last is where it ends.
    pub looks: &'a [usize],
    /// Whether to run all pairs, whatever a look says.
    pub all: bool,
    /// Draws the order within pairs.
    pub seed: u64,
    /// Makes the runs.
    pub children: &'a Children,
    /// Where the runs go.
    pub folder: &'a StudyFolder,
    /// Once set, no further run begins.
    pub stop: &'a AtomicBool,
    /// Is told what happens.
    pub told: &'a dyn Fn(PairEvent<'_>),
}

/// What happens to a pair.
pub enum PairEvent<'a> {
    /// One of its runs begins: which pair, from 0 (the warm-up), and which
    /// side.
    Begins(usize, &'a str),
    /// It is done, and this is what can be said now.
    Done(&'a PairRow, &'a [GateOutcome]),
}

/// What came of the pairs.
#[derive(Default)]
pub struct Compared {
    /// Every pair, in order; the warm-up is the first.
    pub pairs: Vec<PairRow>,
    /// What can be said of each gate.
    pub outcomes: Vec<GateOutcome>,
    /// What can be said of all; nothing where no look was reached.
    pub decision: Option<Decision>,
    /// Why it ended before its time.
    pub ended: Option<Ended>,
}

/// Why a comparison ended before its time.
pub enum Ended {
    /// A signal.
    Interrupted,
    /// A run lost, doubled or invented something: which side, and its folder.
    Incorrect(String, String),
    /// No run could be made.
    NoRun(NoRun),
    /// Too many pairs do not count.
    TooManyDiscarded,
}

/// Runs a pair that is thrown away, and then pairs until a look decides.
pub fn compare(settings: &Settings<'_>) -> Compared {
    let mut compared = Compared::default();
    let mut counted: Vec<PairRow> = Vec::new();
    let most = settings.looks.last().copied().unwrap_or(0);
    let order = Random::new(settings.seed, "pairs");
    while counted.len() < most {
        let rank = compared.pairs.len();
        if settings.stop.load(Ordering::Relaxed) {
            compared.ended = Some(Ended::Interrupted);
            break;
        }
        let b_first = order.split(rank as u64).unit() < 0.5;
        let mut pair = match pair(settings, rank, b_first) {
            Ok(pair) => pair,
            Err(ended) => {
                compared.ended = Some(ended);
                break;
            }
        };
        if rank == 0 {
            pair.discarded_because = Some("the warm-up".to_owned());
        }
        if pair.discarded_because.is_none() {
            counted.push(pair.clone());
        }
        compared.pairs.push(pair);
        let (outcomes, decision) = decide(settings.gates, &counted);
        compared.outcomes = outcomes;
        (settings.told)(PairEvent::Done(&compared.pairs[rank], &compared.outcomes));
        let is_look = settings.looks.contains(&counted.len()) && compared.pairs[rank].discarded_because.is_none();
        if is_look {
            compared.decision = Some(decision);
            if decision != Decision::Open && !settings.all {
                break;
            }
        }
        // As many discarded ones as there may be pairs, and the warm-up.
        if compared.pairs.len() - counted.len() > most {
            compared.ended = Some(Ended::TooManyDiscarded);
            break;
        }
    }
    compared
}

fn pair(settings: &Settings<'_>, rank: usize, b_first: bool) -> Result<PairRow, Ended> {
    let order = if b_first { [1, 0] } else { [0, 1] };
    let mut runs: [Option<(RunSummary, String)>; 2] = [None, None];
    for side in order {
        let name = ["a", "b"][side];
        (settings.told)(PairEvent::Begins(rank, name));
        let ended = run(settings, settings.sides[side], rank, name)?;
        let folder = settings.folder.relative(&ended.folder);
        match ended.summary.exit_code {
            exit_code::INCORRECT => return Err(Ended::Incorrect(name.to_owned(), folder)),
            exit_code::INTERRUPTED => return Err(Ended::Interrupted),
            _ => runs[side] = Some((ended.summary, folder)),
        }
    }
    let [Some((a, a_run)), Some((b, b_run))] = runs else { return Err(Ended::Interrupted) };
    let runs = [("a", &a), ("b", &b)];
    let undecided = runs.iter().find(|(_, run)| run.correctness.verdict == Verdict::Inconclusive);
    let discarded_because = undecided.map(|(name, run)| format!("{name}: {}", run.correctness.reasons.join("; ")));
    let invalid = runs.iter().find(|(_, run)| !run.measurement.valid);
    let not_valid_because = invalid.map(|(name, run)| format!("{name}: {}", run.measurement.reasons.join("; ")));
    let both = |gate: &Gate| Some((gate.metric.clone(), (reading(&a, &gate.metric)?, reading(&b, &gate.metric)?)));
    Ok(PairRow {
        order: if b_first { "ba" } else { "ab" }.to_owned(),
        a_run,
        b_run,
        discarded_because,
        not_valid_because,
        values: settings.gates.iter().filter_map(both).collect(),
    })
}

fn run(settings: &Settings<'_>, side: &CompareSide, rank: usize, name: &str) -> Result<Run, Ended> {
    let log = settings.folder.path().join(format!("{name}-server.log"));
    let launched = side.exec.as_deref().map(|command| Launched::start(command, &log, settings.children)).transpose();
    let ended = |no_run: NoRun| match settings.children.is_interrupted() {
        true => Ended::Interrupted,
        false => Ended::NoRun(no_run),
    };
    let launched = launched.map_err(|error| ended(NoRun { code: None, said: error.to_string() }))?;
    let mut args = side.args.clone();
    if let Some(launched) = &launched {
        args.extend(["--url".to_owned(), launched.url.clone()]);
    }
    let results = settings.folder.below(&[&format!("pair-{rank:02}"), name]);
    settings.children.run(&args, &results).map_err(ended)
}
