//! The next probe, by the probes so far: up in steps of 1.5 until the objective
//! fails, halve what lies between to 5 %, hold three times, overload, cost.

use super::lengths::HOLDS;
use super::summary::{CapacityProbe, Find, Outcome, Purpose, SearchSettings};

/// A coarse step.
const STEP: f64 = 1.5;
/// Halving ends where the least load that failed is so many times the highest
/// that held.
const RESOLUTION: f64 = 1.05;
/// Where a hold fails, the next is so much lower. It is a little less than a step
/// of 5 %: a hold that fails by chance, at a load that a shorter probe held, must
/// not bring the result further than 5 % below the truth. Each further step is
/// twice as long: a load far above what is kept for minutes must not take the
/// whole budget.
const BACK_OFF: f64 = 0.04;
/// The longest step.
const LONGEST_BACK_OFF: f64 = 0.16;
/// A probe that says nothing, or that failed, is made once more.
const TRIES: usize = 2;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Make a run.
    Probe {
        /// What for.
        purpose: Purpose,
        /// At which load.
        load: f64,
    },
    /// Nothing more is to be learnt, or there is no time for it.
    Done,
}

/// The next probe.
pub fn next(settings: &SearchSettings, probes: &[CapacityProbe]) -> Step {
    let state = State::new(settings, probes);
    let stuck = probes.iter().rev().take_while(|probe| probe.outcome == Outcome::NoRun).count() >= TRIES;
    if stuck || probes.iter().any(|probe| probe.outcome == Outcome::Incorrect) {
        return Step::Done;
    }
    if let Some(again) = state.once_more() {
        return again;
    }
    let search = if state.has_holds() { None } else { state.search() };
    search.or_else(|| state.confirm()).or_else(|| state.overload()).or_else(|| state.cost()).unwrap_or(Step::Done)
}

/// About how long the search goes on, in seconds: as if the next but one coarse
/// step failed, and all else held; never longer than the budget.
pub fn seconds_left(settings: &SearchSettings, probes: &[CapacityProbe]) -> f64 {
    let mut future = probes.to_vec();
    let mut left_s = 0.0;
    let mut coarse = 0;
    while let Step::Probe { purpose, load } = next(settings, &future) {
        let took_s = settings.takes_s(purpose, load, probes);
        coarse += u32::from(purpose == Purpose::Coarse);
        let outcome = if purpose == Purpose::Coarse && coarse > 1 { Outcome::Failed } else { Outcome::Held };
        let run = Some(String::new());
        future.push(CapacityProbe { purpose, load, outcome, took_s, run, ..CapacityProbe::default() });
        left_s += took_s;
    }
    left_s
}

/// What the probes so far say.
pub(super) struct State<'p> {
    settings: &'p SearchSettings,
    probes: &'p [CapacityProbe],
    left_s: f64,
}

impl<'p> State<'p> {
    pub(super) fn new(settings: &'p SearchSettings, probes: &'p [CapacityProbe]) -> Self {
        let took_s: f64 = probes.iter().map(|probe| probe.took_s).sum();
        Self { settings, probes, left_s: settings.budget_s - took_s }
    }

    fn search_probes(&self) -> impl Iterator<Item = &'p CapacityProbe> {
        self.probes.iter().filter(|probe| probe.purpose.is_search())
    }

    fn with(&self, outcome: Outcome) -> impl Iterator<Item = f64> {
        self.search_probes().filter(move |probe| probe.outcome == outcome).map(|probe| probe.load)
    }

    /// The least load that failed.
    pub(super) fn failed(&self) -> Option<f64> {
        self.with(Outcome::Failed).filter(|load| self.has_failed(*load)).min_by(f64::total_cmp)
    }

    /// Whether a load failed beyond doubt: in a hold, or twice. One failure of a
    /// short probe may be one stall of the machine.
    fn has_failed(&self, load: f64) -> bool {
        let failed = |probe: &&CapacityProbe| probe.outcome == Outcome::Failed && probe.load == load;
        let weight = |probe: &CapacityProbe| if probe.purpose == Purpose::Hold { TRIES } else { 1 };
        self.search_probes().filter(failed).map(weight).sum::<usize>() >= TRIES
    }

    /// The least load of which nothing can be said, tried again and again.
    pub(super) fn limited(&self) -> Option<f64> {
        let says_nothing = |load: &f64| self.says_nothing_at(*load) >= TRIES;
        self.with(Outcome::GeneratorLimit)
            .chain(self.with(Outcome::Unclear))
            .filter(says_nothing)
            .min_by(f64::total_cmp)
    }

    fn says_nothing_at(&self, load: f64) -> usize {
        let open = |probe: &&CapacityProbe| matches!(probe.outcome, Outcome::GeneratorLimit | Outcome::Unclear);
        self.search_probes().filter(open).filter(|probe| probe.load == load).count()
    }

    /// What must not be reached: the least load that failed or says nothing.
    fn upper(&self) -> Option<f64> {
        self.failed().into_iter().chain(self.limited()).min_by(f64::total_cmp)
    }

    /// The highest load that held below all that failed.
    pub(super) fn held(&self) -> Option<f64> {
        let upper = self.upper().unwrap_or(f64::INFINITY);
        self.with(Outcome::Held).filter(|load| *load < upper).max_by(f64::total_cmp)
    }

    fn has_holds(&self) -> bool {
        self.search_probes().any(|probe| probe.purpose == Purpose::Hold && probe.outcome != Outcome::Interrupted)
    }

    /// The load to confirm: the highest that held, or below a hold that did not.
    pub(super) fn candidate(&self) -> Option<f64> {
        let fell = self.fell();
        let candidate = match fell.first() {
            Some(least) => {
                let step = (BACK_OFF * 2f64.powi(fell.len() as i32 - 1)).min(LONGEST_BACK_OFF);
                Some(self.round(least * (1.0 - step)).min(self.round_down(*least)))
            }
            None => self.held(),
        };
        candidate.filter(|load| *load >= 1.0)
    }

    /// The loads that were not kept through a hold, ascending.
    pub(super) fn fell(&self) -> Vec<f64> {
        let holds = self.search_probes().filter(|probe| probe.purpose == Purpose::Hold);
        let fell = holds.filter(|probe| probe.outcome == Outcome::Failed || self.says_nothing_at(probe.load) >= TRIES);
        let mut loads: Vec<f64> = fell.map(|probe| probe.load).collect();
        loads.sort_by(f64::total_cmp);
        loads.dedup();
        loads
    }

    /// Holds at a load that kept the objective.
    pub(super) fn holds_at(&self, load: f64) -> impl Iterator<Item = &'p CapacityProbe> {
        let kept = move |probe: &&CapacityProbe| {
            probe.purpose == Purpose::Hold && probe.outcome == Outcome::Held && probe.load == load
        };
        self.search_probes().filter(kept)
    }

    fn probe(&self, purpose: Purpose, load: f64, reserve_s: f64) -> Option<Step> {
        let fits = self.settings.takes_s(purpose, load, self.probes) + reserve_s <= self.left_s;
        fits.then_some(Step::Probe { purpose, load })
    }

    /// A probe that said nothing, or may have met a stall, is made again.
    fn once_more(&self) -> Option<Step> {
        let last = self.probes.iter().rfind(|probe| probe.outcome != Outcome::Interrupted)?;
        let again = last.purpose.is_search()
            && match last.outcome {
                Outcome::GeneratorLimit | Outcome::Unclear => self.says_nothing_at(last.load) < TRIES,
                Outcome::Failed => !self.has_failed(last.load),
                _ => false,
            };
        self.probe(last.purpose, last.load, 0.0).filter(|_| again)
    }

    /// A load to try while it is not known between which two the capacity lies.
    fn search(&self) -> Option<Step> {
        // What comes after it must fit too.
        let takes_s = |purpose, load| self.settings.takes_s(purpose, load, self.probes);
        let holds_s = |load| f64::from(HOLDS) * takes_s(Purpose::Hold, load) + takes_s(Purpose::Overload, load);
        match (self.held(), self.upper()) {
            // The first probe is made in any case.
            (None, None) => Some(Step::Probe { purpose: Purpose::Coarse, load: self.settings.start }),
            (Some(held), None) => {
                let most = self.settings.max.unwrap_or(f64::INFINITY);
                let load = self.round(held * STEP).min(most);
                self.probe(Purpose::Coarse, load, holds_s(load)).filter(|_| load > held)
            }
            (None, Some(upper)) => {
                let load = self.round(upper / STEP).min(self.round_down(upper));
                self.probe(Purpose::Coarse, load, holds_s(load)).filter(|_| load >= 1.0)
            }
            (Some(held), Some(upper)) => {
                let load = self.round((held * upper).sqrt());
                let is_between = held < load && load < upper && upper > held * RESOLUTION;
                self.probe(Purpose::Bisect, load, holds_s(load)).filter(|_| is_between)
            }
        }
    }

    fn confirm(&self) -> Option<Step> {
        let load = self.candidate()?;
        let missing = self.holds_at(load).count() < HOLDS as usize;
        self.probe(Purpose::Hold, load, 0.0).filter(|_| missing)
    }

    fn made(&self, purpose: Purpose) -> bool {
        let says = |probe: &CapacityProbe| !matches!(probe.outcome, Outcome::Interrupted | Outcome::NoRun);
        self.probes.iter().any(|probe| probe.purpose == purpose && says(probe))
    }

    fn overload(&self) -> Option<Step> {
        let load = self.held()?.min(self.candidate()?);
        self.probe(Purpose::Overload, load, 0.0).filter(|_| !self.made(Purpose::Overload))
    }

    /// Posts and deliveries grow together, and can only be told apart where
    /// there are posts without deliveries.
    fn cost(&self) -> Option<Step> {
        let base = &self.settings.base;
        if !self.settings.observed || base.subscribers == 0 {
            return None;
        }
        let load = self.held()?.min(self.candidate()?);
        let posts = self.probe(Purpose::CostOfPosts, self.round(load / 2.0).max(1.0), 0.0);
        let sockets = self.probe(Purpose::CostOfSockets, load, 0.0);
        let posts = posts.filter(|_| !base.sends_over_sockets && !self.made(Purpose::CostOfPosts));
        posts.or(sockets.filter(|_| !self.made(Purpose::CostOfSockets)))
    }

    /// Whole users; messages a second to three digits.
    fn round(&self, load: f64) -> f64 {
        let digit = 10f64.powf(load.max(1.0).log10().floor() - 3.0);
        match self.settings.find {
            Find::Users => load.round(),
            Find::Rate => ((load / digit).round() * digit * 1e3).round() / 1e3,
        }
    }

    /// Below a load.
    fn round_down(&self, load: f64) -> f64 {
        match self.settings.find {
            Find::Users => (load - 1.0).floor(),
            Find::Rate => load * 0.999,
        }
    }
}
