//! One worker: a thread with its own single-threaded runtime, its own virtual
//! users and its own ledger. It shares nothing that changes with the others;
//! it is told the phase of the run and reports by messages.

use super::agenda::Agenda;
use super::canary;
use super::clock::thread_cpu_us;
use super::closed_loop;
use super::counters::Counters;
use super::endpoint::Endpoint;
use super::sender::Senders;
use super::shard::{Shard, Shared};
use super::subscriber::Subscriber;
use crate::ledger::{Latencies, Ledger, LedgerPiece, RunSet, SubscriberLog, WorkerFigures};
use crate::plan::{ArrivalSchedule, ReceiveDesign};
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

/// How often a worker reports.
const TICK: Duration = Duration::from_millis(250);

/// How often a worker's ledger is copied at most.
const CHECKPOINT_US: u64 = 3_000_000;

/// What the run is doing, as the workers are told.
#[derive(Clone, Debug)]
pub enum Phase {
    /// Subscribers connect.
    Connect,
    /// Messages are intended from this time on, in µs since the start of the
    /// run.
    Load(u64),
    /// No further message is intended; what is pending finishes.
    Finish,
    /// Subscribers catch up with these stored messages, by channel.
    Drain(Arc<Vec<RunSet>>),
    /// Everything ends.
    End,
}

/// What a worker tells the orchestrator.
pub enum Report {
    /// Counts so far, and the latencies since the last report.
    Tick {
        /// Which worker.
        worker: usize,
        /// Counts since the start.
        counters: Counters,
        /// Latencies since the last tick.
        latencies: Box<Latencies>,
        /// The latest trouble of its subscribers, in words.
        trouble: Option<String>,
        /// Takes the histograms back, empty.
        back: std::sync::mpsc::Sender<Box<Latencies>>,
    },
    /// A piece of a checkpoint: of the ledger as it was over the last seconds.
    Checkpoint {
        /// Which worker.
        worker: usize,
        /// What follows its last piece.
        piece: LedgerPiece,
    },
    /// The worker has ended.
    Finished {
        /// Which worker.
        worker: usize,
        /// Its ledger.
        ledger: Box<Ledger>,
        /// Its figures.
        figures: WorkerFigures,
        /// What a reader of the results must know about its ledger.
        notes: Vec<String>,
    },
}

/// What a worker is started with.
pub struct Start {
    /// Its rank.
    pub worker: usize,
    /// What all workers know.
    pub shared: Arc<Shared>,
    /// The phase of the run.
    pub phase: watch::Receiver<Phase>,
    /// To the orchestrator.
    pub reports: mpsc::UnboundedSender<Report>,
}

/// Starts the worker's thread.
pub fn spawn(start: Start) -> io::Result<std::thread::JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(format!("worker-{}", start.worker)).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        local.block_on(&runtime, work(start))
    })
}

async fn work(start: Start) -> io::Result<()> {
    let Start { worker, shared, mut phase, reports } = start;
    let api = shared.api().map_err(io::Error::other)?;
    let shard = Rc::new(Shard::new(shared, api));
    shard.count(|counters| counters.intending = 1);
    if shard.plan().receive.design == ReceiveDesign::Webhook {
        shard.endpoint.replace(Some(Endpoint::start(&shard).await?));
    }
    let subscribers = start_subscribers(&shard, worker, &phase);
    let figures = Rc::new(RefCell::new(WorkerFigures::default()));
    let ticks = Rc::new(Ticks::new(worker, reports.clone()));
    let ticking = tokio::task::spawn_local(tick(shard.clone(), ticks.clone()));
    let checkpoints = tokio::task::spawn_local(checkpoint(shard.clone(), worker, reports.clone()));

    let _ = phase.wait_for(|phase| !matches!(phase, Phase::Connect)).await;
    let load = match *phase.borrow() {
        Phase::Load(start_us) => Some(start_us),
        _ => None,
    };
    if let Some(start_us) = load {
        shard.load_start_us.set(start_us);
        let watch = canary::watch(&shard, &figures)?;
        let (cpu_us, began_us) = (thread_cpu_us(), shard.now_us());
        tokio::select! {
            paced = intend_all(&shard, worker) => paced?,
            _ = phase.wait_for(|phase| !matches!(phase, Phase::Load(_))) => {}
        }
        watch.end();
        let mut figures = figures.borrow_mut();
        figures.cpu_us = thread_cpu_us() - cpu_us;
        figures.wall_us = shard.now_us() - began_us;
    }
    shard.count(|counters| counters.intending = 0);

    let _ = phase.wait_for(|phase| matches!(phase, Phase::End)).await;
    for subscriber in subscribers {
        let _ = subscriber.await;
    }
    checkpoints.abort();
    ticking.abort();
    let _ = ticking.await;
    ticks.report(&shard);
    let mut figures = figures.borrow().clone();
    let counters = *shard.counters.borrow();
    (figures.taps, figures.answer_bytes, figures.frame_bytes) =
        (counters.taps, counters.answer_bytes, counters.frame_bytes);
    figures.apps = *shard.app_figures.borrow();
    figures.hints = shard.hints.figures.get();
    figures.faults.clone_from(&shard.faults.borrow());
    // Tasks of senders may still hold the shard; what they know is in it.
    let notes = shard.take_notes();
    let ledger = Box::new(shard.take_ledger());
    let _ = reports.send(Report::Finished { worker, ledger, figures, notes });
    Ok(())
}

/// Starts a task for each subscriber of this worker. Together, the workers
/// open connections at the plan's rate.
fn start_subscribers(
    shard: &Rc<Shard>,
    worker: usize,
    phase: &watch::Receiver<Phase>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let gap_us = 1_000_000.0 / shard.plan().connect.rate_per_s;
    let now_us = shard.now_us();
    let roster = &shard.shared.roster;
    let mut tasks = Vec::new();
    for (rank, user) in roster.subscribers().enumerate() {
        if user.0 as usize % shard.shared.workers != worker {
            continue;
        }
        let log = Rc::new(RefCell::new(SubscriberLog::new(user, roster.channels(user).iter().copied())));
        shard.logs.borrow_mut().push(log.clone());
        let described = shard.shared.target.described.as_ref();
        let confirmed_later = described.is_some_and(|described| described.send.confirms_later());
        if shard.plan().send.design.is_over_socket() || shard.plan().hints.any() || confirmed_later {
            shard.outboxes.borrow_mut().insert(user, Rc::default());
        }
        let subscriber = Subscriber::new(shard.clone(), user, log, phase.clone());
        tasks.push(tokio::task::spawn_local(subscriber.run(now_us + (rank as f64 * gap_us) as u64)));
    }
    tasks
}

async fn intend_all(shard: &Rc<Shard>, worker: usize) -> io::Result<()> {
    match shard.plan().arrival.is_closed() {
        true => closed_loop::run(shard, worker).await,
        false => pace(shard, worker).await,
    }
}

/// Intends every message of the worker's users at its time, and whatever else
/// they do, until the schedule ends.
async fn pace(shard: &Rc<Shard>, worker: usize) -> io::Result<()> {
    let timer = shard.timer()?;
    let senders = Senders::new(shard.shared.workers);
    let schedule = ArrivalSchedule::new(shard.shared.plan.clone(), shard.shared.roster.clone());
    let start_us = shard.load_start_us.get();
    let mut agenda = Agenda::new(shard, worker);
    for intended in schedule {
        if intended.user.0 as usize % shard.shared.workers != worker {
            continue;
        }
        let at_us = start_us + intended.intended_us;
        agenda.follow_until(shard, &senders, &timer, at_us).await?;
        if shard.now_us() < at_us {
            timer.sleep_until(at_us).await?;
        } else {
            // Behind schedule: the sends that are due get their turn too.
            tokio::task::consume_budget().await;
        }
        let row = senders.intend(shard, &intended);
        agenda.put_changes(shard, &intended, row);
    }
    agenda.follow_until(shard, &senders, &timer, u64::MAX).await
}

async fn tick(shard: Rc<Shard>, ticks: Rc<Ticks>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        ticks.report(&shard);
    }
}

/// What a worker says at each tick, in histograms that come back: new ones are much
/// memory to be zeroed, while its users wait.
struct Ticks {
    worker: usize,
    reports: mpsc::UnboundedSender<Report>,
    back: std::sync::mpsc::Sender<Box<Latencies>>,
    empty: std::sync::mpsc::Receiver<Box<Latencies>>,
}

impl Ticks {
    fn new(worker: usize, reports: mpsc::UnboundedSender<Report>) -> Self {
        let (back, empty) = std::sync::mpsc::channel();
        Self { worker, reports, back, empty }
    }

    fn report(&self, shard: &Shard) {
        let mut latencies = self.empty.try_recv().unwrap_or_default();
        std::mem::swap(&mut *latencies, &mut shard.latencies.borrow_mut());
        let counters = *shard.counters.borrow();
        let (trouble, back) = (shard.trouble.take(), self.back.clone());
        let _ = self.reports.send(Report::Tick { worker: self.worker, counters, latencies, trouble, back });
    }
}

/// Copies the ledger every few seconds, and never spends more than a fiftieth
/// of the time on it.
async fn checkpoint(shard: Rc<Shard>, worker: usize, reports: mpsc::UnboundedSender<Report>) {
    let mut pause_us = CHECKPOINT_US;
    loop {
        tokio::time::sleep(Duration::from_micros(pause_us)).await;
        shard.keep_within_cap();
        // Nobody takes it where the run has ended.
        let spent_us = shard.checkpoint(|piece| _ = reports.send(Report::Checkpoint { worker, piece })).await;
        pause_us = CHECKPOINT_US.max(50 * spent_us);
    }
}
