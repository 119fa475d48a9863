//! The faults of the plan that touch the target, its store or the path to it:
//! each has a thread of its own that begins and ends it at its times, because
//! starting a process takes a while.

use super::EngineError;
use super::clock::RunClock;
use super::orchestrator::Orchestrator;
use crate::faults::{FaultProxy, ServerProcess, SharedProcess};
use crate::ledger::FaultRecord;
use crate::model::Random;
use crate::plan::{FAULT_JITTER_US, Fault, FaultKind, RunPlan, Touches};
use serde_json::json;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a fault lasts at least that has no length.
const AT_ONCE_US: u64 = 100_000;

/// What faults are done with.
#[derive(Clone, Default)]
pub struct Means {
    /// The target's processes, where posthaste started them.
    pub processes: Vec<SharedProcess>,
    /// The file while which exists the built-in server's store refuses writes.
    pub store_fails_while: Option<PathBuf>,
    /// The proxy between the clients and the target, where a fault needs it.
    pub proxy: Option<Arc<FaultProxy>>,
}

/// A fault that is over.
pub struct FaultOver {
    /// Its rank in the plan.
    pub rank: usize,
    /// When it was.
    pub record: FaultRecord,
    /// Why it could not be done as it should.
    pub failure: Option<String>,
}

/// The threads. Dropping it cuts short what they wait for: a fault that is
/// under way heals, later ones do not begin.
#[derive(Default)]
pub struct TimedFaults {
    threads: Vec<(std_mpsc::Sender<()>, JoinHandle<()>)>,
}

/// What a thread works with.
struct Doer {
    rank: usize,
    fault: Fault,
    plan: Arc<RunPlan>,
    means: Means,
    clock: RunClock,
    end: std_mpsc::Receiver<()>,
}

impl TimedFaults {
    /// Starts a thread for each such fault of the plan.
    pub fn start(
        plan: &Arc<RunPlan>,
        load_start_us: u64,
        means: &Means,
        clock: RunClock,
        reports: &mpsc::UnboundedSender<FaultOver>,
    ) -> io::Result<Self> {
        let mut faults = Self::default();
        for (rank, fault) in plan.faults.iter().enumerate() {
            if matches!(fault.kind.touches(), Touches::Subscribers | Touches::Messages) {
                continue;
            }
            let jitter_us = Random::new(plan.seed, "fault-moment").split(rank as u64).below(FAULT_JITTER_US);
            let at_us = load_start_us + fault.at_us + jitter_us;
            let (cut_short, end) = std_mpsc::channel();
            let doer = Doer { rank, fault: fault.clone(), plan: plan.clone(), means: means.clone(), clock, end };
            let reports = reports.clone();
            let thread = std::thread::Builder::new().name(format!("fault-{rank}")).spawn(move || {
                if doer.wait(at_us.saturating_sub(clock.now_us())) {
                    // Who hears no more has left.
                    let _ = reports.send(doer.act());
                }
            })?;
            faults.threads.push((cut_short, thread));
        }
        Ok(faults)
    }

    /// Heals what is under way, and returns when that is done.
    pub fn heal(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let threads: Vec<JoinHandle<()>> = self.threads.drain(..).map(|(_, thread)| thread).collect();
        for thread in threads {
            let _ = thread.join();
        }
    }
}

impl Drop for TimedFaults {
    fn drop(&mut self) {
        self.end();
    }
}

impl Orchestrator<'_> {
    /// Begins the faults of the plan that have a time of their own.
    pub fn start_faults(&mut self, load_start_us: u64) -> Result<(), EngineError> {
        let (over, faults_over) = mpsc::unbounded_channel();
        self.faults_over = faults_over;
        let shared = &self.shared;
        self.timed_faults = TimedFaults::start(&shared.plan, load_start_us, &self.means, shared.clock, &over)?;
        Ok(())
    }

    /// Heals the faults that are under way; later ones do not begin.
    pub async fn heal_faults(&mut self) -> Result<(), EngineError> {
        let faults = std::mem::take(&mut self.timed_faults);
        let healing = tokio::task::spawn_blocking(move || faults.heal());
        let _ = self.hear_during(healing).await?;
        while let Ok(fault) = self.faults_over.try_recv() {
            self.note_fault(&fault);
        }
        Ok(())
    }

    /// Takes what the proxy did for the faults that the senders asked it for.
    pub fn note_dropped_answers(&mut self) {
        let Some(proxy) = &self.means.proxy else { return };
        let faults = self.shared.plan.faults.iter().enumerate();
        for (rank, _) in faults.filter(|(_, fault)| fault.kind == FaultKind::DropAck) {
            self.record.faults[rank].merge(&super::path::record(proxy, rank, self.shared.clock));
        }
    }

    /// Notes a fault that is over.
    pub fn note_fault(&mut self, fault: &FaultOver) {
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
            "touched": fault.record.touched,
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

    fn act(&self) -> FaultOver {
        let fired_us = self.clock.now_us();
        let done = match self.fault.kind.touches() {
            Touches::Process => self.act_on_processes(),
            Touches::Store => self.act_on_store().map(|()| 1),
            _ => {
                let record = self.act_on_path();
                return FaultOver { rank: self.rank, record, failure: None };
            }
        };
        let healed_us = Some(self.clock.now_us());
        let touched = *done.as_ref().unwrap_or(&1);
        let record = FaultRecord { fired_us: Some(fired_us), healed_us, touched };
        FaultOver { rank: self.rank, record, failure: done.err().map(|error| error.to_string()) }
    }

    /// Gives how many processes it touched.
    fn act_on_processes(&self) -> io::Result<u64> {
        let all = &self.means.processes;
        if all.is_empty() {
            return Err(io::Error::other("posthaste did not start the target"));
        }
        if self.fault.kind == FaultKind::Deploy {
            // One is there again before the next one ends.
            for process in all {
                self.replace(lock(process))?;
            }
            return Ok(all.len() as u64);
        }
        let chosen = Random::new(self.plan.seed, "fault-process").split(self.rank as u64).below(all.len() as u64);
        self.act_on_process(lock(&all[chosen as usize]))?;
        Ok(1)
    }

    fn replace(&self, mut process: MutexGuard<'_, ServerProcess>) -> io::Result<()> {
        process.end()?;
        self.wait(self.fault.for_us);
        process.restart()
    }

    fn act_on_process(&self, mut process: MutexGuard<'_, ServerProcess>) -> io::Result<()> {
        if self.fault.kind != FaultKind::Crash {
            process.pause()?;
            self.wait(self.fault.for_us);
            return process.resume();
        }
        if self.fault.settings.stall_us > 0 {
            process.pause()?;
            self.wait(self.fault.settings.stall_us);
        }
        process.kill()?;
        self.wait(self.fault.for_us);
        process.restart()
    }

    fn act_on_store(&self) -> io::Result<()> {
        let settings = &self.fault.settings;
        if !settings.begin.is_empty() {
            run(&settings.begin)?;
            self.wait(self.fault.for_us);
            return run(&settings.end);
        }
        let Some(path) = &self.means.store_fails_while else {
            return Err(io::Error::other("without begin and end it needs the built-in server"));
        };
        std::fs::write(path, [])?;
        self.wait(self.fault.for_us);
        std::fs::remove_file(path)
    }

    fn act_on_path(&self) -> FaultRecord {
        let Some(proxy) = &self.means.proxy else { return FaultRecord::default() };
        let (effect, scope) = super::path::effect(&self.plan, self.rank);
        proxy.begin(self.rank, effect, scope);
        // What happens at once needs a moment all the same.
        self.wait(self.fault.for_us.max(AT_ONCE_US));
        proxy.end(self.rank);
        let record = super::path::record(proxy, self.rank, self.clock);
        FaultRecord { healed_us: record.fired_us.map(|_| self.clock.now_us()), ..record }
    }
}

fn lock(process: &SharedProcess) -> MutexGuard<'_, ServerProcess> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a command of the workload to its end: a program with its arguments,
/// read by no shell.
fn run(words: &[String]) -> io::Result<()> {
    let Some((program, args)) = words.split_first() else { return Ok(()) };
    let ran = Command::new(program).args(args).stdin(Stdio::null()).stdout(Stdio::null()).output();
    let ran = ran.map_err(|error| io::Error::other(format!("{program}: {error}")))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(io::Error::other(format!("{program} ended with {}: {}", ran.status, said.trim())))
}
