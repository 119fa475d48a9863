//! The faults of the plan that touch the target's process: a thread of their
//! own does them at their times, because starting a process takes a while.

use super::EngineError;
use super::clock::RunClock;
use super::orchestrator::Orchestrator;
use crate::faults::ServerProcess;
use crate::ledger::FaultRecord;
use crate::model::Random;
use crate::plan::{FaultKind, RunPlan, Touches};
use serde_json::json;
use std::io;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// The target's process, where posthaste started it.
pub type SharedProcess = Arc<Mutex<ServerProcess>>;

/// A fault that touched the target's process, and is over.
pub struct ProcessFault {
    /// Its rank in the plan.
    pub rank: usize,
    /// When it was.
    pub record: FaultRecord,
    /// Why it could not be done as it should.
    pub failure: Option<String>,
}

/// The thread. Dropping it cuts short what it waits for: a fault that is under
/// way heals, later ones do not begin.
pub struct ProcessFaults {
    cut_short: Option<std_mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
struct Doer {
    process: SharedProcess,
    clock: RunClock,
    end: std_mpsc::Receiver<()>,
}

impl ProcessFaults {
    /// Starts the thread, if the plan has such faults.
    pub fn start(
        plan: &RunPlan,
        load_start_us: u64,
        process: &SharedProcess,
        clock: RunClock,
        reports: mpsc::UnboundedSender<ProcessFault>,
    ) -> io::Result<Option<Self>> {
        let of_process = plan.faults.iter().enumerate().filter(|(_, fault)| fault.kind.touches() == Touches::Process);
        let mut due: Vec<(u64, usize, FaultKind, u64)> = of_process
            .map(|(rank, fault)| {
                // Not at a fixed distance to the requests.
                let jitter_us = Random::new(plan.seed, "fault-moment").split(rank as u64).below(50_000);
                (load_start_us + fault.at_us + jitter_us, rank, fault.kind, fault.for_us)
            })
            .collect();
        if due.is_empty() {
            return Ok(None);
        }
        due.sort_unstable_by_key(|(at_us, rank, ..)| (*at_us, *rank));
        let (cut_short, end) = std_mpsc::channel();
        let doer = Doer { process: process.clone(), clock, end };
        let thread = std::thread::Builder::new().name("faults".to_owned()).spawn(move || {
            for (at_us, rank, kind, for_us) in due {
                if !doer.wait(at_us.saturating_sub(doer.clock.now_us())) {
                    return;
                }
                let fired_us = doer.clock.now_us();
                let done = doer.act(kind, for_us);
                let record = FaultRecord { fired_us: Some(fired_us), healed_us: Some(doer.clock.now_us()), touched: 1 };
                let _ = reports.send(ProcessFault { rank, record, failure: done.err().map(|error| error.to_string()) });
            }
        })?;
        Ok(Some(Self { cut_short: Some(cut_short), thread: Some(thread) }))
    }

    /// Heals what is under way, and returns when that is done.
    pub fn heal(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.cut_short.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for ProcessFaults {
    fn drop(&mut self) {
        self.end();
    }
}

impl Orchestrator<'_> {
    /// Begins the faults of the plan that touch the target's process.
    pub fn start_process_faults(&mut self, load_start_us: u64) -> Result<(), EngineError> {
        if let Some(process) = &self.process {
            let (over, faults_over) = mpsc::unbounded_channel();
            self.faults_over = faults_over;
            let shared = &self.shared;
            self.process_faults = ProcessFaults::start(&shared.plan, load_start_us, process, shared.clock, over)?;
        }
        Ok(())
    }

    /// Heals the faults that are under way; later ones do not begin.
    pub async fn heal_faults(&mut self) -> Result<(), EngineError> {
        let Some(faults) = self.process_faults.take() else { return Ok(()) };
        let healing = tokio::task::spawn_blocking(move || faults.heal());
        let _ = self.hear_during(healing).await?;
        while let Ok(fault) = self.faults_over.try_recv() {
            self.note_fault(&fault);
        }
        Ok(())
    }

    /// Notes a fault that is over.
    pub fn note_fault(&mut self, fault: &ProcessFault) {
        let kind = self.shared.plan.faults[fault.rank].kind.name();
        if let Some(reason) = &fault.failure {
            self.record.drain.failures.push(format!("the fault {kind} could not be done as it should: {reason}"));
        }
        if let Some(record) = self.record.faults.get_mut(fault.rank) {
            record.merge(&fault.record);
        }
        let about = json!({
            "fault": kind,
            "fired_us": fault.record.fired_us,
            "healed_us": fault.record.healed_us,
            "failure": fault.failure,
        });
        self.observer.event(self.shared.clock.now_us(), "fault", about);
    }
}

impl Doer {
    /// Waits; false where the faults are over.
    fn wait(&self, wait_us: u64) -> bool {
        self.end.recv_timeout(Duration::from_micros(wait_us)) == Err(std_mpsc::RecvTimeoutError::Timeout)
    }

    fn act(&self, kind: FaultKind, for_us: u64) -> io::Result<()> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        match kind {
            FaultKind::Crash => {
                process.kill()?;
                self.wait(for_us);
                process.restart()
            }
            FaultKind::Deploy => {
                process.end()?;
                self.wait(for_us);
                process.restart()
            }
            FaultKind::Pause => {
                process.pause()?;
                self.wait(for_us);
                process.resume()
            }
            FaultKind::Disconnect | FaultKind::Hedge | FaultKind::Handoff | FaultKind::SlowReader => Ok(()),
        }
    }
}
