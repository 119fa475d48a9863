//! Everything that runs: workers, the pacer, virtual users, retries,
//! subscribers, catch-up, the drain.
//!
//! It writes facts into `ledger`; it must not know `judge`, and so cannot
//! excuse itself.
//!
//! [`run`] is a run from the first socket to the merged facts. `orchestrator`
//! leads it through its phases, `drain` is its end; each `worker` is a thread
//! with its virtual users: a `sender` and a `subscriber` for each.

mod agenda;
mod apart;
mod api;
mod app;
mod canary;
mod cast;
mod casting;
mod catch_up;
mod ceiling;
mod chat;
mod clock;
mod closed_loop;
mod counters;
mod dial;
mod directory;
mod drain;
mod endpoint;
mod fetches;
mod final_read;
mod handshake;
mod hints;
mod http;
mod http2;
mod kept;
mod machine;
mod orchestrator;
mod outbox;
mod path;
mod patience;
mod probe;
mod recent;
mod sender;
mod setup;
mod shard;
mod share;
mod socket;
mod stamp;
mod stream;
mod subscriber;
mod telemetry;
mod timed_faults;
mod tls;
mod traversal;
mod web_socket;
mod worker;

pub use counters::Counters;
pub use machine::{available_descriptors, available_ports, raise_descriptor_limit};
pub use probe::{ProbeOptions, probe};
pub use telemetry::{Interval, Observer, Snapshot};
pub use timed_faults::Means;
pub use tls::{INSECURE, Trust};

use crate::ledger::{Latencies, Ledger, RunRecord, Spill};
use crate::model::RunId;
use crate::plan::RunPlan;
use crate::target::{Address, AddressError, TargetProfile};
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// One run to do.
pub struct Job {
    /// The plan.
    pub plan: RunPlan,
    /// What the target promises.
    pub target: TargetProfile,
    /// Where the target is.
    pub address: Address,
    /// Hosts that the user allowed by name, beside loopback and private ones.
    pub allowed_hosts: Vec<String>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The most attempts a second, retries included.
    pub ceiling_per_s: Option<f64>,
    /// Addresses of this machine that connections leave from in turn; where
    /// there are none, the system chooses.
    pub sources: Vec<IpAddr>,
    /// The 64 bits that stand in every text.
    pub run: RunId,
    /// Name of the run and of its folder.
    pub run_id: String,
    /// Wall clock at the start, RFC 3339 in UTC.
    pub started_at: String,
    /// Worker threads; at least 1.
    pub workers: usize,
    /// What the faults of the plan are done with.
    pub means: Means,
    /// Puts the proxy in the way even where no fault needs it, so that runs
    /// with and without faults compare.
    pub always_proxy: bool,
    /// The key of the signatures of what the target posts to apps.
    pub signing_secret: String,
    /// Where parts of the ledger go that are too much for the memory.
    pub spill: Arc<dyn Spill>,
    /// What a described target needs beside its profile.
    pub casting: CastingOptions,
}

/// What the user says about the users and channels of a described target. Its
/// values may be secrets, and are not shown by `Debug`.
#[derive(Clone, Default)]
pub struct CastingOptions {
    /// The values of the profile's variables, in the order of their slots.
    pub given: Vec<String>,
    /// The columns of the profile for each user, from a file; empty without one.
    pub users: Vec<Vec<String>>,
    /// Where captured values are kept, and found.
    pub kept: Option<PathBuf>,
    /// Whether the clean-up steps are made at the end.
    pub clean: bool,
}

impl fmt::Debug for CastingOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CastingOptions").field("kept", &self.kept).finish_non_exhaustive()
    }
}

/// What a run leaves.
pub struct Outcome {
    /// How it went.
    pub record: RunRecord,
    /// The ledgers of the workers, and last the one of the final reads. Not
    /// merged, so that each can be written as it is.
    pub ledgers: Vec<Ledger>,
    /// The latencies of the whole run.
    pub latencies: Latencies,
}

/// How far the user wants the run to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Not at all.
    No,
    /// Intend no more, then drain and judge.
    Intending,
    /// Leave at once.
    Now,
}

/// Why a run has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The target is not there, or does not speak the profile's wire.
    #[error("cannot reach the target at {0}")]
    Unreachable(String),
    /// Load must not go to that address.
    #[error(transparent)]
    Address(AddressError),
    /// The users and channels of a described target cannot be made.
    #[error("{0}")]
    Casting(String),
    /// The user asked twice to stop.
    #[error("left at the second signal; what was written so far can be reported")]
    Left,
    /// A part of posthaste failed.
    #[error("internal error: {0}")]
    Internal(String),
    /// The system refused something that the engine itself needs.
    #[error("the system refused a thread, a timer or a runtime: {0}")]
    System(#[from] io::Error),
}

/// Runs a job to its end. The observer is told what happens as it happens.
pub fn run(job: Job, observer: &mut dyn Observer, stop: watch::Receiver<Stop>) -> Result<Outcome, EngineError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(orchestrator::lead(job, observer, stop));
    // Lookups and files of a target that hangs must not hold the process.
    runtime.shutdown_background();
    outcome
}
