//! A search for a capacity: each probe is a run, and the runs so far decide the
//! next one. The built-in server is started anew for each; any other target is
//! given time to be idle again.

mod idle;
mod probe;

pub use idle::Idle;

use super::{Children, NoRun};
use crate::exit_code;
use crate::judge::capacity::{
    CapacityAbout, CapacityProbe, CapacitySummary, Ending, Outcome, Purpose, Recovery, SearchSettings, Step, concluded,
    next, seconds_left,
};
use crate::results::{ResultsError, StudyFolder};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The file that a search is resumed from.
pub const SUMMARY: &str = "capacity.json";
/// The workload of every probe, with every value.
pub const WORKLOAD: &str = "workload.toml";

/// What a search is made with.
pub struct Search<'a> {
    /// What it is about.
    pub about: CapacityAbout,
    /// How it goes.
    pub settings: SearchSettings,
    /// Where everything goes.
    pub folder: &'a StudyFolder,
    /// Makes the runs.
    pub children: &'a Children,
    /// Waits until the target is idle.
    pub idle: Idle<'a>,
    /// Once set, no further probe begins.
    pub stop: &'a AtomicBool,
    /// Is told what happens.
    pub told: &'a dyn Fn(ProbeEvent<'_>),
}

/// What happens to a search.
pub enum ProbeEvent<'a> {
    /// A probe begins.
    Begins {
        /// Its number, from 1.
        number: u32,
        /// What it is for.
        purpose: Purpose,
        /// Its load.
        load: f64,
        /// About how long it takes, in seconds.
        length_s: f64,
        /// About how long the search goes on, in seconds.
        left_s: f64,
    },
    /// It is done.
    Done(&'a CapacityProbe),
}

/// Why a search came to nothing.
pub enum NoSearch {
    /// Its first run could not be made.
    NoRun(NoRun),
    /// A file cannot be written.
    Results(ResultsError),
}

impl From<ResultsError> for NoSearch {
    fn from(error: ResultsError) -> Self {
        Self::Results(error)
    }
}

/// Searches on from the probes so far. The summary is in its file when this
/// returns, and after every probe.
pub fn search(
    search: &Search<'_>,
    mut probes: Vec<CapacityProbe>,
    mut recovery: Option<Recovery>,
) -> Result<CapacitySummary, NoSearch> {
    let summary = |probes: &[CapacityProbe], recovery: &Option<Recovery>, ending| {
        let (about, settings) = (search.about.clone(), search.settings.clone());
        concluded(about, settings, probes.to_vec(), recovery.clone(), ending)
    };
    let ending = loop {
        if search.stop.load(Ordering::Relaxed) {
            break Ending::Interrupted;
        }
        let Step::Probe { purpose, load } = next(&search.settings, &probes) else { break Ending::Finished };
        let number = probes.iter().map(|probe| probe.number).max().unwrap_or(0) + 1;
        (search.told)(ProbeEvent::Begins {
            number,
            purpose,
            load,
            length_s: search.settings.phases(purpose, load).iter().map(|phase| phase.seconds).sum(),
            left_s: seconds_left(&search.settings, &probes),
        });
        let started = Instant::now();
        if number > 1 {
            search.idle.wait(search.stop);
        }
        let probe = match probe::make(search, number, purpose, load, started) {
            Ok((probe, found)) => {
                recovery = found.or(recovery);
                probe
            }
            Err(no_run) if search.stop.load(Ordering::Relaxed) => {
                without_run(search, number, purpose, load, Outcome::Interrupted, started, no_run)
            }
            Err(no_run) if probes.iter().all(|probe| probe.run.is_none()) => return Err(NoSearch::NoRun(no_run)),
            // A load that this machine cannot make: descriptors, memory.
            Err(no_run) if no_run.code == Some(exit_code::USAGE) => {
                without_run(search, number, purpose, load, Outcome::GeneratorLimit, started, no_run)
            }
            Err(no_run) => without_run(search, number, purpose, load, Outcome::NoRun, started, no_run),
        };
        (search.told)(ProbeEvent::Done(&probe));
        probes.push(probe);
        search.folder.write_json(SUMMARY, &summary(&probes, &recovery, Ending::UnderWay))?;
    };
    let summary = summary(&probes, &recovery, ending);
    search.folder.write_json(SUMMARY, &summary)?;
    Ok(summary)
}

fn without_run(
    search: &Search<'_>,
    number: u32,
    purpose: Purpose,
    load: f64,
    outcome: Outcome,
    started: Instant,
    no_run: NoRun,
) -> CapacityProbe {
    let [users, .., subscribers] = search.settings.population_of(load);
    CapacityProbe {
        number,
        purpose,
        load,
        rate_per_s: search.settings.rate_of(load),
        users,
        subscribers,
        outcome,
        because: no_run.said,
        took_s: started.elapsed().as_secs_f64(),
        ..CapacityProbe::default()
    }
}
