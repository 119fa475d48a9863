//! The end of a run: let sends finish, be quiet, read the truth, let every
//! subscriber catch up, read the truth again.
//!
//! A step that fails is recorded; it makes the run inconclusive, and never
//! looks like an empty history.

use super::EngineError;
use super::api::Api;
use super::final_read::FinalReader;
use super::orchestrator::{Orchestrator, Waited};
use super::setup;
use super::worker::Phase;
use crate::ledger::{FinalRead, HistoryRow, Ledger, RowText, RunSet, SendRow};
use crate::model::{ChannelId, MessageRef, Position, SendState};
use crate::plan::{ChangeKind, RunPlan, receive_settle_us};
use serde_json::json;
use std::collections::HashSet;
use std::sync::Arc;

/// How often the second read is repeated because an unknown message appeared.
const LATE_READS: u32 = 3;

/// What the drain brings.
pub struct Truth {
    /// The ledgers of the workers.
    pub shards: Vec<Ledger>,
    /// The ledger of the final reads.
    pub reads: Ledger,
}

/// Drains the run.
pub async fn drain(leader: &mut Orchestrator<'_>) -> Result<Truth, EngineError> {
    let plan = leader.shared.plan.clone();
    leader.record.drain.began_us = leader.now_us();
    leader.heal_faults().await?;
    let deadline_us = leader.now_us() + plan.drain.deadline_us;
    leader.enter("finish sends", Some(plan.drain.deadline_us));
    if leader.wait(deadline_us, false, |total| total.pending == 0 && total.intending == 0).await? == Waited::Late {
        let pending = leader.telemetry.total().pending;
        leader.fail(format!("{pending} sends were still under way at the drain's deadline"));
    }
    let mut reads = Ledger::default();
    if !plan.capabilities.history {
        quiet(leader).await?;
        catch_up_with_nothing(leader, deadline_us).await?;
        leader.enter("end", None);
        let shards = leader.end_workers().await?;
        reads.final_reads = acknowledged_as_stored(&shards, &plan, leader.now_us());
        return Ok(Truth { shards, reads });
    }
    if answers(leader, deadline_us).await? {
        quiet(leader).await?;
        read_and_catch_up(leader, deadline_us, &mut reads).await?;
    }
    leader.enter("end", None);
    let shards = leader.end_workers().await?;
    if !reads.final_reads.is_empty() {
        read_points(leader, deadline_us, &shards, &mut reads).await?;
        read_threads(leader, deadline_us, &shards, &mut reads).await?;
    }
    Ok(Truth { shards, reads })
}

impl Orchestrator<'_> {
    fn fail(&mut self, reason: String) {
        self.observer.event(self.shared.clock.now_us(), "drain_failure", json!({ "reason": reason }));
        self.record.drain.failures.push(reason);
    }

    fn fresh_api(&self) -> Result<Api, EngineError> {
        self.shared.api().map_err(|error| EngineError::Internal(error.to_string()))
    }

    fn reader(&self, deadline_us: u64) -> Result<FinalReader, EngineError> {
        Ok(FinalReader { shared: self.shared.clone(), api: self.fresh_api()?, deadline_us })
    }
}

/// A target without a history has nothing that anybody could catch up with.
async fn catch_up_with_nothing(leader: &mut Orchestrator<'_>, deadline_us: u64) -> Result<(), EngineError> {
    let plan = leader.shared.plan.clone();
    let nothing = vec![RunSet::default(); plan.population.channels as usize];
    leader.command(Phase::Drain(Arc::new(nothing)));
    let subscribers = u64::from(plan.population.subscribers);
    if leader.wait(deadline_us, false, |total| total.drained == subscribers).await? == Waited::Reached {
        leader.record.drain.caught_up_us = Some(leader.now_us());
    }
    Ok(())
}

/// What a target without a history has acknowledged, as two reads that agree: it
/// counts as stored, in the order of the acknowledgements where it tells no
/// positions.
fn acknowledged_as_stored(shards: &[Ledger], plan: &RunPlan, now_us: u64) -> Vec<FinalRead> {
    let mut channels: Vec<Vec<SendRow>> = vec![Vec::new(); plan.population.channels as usize];
    let sends = shards.iter().flat_map(|shard| &shard.sends);
    for row in sends.filter(|row| row.state == SendState::Acknowledged) {
        if let Some(rows) = channels.get_mut(row.message.channel.0 as usize) {
            rows.push(row.clone());
        }
    }
    let read = |number: u32, channel: ChannelId, rows: &[SendRow]| FinalRead {
        number,
        channel,
        written_us: now_us,
        ended_us: now_us,
        failure: None,
        rows: (1..).zip(rows).map(|(rank, row)| stored_row(rank, row)).collect(),
        repeated: Vec::new(),
        stuck_pages: 0,
        foreign: Vec::new(),
        truncated_before: None,
        reactions: Vec::new(),
    };
    let mut reads = Vec::new();
    for (channel, rows) in (0..).map(ChannelId).zip(&mut channels) {
        rows.sort_by_key(|row| (row.position, row.acknowledged_us));
        reads.extend([1, 2].map(|number| read(number, channel, rows)));
    }
    reads
}

fn stored_row(rank: u64, row: &SendRow) -> HistoryRow {
    let server_id = row.server_id.clone().unwrap_or_else(|| format!("#{rank}").into());
    let position = row.position.unwrap_or(Position(rank));
    HistoryRow { server_id, position, message: Some(row.message), text: RowText::Intact }
}

/// Waits until the target answers.
async fn answers(leader: &mut Orchestrator<'_>, deadline_us: u64) -> Result<bool, EngineError> {
    let (api, address, clock) = (leader.fresh_api()?, leader.shared.address.clone(), leader.shared.clock);
    let (described, cast) = (leader.shared.target.described.clone(), leader.shared.cast.clone());
    let asking = async {
        loop {
            match setup::greet(&api, &address, described.as_deref(), cast.as_ref().map(|cast| &cast.run.given)).await {
                Ok(()) => return Ok(()),
                Err(error) if clock.now_us() >= deadline_us => return Err(error),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(500)).await,
            }
        }
    };
    match leader.hear_during(asking).await? {
        Ok(()) => Ok(true),
        Err(error) => {
            leader.fail(format!("the target does not answer any more: {error}"));
            Ok(false)
        }
    }
}

/// What was sent last must have had its time to arrive, and what may have been
/// stored its time to appear.
async fn quiet(leader: &mut Orchestrator<'_>) -> Result<(), EngineError> {
    let plan = leader.shared.plan.clone();
    let total = leader.telemetry.total();
    let appear_us = if total.indeterminate > 0 { plan.settle_us() } else { plan.capabilities.lag_us };
    // And a design that takes its time to come to it, has the time.
    let quiet_us = plan.drain.quiet_us.max(appear_us).max(plan.live_margin_us() + receive_settle_us(&plan));
    leader.enter("quiet", Some(quiet_us));
    let until_us = leader.now_us() + quiet_us;
    leader.wait(until_us, false, |_| false).await?;
    Ok(())
}

async fn read_and_catch_up(
    leader: &mut Orchestrator<'_>,
    deadline_us: u64,
    reads: &mut Ledger,
) -> Result<(), EngineError> {
    let plan = leader.shared.plan.clone();
    let first = read_all(leader, deadline_us, 1, plan.drain.first_page_size).await?;
    let stored = Arc::new(stored_by_channel(&first));
    let reader = leader.reader(deadline_us)?;
    leader.hear_during(reader.ask_as_outsiders(plan.drain.first_page_size, &mut reads.facts)).await?;

    let subscribers = u64::from(plan.population.subscribers);
    leader.enter("catch up", None);
    leader.command(Phase::Drain(stored));
    match leader.wait(deadline_us, false, |total| total.drained == subscribers).await? {
        Waited::Reached => leader.record.drain.caught_up_us = Some(leader.now_us()),
        _ => {
            let behind = subscribers - leader.telemetry.total().drained;
            leader.fail(format!("{behind} of {subscribers} subscribers had not caught up at the drain's deadline"));
        }
    }

    let mut seen: HashSet<MessageRef> = messages(&first).collect();
    reads.final_reads.extend(first);
    for number in 2..2 + LATE_READS {
        let pause_until_us = leader.now_us() + plan.capabilities.lag_us.max(1_000_000);
        leader.enter("final read", None);
        leader.wait(pause_until_us, false, |_| false).await?;
        let page_size = if number % 2 == 0 { plan.drain.second_page_size } else { plan.drain.first_page_size };
        let next = read_all(leader, deadline_us, number, page_size).await?;
        let known = seen.len();
        seen.extend(messages(&next));
        reads.final_reads.extend(next);
        if seen.len() == known {
            break;
        }
    }
    Ok(())
}

async fn read_all(
    leader: &mut Orchestrator<'_>,
    deadline_us: u64,
    number: u32,
    page_size: u32,
) -> Result<Vec<FinalRead>, EngineError> {
    leader.enter("final read", None);
    let reader = leader.reader(deadline_us)?;
    let reads = leader.hear_during(reader.read_all(number, page_size)).await?;
    let failed: Vec<&FinalRead> = reads.iter().filter(|read| read.failure.is_some()).collect();
    if let Some(first) = failed.first() {
        let reason = first.failure.as_deref().unwrap_or_default();
        let (failed, all) = (failed.len(), reads.len());
        leader
            .fail(format!("final read {number}: {failed} of {all} channels could not be read to their end: {reason}"));
    }
    Ok(reads)
}

/// Acknowledged messages that no final read has are asked for one by one.
async fn read_points(
    leader: &mut Orchestrator<'_>,
    deadline_us: u64,
    shards: &[Ledger],
    reads: &mut Ledger,
) -> Result<(), EngineError> {
    let stored: HashSet<MessageRef> = messages(&reads.final_reads).collect();
    let ids: HashSet<(u32, &str)> = reads
        .final_reads
        .iter()
        .flat_map(|read| read.rows.iter().map(|row| (read.channel.0, &*row.server_id)))
        .collect();
    // What was deleted is rightly missing.
    let deleted: HashSet<MessageRef> = deletions(shards).collect();
    let is_missing = |row: &&SendRow| {
        let known_id = |id: &str| ids.contains(&(row.message.channel.0, id));
        row.state == SendState::Acknowledged
            && !deleted.contains(&row.message)
            && !stored.contains(&row.message)
            && !row.server_id.as_deref().is_some_and(known_id)
    };
    let missing: Vec<&SendRow> = shards.iter().flat_map(|shard| &shard.sends).filter(is_missing).collect();
    if missing.is_empty() || !leader.reader(deadline_us)?.reads_points() {
        return Ok(());
    }
    // A read of its own length, even when the rest of the drain took long.
    let deadline_us = deadline_us.max(leader.now_us() + 5_000_000);
    let reader = leader.reader(deadline_us)?;
    let (points, failed) = reader.read_points(&missing).await;
    reads.point_reads = points;
    if failed > 0 {
        leader.fail(format!("{failed} acknowledged messages that history lacks could not be asked for by their ids"));
    }
    Ok(())
}

/// The threads of all messages with an acknowledged reply that were not deleted.
async fn read_threads(
    leader: &mut Orchestrator<'_>,
    deadline_us: u64,
    shards: &[Ledger],
    reads: &mut Ledger,
) -> Result<(), EngineError> {
    let replies = shards.iter().flat_map(|shard| &shard.changes).filter(|row| row.kind == ChangeKind::Reply);
    let mut parents: HashSet<MessageRef> = replies.filter(|row| row.is_acknowledged()).map(|row| row.message).collect();
    deletions(shards).for_each(|deleted| _ = parents.remove(&deleted));
    if parents.is_empty() {
        return Ok(());
    }
    let sends = shards.iter().flat_map(|shard| &shard.sends);
    let rows: Vec<&SendRow> = sends.filter(|row| parents.contains(&row.message)).collect();
    let deadline_us = deadline_us.max(leader.now_us() + 5_000_000);
    let reader = leader.reader(deadline_us)?;
    reads.threads = reader.read_threads(&rows, leader.shared.plan.drain.first_page_size).await;
    let failures: Vec<&String> = reads.threads.iter().filter_map(|read| read.failure.as_ref()).collect();
    if let Some(first) = failures.first() {
        leader.fail(format!("{} of {} threads could not be read to their end: {first}", failures.len(), rows.len()));
    }
    Ok(())
}

fn deletions(shards: &[Ledger]) -> impl Iterator<Item = MessageRef> + '_ {
    let changes = shards.iter().flat_map(|shard| &shard.changes);
    changes.filter(|row| row.kind == ChangeKind::Delete && row.may_have_happened()).map(|row| row.message)
}

fn messages(reads: &[FinalRead]) -> impl Iterator<Item = MessageRef> + '_ {
    reads.iter().flat_map(|read| read.rows.iter().filter_map(|row| row.message))
}

fn stored_by_channel(reads: &[FinalRead]) -> Vec<RunSet> {
    let own = |read: &FinalRead| {
        read.rows
            .iter()
            .filter_map(|row| row.message)
            .filter(|message| message.channel == read.channel)
            .map(|message| message.index)
            .collect()
    };
    reads.iter().map(own).collect()
}
