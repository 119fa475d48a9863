//! One run against a null server of its own.

use super::{Bench, SelfCheckError};
use crate::engine::{self, CastingOptions, Interval, Job, Means, Observer, Snapshot, Trust};
use crate::faults::{ProcessCommand, ServerProcess};
use crate::judge::{Input, RunSummary, TimedLatencies, judge};
use crate::ledger::{Latencies, Ledger, LedgerPiece, NoSpill, RunRecord};
use crate::model::RunId;
use crate::plan::profile::load;
use crate::server::NullStamps;
use crate::target::{Address, TargetProfile};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How the run is loaded, and what the server does.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// On acknowledgement and fan-out alike.
    pub(super) delay: Duration,
    /// Messages a second, evenly.
    pub(super) rate_per_s: f64,
    /// Users who send.
    pub(super) senders: u32,
    /// Users who listen, each to one channel.
    pub(super) subscribers: u32,
    /// How long messages are intended.
    pub(super) length: Duration,
    /// When the server stands still, and for how long.
    pub(super) stall: Option<(Duration, Duration)>,
}

/// What it came to.
pub(super) struct NullRun {
    /// As posthaste reports it.
    pub(super) summary: RunSummary,
    /// The latencies.
    pub(super) latencies: Latencies,
    /// What the server stamped.
    pub(super) stamps: NullStamps,
}

/// Subscribers of a channel: a post is pushed to so many.
const FAN_OUT: u32 = 5;
/// Senders for each message that is under way, so that hardly any waits for the
/// one before it of its user: that wait is no delay of the server.
const SENDERS_EACH: f64 = 20.0;

impl Setting {
    /// A second of a rate under a delay.
    pub(super) fn of(delay: Duration, rate_per_s: f64, subscribers: u32) -> Self {
        let under_way = rate_per_s * delay.as_secs_f64();
        // Each channel has one: with fewer, a post would be pushed to more.
        let senders = ((under_way * SENDERS_EACH).clamp(50.0, 2_000.0) as u32).max(subscribers / FAN_OUT);
        Self { delay, rate_per_s, senders, subscribers, length: Duration::from_secs(1), stall: None }
    }

    fn workload(&self) -> String {
        let channels = (self.subscribers / FAN_OUT).clamp(1, self.senders.max(1));
        let users = self.senders + self.subscribers;
        let stall = self.stall.map_or_else(String::new, |(at, length)| {
            format!("[[faults]]\nkind = \"pause\"\nat = \"{}us\"\nfor = \"{}us\"\n", at.as_micros(), length.as_micros())
        });
        format!(
            "name = \"self-check\"\nseed = 7\nthresholds = []\n\
             [population]\nusers = {users}\nchannels = {channels}\nmembers = {}\nsenders = {}\nsubscribers = {}\n\
             [arrival]\nprocess = \"constant\"\nrate = {:?}\nduration = \"{}us\"\n\
             [send]\nattempts = 1\ntimeout = \"30s\"\nidle_timeout = \"60s\"\n\
             [connect]\nrate = 10000\ntimeout = \"20s\"\n\
             [drain]\nquiet = \"{}us\"\ndeadline = \"20s\"\n{stall}",
            users.div_ceil(channels),
            self.senders,
            self.subscribers,
            self.rate_per_s,
            self.length.as_micros(),
            self.delay.as_micros() + 50_000,
        )
    }
}

/// Makes it.
pub(super) fn make(bench: &Bench<'_>, setting: &Setting) -> Result<NullRun, SelfCheckError> {
    let target = TargetProfile::parse(include_str!("null.toml"), "null.toml");
    let target = target.map_err(|error| SelfCheckError::Plan(error.to_string()))?;
    let plan = load(&setting.workload(), "self-check.toml", &[], target.capabilities.clone(), "null");
    let plan = plan.map_err(|error| SelfCheckError::Plan(error.to_string()))?.plan;
    let stamps = bench.folder.join("stamps.json");
    let server = start(bench, setting)?;
    let address = Address::parse(server.url()).map_err(|error| SelfCheckError::Plan(error.to_string()))?;
    let process = Arc::new(Mutex::new(server));
    let number = RunId(uuid::Uuid::new_v4().as_u64_pair().0);
    let job = Job {
        plan: plan.clone(),
        target,
        address,
        allowed_hosts: Vec::new(),
        trust: Trust::default(),
        ceiling_per_s: None,
        sources: Vec::new(),
        run: number,
        run_id: "self-check".to_owned(),
        started_at: jiff::Timestamp::now().to_string(),
        workers: bench.workers,
        means: Means { processes: vec![process.clone()], store_fails_while: None, proxy: None },
        always_proxy: false,
        signing_secret: String::new(),
        spill: Arc::new(NoSpill),
        casting: CastingOptions::default(),
    };
    let outcome = engine::run(job, &mut Deaf, bench.stop.clone());
    // The engine has let go of it.
    if let Some(process) = Arc::into_inner(process) {
        process.into_inner().unwrap_or_else(PoisonError::into_inner).stop();
    }
    let outcome = outcome?;
    let stamps = serde_json::from_str(&std::fs::read_to_string(stamps)?).map_err(io::Error::other)?;
    let ledger = outcome.ledgers.into_iter().fold(Ledger::default(), Ledger::merge);
    let timed = TimedLatencies::default();
    let input =
        Input { plan: &plan, record: &outcome.record, ledger: &ledger, latencies: &outcome.latencies, timed: &timed };
    Ok(NullRun { summary: judge(&input), latencies: outcome.latencies, stamps })
}

fn start(bench: &Bench<'_>, setting: &Setting) -> io::Result<ServerProcess> {
    let delay = format!("{}us", setting.delay.as_micros());
    let stamps = bench.folder.join("stamps.json").display().to_string();
    let flags = ["serve", "--null", "--exit-with-stdin", "--stamps", &stamps, "--ack-delay", &delay, "--push-delay"];
    let mut args: Vec<String> = flags.map(str::to_owned).into();
    args.push(delay);
    ServerProcess::start(ProcessCommand {
        program: bench.program.clone(),
        args,
        log: Some(bench.folder.join("null.log")),
        secrets: Vec::new(),
    })
}

/// Nobody watches these runs.
struct Deaf;

impl Observer for Deaf {
    fn interval(&mut self, _: &Interval, _: &Latencies) {}

    fn snapshot(&mut self, _: &Snapshot) {}

    fn event(&mut self, _: u64, _: &str, _: serde_json::Value) {}

    fn record(&mut self, _: &RunRecord) {}

    fn checkpoint(&mut self, _: usize, _: &LedgerPiece) {}
}
