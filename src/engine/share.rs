//! What all workers of a run know, before the first subscription.

use super::api::{Api, Way};
use super::ceiling::Ceiling;
use super::clock::RunClock;
use super::closed_loop::NextIndices;
use super::dial::Sources;
use super::path::Path;
use super::setup;
use super::shard::Shared;
use super::telemetry::Observer;
use super::timed_faults::Means;
use super::tls::{INSECURE, server_name};
use super::{EngineError, Job, Stop};
use crate::faults::FaultProxy;
use crate::ledger::{FaultRecord, RunRecord};
use crate::model::{KeyCodec, TextCodec};
use crate::plan::{ArrivalSchedule, Roster};
use crate::target::ReplyKeys;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;

/// What all workers know of a job: the target is greeted, its users and channels
/// are made.
pub async fn share(
    job: Job,
    observer: &mut dyn Observer,
    mut interrupted: watch::Receiver<Stop>,
) -> Result<(Arc<Shared>, RunRecord, Means), EngineError> {
    let clock = RunClock::start();
    let roster = Arc::new(Roster::new(&job.plan));
    let plan = Arc::new(job.plan);
    let resolved = setup::resolve(&job.address, &job.allowed_hosts).await?;
    let sources = Sources::new(job.sources);
    let way = Way {
        address: &job.address,
        resolved: &resolved,
        trust: &job.trust,
        source: sources.next(resolved[0]),
        allowed_hosts: &job.allowed_hosts,
    };
    let api = Api::new(&way, job.run).map_err(|error| EngineError::Internal(error.to_string()))?;
    let name = job.address.tls.then(|| server_name(&job.address.host)).transpose();
    let name = name.map_err(|error| EngineError::Unreachable(error.to_string()))?;
    let addresses: Vec<String> = resolved.iter().map(ToString::to_string).collect();
    observer.event(clock.now_us(), "setup", json!({ "addresses": addresses, "channels": plan.population.channels }));
    let asked = setup::Asked { api: &api, address: &job.address, roster: &roster, plan: &plan, run: job.run };
    let (directory, cast) = tokio::select! {
        made = asked.make(job.target.described.as_ref(), &job.casting, observer) => made?,
        _ = interrupted.wait_for(|stop| *stop > Stop::No) => return Err(EngineError::Left),
    };
    let record = RunRecord {
        run_id: job.run_id,
        run_number: job.run.0,
        started_at: job.started_at,
        url: job.address.url(),
        scheduled: ArrivalSchedule::new(plan.clone(), roster.clone()).count() as u64,
        killed: true,
        faults: vec![FaultRecord::default(); plan.faults.len()],
        notes: notes(job.trust.is_insecure(), plan.arrival.is_closed()),
        ..RunRecord::default()
    };
    let mut means = job.means;
    if job.always_proxy || plan.faults.iter().any(|fault| fault.kind.needs_proxy()) {
        means.proxy = Some(Arc::new(FaultProxy::start(resolved.clone())?));
    }
    let keys = KeyCodec::new(job.run, plan.key_layout).in_format(job.target.key_format);
    let replies = ReplyKeys::new(&keys, plan.key_layout);
    let texts = TextCodec::new(keys, plan.message_size_bytes).with_edits(plan.changes.most_edits());
    let shared = Arc::new(Shared {
        next_indices: NextIndices::of(&plan),
        plan,
        roster,
        target: job.target,
        address: job.address,
        path: Path::new(resolved, name, means.proxy.clone()),
        allowed_hosts: job.allowed_hosts,
        trust: job.trust,
        ceiling: job.ceiling_per_s.map(Ceiling::new),
        sources,
        run: job.run,
        clock,
        texts,
        replies,
        directory,
        cast,
        clean: job.casting.clean,
        workers: job.workers,
        signing_secret: job.signing_secret,
        spill: job.spill,
    });
    Ok((shared, record, means))
}

/// What a reader of the results must know before anything else.
fn notes(insecure: bool, closed_loop: bool) -> Vec<String> {
    const CLOSED_LOOP: &str = "closed loop: nobody sends while an answer is waited for, so a target that stalls is \
                               asked less, and its stalls hardly show in latencies; an open loop \
                               (arrival.process = \"poisson\") shows them";
    let notes = [(insecure, INSECURE), (closed_loop, CLOSED_LOOP)];
    notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note.to_owned()).collect()
}
