//! Leads a run through its phases and hears the workers' reports meanwhile.

use super::casting::Casting;
use super::counters::Counters;
use super::machine::Machine;
use super::shard::Shared;
use super::share::share;
use super::telemetry::{Moment, Observer, Telemetry};
use super::timed_faults::{FaultOver, Means, TimedFaults};
use super::worker::{self, Phase, Report, Start};
use super::{EngineError, Job, Outcome, Stop, drain};
use crate::ledger::{GeneratorFigures, Ledger, RunRecord, WorkerFigures};
use crate::plan::StopRule;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, watch};

/// Between the decision and the first intended message, so that every worker
/// is ready.
const START_DELAY_US: u64 = 300_000;

/// Why waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// What was waited for is there.
    Reached,
    /// The deadline passed.
    Late,
    /// The user asked to stop intending.
    Stopped,
}

/// The run's leader.
pub struct Orchestrator<'a> {
    /// What all workers know.
    pub shared: Arc<Shared>,
    /// How the run goes.
    pub record: RunRecord,
    /// Sums of the workers' reports.
    pub telemetry: Telemetry,
    /// Is told what happens.
    pub observer: &'a mut dyn Observer,
    stop: watch::Receiver<Stop>,
    phase: watch::Sender<Phase>,
    reports: mpsc::UnboundedReceiver<Report>,
    /// What faults are done with.
    pub means: Means,
    /// Those that have a time of their own.
    pub timed_faults: TimedFaults,
    /// Those that are over.
    pub faults_over: mpsc::UnboundedReceiver<FaultOver>,
    threads: Vec<JoinHandle<io::Result<()>>>,
    finished: Vec<Option<(Ledger, WorkerFigures)>>,
    machine: Machine,
    machine_sampled_us: u64,
    phase_name: &'static str,
    phase_since_us: u64,
    phase_length_us: Option<u64>,
}

/// A run from the first socket to the last.
pub async fn lead(job: Job, observer: &mut dyn Observer, stop: watch::Receiver<Stop>) -> Result<Outcome, EngineError> {
    let mut leader = prepare(job, observer, stop).await?;
    leader.connect().await?;
    leader.load().await?;
    let truth = drain::drain(&mut leader).await?;
    leader.finish(truth).await
}

/// Everything before the first subscription.
async fn prepare<'a>(
    job: Job,
    observer: &'a mut dyn Observer,
    stop: watch::Receiver<Stop>,
) -> Result<Orchestrator<'a>, EngineError> {
    let machine = Machine::watch();
    let (shared, record, means) = share(job, observer, stop.clone()).await?;
    Orchestrator::start(shared, record, observer, stop, machine, means)
}

impl<'a> Orchestrator<'a> {
    fn start(
        shared: Arc<Shared>,
        record: RunRecord,
        observer: &'a mut dyn Observer,
        stop: watch::Receiver<Stop>,
        machine: Machine,
        means: Means,
    ) -> Result<Self, EngineError> {
        let (phase, phases) = watch::channel(Phase::Connect);
        let (sender, reports) = mpsc::unbounded_channel();
        let start = |worker| {
            let (shared, phase, reports) = (shared.clone(), phases.clone(), sender.clone());
            worker::spawn(Start { worker, shared, phase, reports })
        };
        let threads = (0..shared.workers).map(start).collect::<Result<Vec<_>, _>>()?;
        // Closed until there are faults that say something.
        let (_, faults_over) = mpsc::unbounded_channel();
        let now_us = shared.clock.now_us();
        Ok(Self {
            telemetry: Telemetry::new(shared.workers, now_us, shared.plan.stop, shared.plan.measurement.lag_p99_us),
            finished: (0..shared.workers).map(|_| None).collect(),
            shared,
            record,
            observer,
            stop,
            phase,
            reports,
            means,
            timed_faults: TimedFaults::default(),
            faults_over,
            threads,
            machine,
            machine_sampled_us: 0,
            phase_name: "connect",
            phase_since_us: now_us,
            phase_length_us: None,
        })
    }

    /// µs since the start of the run.
    pub fn now_us(&self) -> u64 {
        self.shared.clock.now_us()
    }

    /// Names the phase for the reader; `length_us` where it is known.
    pub fn enter(&mut self, name: &'static str, length_us: Option<u64>) {
        let now_us = self.now_us();
        (self.phase_name, self.phase_since_us, self.phase_length_us) = (name, now_us, length_us);
        self.observer.event(now_us, "phase", json!({ "phase": name }));
    }

    /// Tells the workers.
    pub fn command(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Hears the workers until the counts satisfy the condition, the deadline
    /// passes, or the user asks to stop (which only counts where asked for).
    pub async fn wait(
        &mut self,
        deadline_us: u64,
        stoppable: bool,
        done: impl Fn(&Counters) -> bool,
    ) -> Result<Waited, EngineError> {
        loop {
            if done(&self.telemetry.total()) {
                return Ok(Waited::Reached);
            }
            if stoppable && *self.stop.borrow() > Stop::No {
                return Ok(Waited::Stopped);
            }
            if self.now_us() >= deadline_us {
                return Ok(Waited::Late);
            }
            let clock = self.shared.clock;
            tokio::select! {
                report = self.reports.recv() => self.take(report)?,
                Some(fault) = self.faults_over.recv() => self.note_fault(&fault),
                () = clock.sleep_until(deadline_us) => {}
                _ = self.stop.changed(), if self.stop.has_changed().is_ok() => self.leave_if_asked()?,
            }
            if stoppable && self.telemetry.is_failing() {
                return Ok(Waited::Stopped);
            }
        }
    }

    /// Hears the workers while other work is under way. The work must not
    /// need the orchestrator.
    pub async fn hear_during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, EngineError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                report = self.reports.recv() => self.take(report)?,
                Some(fault) = self.faults_over.recv() => self.note_fault(&fault),
                _ = self.stop.changed(), if self.stop.has_changed().is_ok() => self.leave_if_asked()?,
            }
        }
    }

    fn leave_if_asked(&self) -> Result<(), EngineError> {
        if *self.stop.borrow() == Stop::Now { Err(EngineError::Left) } else { Ok(()) }
    }

    fn take(&mut self, report: Option<Report>) -> Result<(), EngineError> {
        let Some(report) = report else {
            return Err(EngineError::Internal(self.why_workers_ended()));
        };
        match report {
            Report::Finished { worker, ledger, figures, notes } => {
                for note in notes {
                    self.observer.event(self.now_us(), "ledger", json!({ "worker": worker, "note": note }));
                    self.record.notes.push(note);
                }
                self.finished[worker] = Some((*ledger, figures));
            }
            Report::Checkpoint { worker, piece } => {
                if piece.ends {
                    self.record.ended_us = self.now_us();
                    self.record.generator = self.machine.figures();
                    self.observer.record(&self.record);
                }
                self.observer.checkpoint(worker, &piece);
            }
            tick => {
                self.telemetry.take(tick);
                self.end_interval(false);
                let figures = self.machine.figures();
                let snapshot = self.telemetry.snapshot(&self.moment(&figures));
                self.observer.snapshot(&snapshot);
            }
        }
        Ok(())
    }

    fn moment<'p>(&self, machine: &'p GeneratorFigures) -> Moment<'p> {
        Moment {
            now_us: self.now_us(),
            phase: self.phase_name,
            since_us: self.phase_since_us,
            length_us: self.phase_length_us,
            subscribers: u64::from(self.shared.plan.population.subscribers),
            excused: self.is_excused(),
            machine,
        }
    }

    /// Whether a fault of the plan may have sends fail now, or had a second ago.
    fn is_excused(&self) -> bool {
        let since_us = self.now_us().saturating_sub(self.record.load_start_us);
        let (from_us, processes) = (since_us.saturating_sub(1_000_000), self.means.processes.len() as u64);
        self.record.load_start_us > 0 && self.shared.plan.excuses_failures(from_us, since_us, processes)
    }

    fn end_interval(&mut self, always: bool) {
        let now_us = self.now_us();
        if always || now_us >= self.machine_sampled_us + 1_000_000 {
            self.machine_sampled_us = now_us;
            self.machine.sample(now_us, self.telemetry.total().exhausted);
        }
        let figures = self.machine.figures();
        let moment = self.moment(&figures);
        self.telemetry.end_interval(&moment, always, self.observer);
    }

    /// Every subscriber connects before the first message is intended.
    async fn connect(&mut self) -> Result<(), EngineError> {
        let subscribers = u64::from(self.shared.plan.population.subscribers);
        let connect = self.shared.plan.connect;
        let opening_us = (subscribers as f64 / connect.rate_per_s * 1e6) as u64;
        self.enter("connect", Some(opening_us));
        let deadline_us = self.now_us() + opening_us + 2 * connect.timeout_us;
        let waited = self.wait(deadline_us, true, |total| total.ever_connected == subscribers).await?;
        let connected = self.telemetry.total().ever_connected;
        if connected < subscribers && waited == Waited::Late {
            let trouble = self.telemetry.trouble.clone().unwrap_or_else(|| "no reason given".to_owned());
            if connected == 0 {
                let url = self.shared.address.url();
                return Err(EngineError::Unreachable(format!("{url}: no subscription could be opened: {trouble}")));
            }
            let late = json!({ "connected": connected, "of": subscribers, "trouble": trouble });
            self.observer.event(self.shared.clock.now_us(), "late_subscribers", late);
        }
        Ok(())
    }

    /// The schedule, from its first message to its last.
    async fn load(&mut self) -> Result<(), EngineError> {
        if *self.stop.borrow() > Stop::No {
            self.record.interrupted = true;
            self.command(Phase::Finish);
            return Ok(());
        }
        let length_us = self.shared.plan.arrival.duration_us();
        let start_us = self.now_us() + START_DELAY_US;
        self.record.load_start_us = start_us;
        self.observer.record(&self.record);
        self.command(Phase::Load(start_us));
        self.start_faults(start_us)?;
        self.enter("load", Some(length_us + START_DELAY_US));
        // A worker that cannot keep up intends late; it gets time to.
        let deadline_us = start_us + length_us + length_us.max(10_000_000);
        // The first ticks may be older than the load.
        let scheduled_until_us = start_us + length_us;
        let waited = match self.wait(scheduled_until_us, true, |_| false).await? {
            Waited::Late => self.wait(deadline_us, true, |total| total.intending == 0).await?,
            stopped => stopped,
        };
        let now_us = self.now_us();
        self.record.load_end_us = scheduled_until_us.min(now_us);
        if self.telemetry.is_failing() {
            let StopRule { failed_share, failed_for_us } = self.shared.plan.stop;
            let reason = format!(
                "more than {:.0} % of all sends failed for {:.0} s, outside the faults of the workload \
                 (stop.failed_share, stop.failed_for)",
                failed_share * 100.0,
                failed_for_us as f64 / 1e6
            );
            self.observer.event(now_us, "stopped", json!({ "reason": reason }));
            self.record.stopped = Some(reason);
        } else if waited == Waited::Stopped {
            self.record.interrupted = true;
            self.observer.event(now_us, "interrupted", json!({}));
        }
        self.command(Phase::Finish);
        Ok(())
    }

    /// Ends the workers and takes their ledgers.
    pub async fn end_workers(&mut self) -> Result<Vec<Ledger>, EngineError> {
        self.command(Phase::End);
        while self.finished.iter().any(Option::is_none) {
            let report = tokio::time::timeout(std::time::Duration::from_secs(30), self.reports.recv()).await;
            self.take(report.map_err(|_| EngineError::Internal("a worker does not end".to_owned()))?)?;
        }
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| EngineError::Internal("a worker panicked".to_owned()))??;
        }
        let (ledgers, figures): (Vec<_>, Vec<_>) = self.finished.drain(..).flatten().unzip();
        for worker in &figures {
            for (record, seen) in self.record.faults.iter_mut().zip(&worker.faults) {
                record.merge(seen);
            }
        }
        self.note_dropped_answers();
        self.end_interval(true);
        self.record.generator = self.machine.figures();
        self.record.generator.workers = figures;
        self.record.generator.exhausted = self.telemetry.total().exhausted;
        self.record.generator.bad.lagging = std::mem::take(&mut self.telemetry.lagging_at_us);
        self.record.generator.histogram_errors = self.telemetry.latencies.errors();
        Ok(ledgers)
    }

    async fn finish(mut self, truth: drain::Truth) -> Result<Outcome, EngineError> {
        self.record.ended_us = self.now_us();
        self.record.killed = false;
        self.observer.event(self.record.ended_us, "end", json!({}));
        self.clean_up().await?;
        let mut ledgers = truth.shards;
        ledgers.push(truth.reads);
        Ok(Outcome { record: self.record, ledgers, latencies: self.telemetry.latencies })
    }

    /// The clean-up steps of a profile, where the user wants them.
    async fn clean_up(&mut self) -> Result<(), EngineError> {
        let (shared, Some(cast)) = (self.shared.clone(), self.shared.cast.clone()) else { return Ok(()) };
        if !shared.clean {
            return Ok(());
        }
        let api = shared.api().map_err(|error| EngineError::Internal(error.to_string()))?;
        let progress = |_: &str, _: usize, _: usize| {};
        let casting =
            Casting { api: &api, plan: &shared.plan, roster: &shared.roster, kept: None, progress: &progress };
        let failures = casting.clean(&cast).await;
        let first = failures.first().cloned();
        self.observer.event(shared.clock.now_us(), "clean_up", json!({ "failed": failures.len(), "first": first }));
        if let Some(first) = first {
            self.record.notes.push(format!("{} clean-up steps failed; the first: {first}", failures.len()));
        }
        Ok(())
    }

    fn why_workers_ended(&mut self) -> String {
        let mut reasons = Vec::new();
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => reasons.push(error.to_string()),
                Err(_) => reasons.push("a worker panicked".to_owned()),
            }
        }
        if reasons.is_empty() { "the workers ended early".to_owned() } else { reasons.join("; ") }
    }
}
