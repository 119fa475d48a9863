//! The final reads: every channel from its start to its end. They are the
//! truth that everything else is held against.

use super::api::{Api, ApiAnswer};
use super::chat::{Bound, ChannelAt, ReadPage, Reading};
use super::shard::Shared;
use super::traversal::Traversal;
use crate::ledger::{Facts, FinalRead, HistoryRow, Leak, PointRead, Reaction, RowText, SendRow, ThreadRead};
use crate::model::{ChannelId, MessageRef, Position, UserId};
use crate::plan::{Changes, Positions, is_private};
use crate::target::{Call, PageError, Row, ThreadPage, reaction_ordinal};
use futures_util::StreamExt;
use futures_util::stream;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Channels or messages read at once.
const CONCURRENCY: usize = 16;

/// What a final read needs to know.
pub struct FinalReader {
    /// What all workers know.
    pub shared: Arc<Shared>,
    /// Fresh connections: a read must not share a fate with earlier ones.
    pub api: Api,
    /// When the drain must be over, in µs since the start of the run.
    pub deadline_us: u64,
}

impl FinalReader {
    /// Reads every channel with the given page size.
    pub async fn read_all(&self, number: u32, page_size: u32) -> Vec<FinalRead> {
        let channels = (0..self.shared.plan.population.channels).map(ChannelId);
        let reading = channels.map(|channel| self.read_channel(number, page_size, channel));
        let mut reads: Vec<FinalRead> = stream::iter(reading).buffer_unordered(CONCURRENCY).collect().await;
        reads.sort_by_key(|read| read.channel);
        reads
    }

    /// Reads each of the given messages by its acknowledged id; the second
    /// part are those that could not be read in time.
    pub async fn read_points(&self, rows: &[&SendRow]) -> (Vec<PointRead>, usize) {
        let reading = rows.iter().map(|row| self.read_point(row));
        let reads: Vec<Option<PointRead>> = stream::iter(reading).buffer_unordered(CONCURRENCY).collect().await;
        let failed = reads.iter().filter(|read| read.is_none()).count();
        (reads.into_iter().flatten().collect(), failed)
    }

    /// Reads the thread of each of the given messages to its end, by its
    /// acknowledged id.
    pub async fn read_threads(&self, rows: &[&SendRow], page_size: u32) -> Vec<ThreadRead> {
        let reading = rows.iter().map(|row| self.read_thread(row, page_size));
        stream::iter(reading).buffer_unordered(CONCURRENCY).collect().await
    }

    async fn read_thread(&self, row: &SendRow, page_size: u32) -> ThreadRead {
        let written_us = self.shared.clock.now_us();
        let mut read = ThreadRead { parent: row.message, written_us, replies: Vec::new(), failure: None };
        let server_id = row.server_id.as_deref().unwrap_or_default();
        let channel = row.message.channel;
        let mut cursor = None::<String>;
        // More pages than a thread has replies lead nowhere.
        for _ in 0..=2 * Changes::MOST {
            let id = self.shared.directory.id(channel);
            let call = || self.api.slack.thread(id, server_id, page_size, cursor.as_deref());
            let parse = |answer: &ApiAnswer| ThreadPage::parse(answer.status, &answer.body, server_id);
            match self.insist(self.reader_of(channel, 1), || Ok(call()), parse).await {
                Ok(page) => {
                    read.replies.extend(page.replies);
                    cursor = page.next_cursor;
                }
                Err(reason) => {
                    read.failure = Some(reason);
                    return read;
                }
            }
            if cursor.is_none() {
                return read;
            }
        }
        read.failure = Some("the pages do not come to an end".to_owned());
        read
    }

    /// Asks for the history of every private channel as somebody who is no
    /// member. What is shown is leaked; any other answer is a refusal.
    pub async fn ask_as_outsiders(&self, page_size: u32, facts: &mut Facts) {
        let private = (0..self.shared.plan.population.channels).map(ChannelId);
        let private = private.filter(|channel| is_private(&self.shared.plan, *channel));
        let asking = private.filter_map(|channel| {
            let members = self.shared.roster.members(channel);
            let outsider = (0..self.shared.plan.population.users).map(UserId).find(|user| !members.contains(user))?;
            let timeout = Duration::from_micros(self.shared.plan.catch_up.timeout_us);
            Some(async move {
                let mut reading = self.reading(outsider, channel, page_size);
                let answer = self.api.call(outsider, reading.call().ok()?, timeout).await.ok()?;
                let page = reading.read(&answer, &self.shared.texts).ok()?;
                Some((outsider, channel, page))
            })
        });
        let mut shown = stream::iter(asking).buffer_unordered(CONCURRENCY);
        while let Some(answer) = shown.next().await {
            let Some((outsider, channel, page)) = answer else { continue };
            let leak = Leak { at_us: self.shared.clock.now_us(), under: Some(channel) };
            page.rows.iter().filter_map(|row| row.message).for_each(|message| facts.leaked(outsider, message, leak));
        }
    }

    async fn read_channel(&self, number: u32, page_size: u32, channel: ChannelId) -> FinalRead {
        let mut read = FinalRead {
            number,
            channel,
            written_us: self.shared.clock.now_us(),
            ended_us: 0,
            failure: None,
            rows: Vec::new(),
            repeated: Vec::new(),
            stuck_pages: 0,
            foreign: Vec::new(),
            truncated_before: None,
            reactions: Vec::new(),
        };
        // Two messages under one id are two rows, and not one row twice.
        let mut seen: HashSet<(Box<str>, Option<MessageRef>)> = HashSet::new();
        let mut traversal = Traversal::new(None);
        let reader = self.reader_of(channel, number);
        let mut reading = self.reading(reader, channel, page_size);
        let (mut pages, mut positioned) = (Vec::new(), true);
        loop {
            let page = match self.next_page(reader, &mut reading).await {
                Ok(page) => page,
                Err(reason) => {
                    read.failure = Some(reason);
                    break;
                }
            };
            let known = seen.len();
            positioned &= page.positioned;
            let mut rows = Vec::new();
            for row in page.rows {
                let foreign = row.foreign.as_deref().map(Facts::beginning);
                read.foreign.extend(foreign.map(|text| (row.server_id.clone(), text)));
                if seen.insert((row.server_id.clone(), row.message)) {
                    read.reactions.extend(reactions(&row));
                    rows.push(history_row(row));
                } else {
                    read.repeated.push(row.server_id);
                }
            }
            pages.push(rows);
            if traversal.is_stuck((seen.len() - known) as u32, page.next_cursor.as_deref()) {
                read.stuck_pages += 1;
                read.failure = Some("the pages do not come to an end".to_owned());
                break;
            }
            if traversal.is_lost() {
                read.failure = Some("a thousand pages in a row brought no new row".to_owned());
                break;
            }
            if page.next_cursor.is_none() {
                break;
            }
        }
        if reading.walks_back() {
            pages.reverse();
        }
        read.rows = pages.into_iter().flatten().collect();
        self.put_in_order(&mut read, positioned);
        read.ended_us = self.shared.clock.now_us();
        read
    }

    /// The next page; tries until it succeeds or the deadline passes.
    async fn next_page(&self, reader: UserId, reading: &mut Reading<'_>) -> Result<ReadPage, String> {
        let mut wait = Duration::from_millis(100);
        loop {
            let answer = self.ask(reader, || reading.call()).await;
            match answer.and_then(|answer| reading.read(&answer, &self.shared.texts).map_err(|error| error.to_string()))
            {
                Ok(page) => return Ok(page),
                Err(reason) if self.shared.clock.now_us() >= self.deadline_us => return Err(reason),
                Err(_) => tokio::time::sleep(wait).await,
            }
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }

    /// By the target's positions; where it has none, by the order of its history.
    fn put_in_order(&self, read: &mut FinalRead, positioned: bool) {
        let capabilities = &self.shared.plan.capabilities;
        if !positioned || capabilities.positions == Positions::None {
            read.rows.iter_mut().zip(1..).for_each(|(row, rank)| row.position = Position(rank));
        }
        read.rows.sort_by_key(|row| row.position);
        if capabilities.depth.is_some_and(|depth| read.rows.len() as u64 >= depth) {
            read.truncated_before = read.rows.first().map(|row| row.position);
        }
    }

    /// Who reads a channel: two members in turn, because a row that is hidden
    /// from some is shown to others, and the last two reads are compared. Where
    /// members come and go, the one who never leaves a private channel.
    fn reader_of(&self, channel: ChannelId, number: u32) -> UserId {
        let members = self.shared.roster.members(channel);
        let second = number.is_multiple_of(2) && self.has_steady_members() && members.len() > 1;
        members.get(usize::from(second)).copied().unwrap_or(UserId(0))
    }

    /// Who asks for a message that no read shows: its sender, who was told that
    /// it is stored.
    fn asker_for(&self, row: &SendRow) -> UserId {
        let is_member = self.shared.roster.members(row.message.channel).contains(&row.user);
        if is_member && self.has_steady_members() { row.user } else { self.reader_of(row.message.channel, 1) }
    }

    fn has_steady_members(&self) -> bool {
        self.shared.plan.members.churn_per_minute == 0.0
    }

    fn reading(&self, user: UserId, channel: ChannelId, page_size: u32) -> Reading<'_> {
        let place = ChannelAt { channel, channel_id: self.shared.directory.id(channel) };
        Reading::new(&self.api, user, place, page_size, Bound::default())
    }

    /// Whether a message can be asked for by its id.
    pub fn reads_points(&self) -> bool {
        self.api.point(UserId(0), ChannelId(0), "", "").is_some()
    }

    async fn read_point(&self, row: &SendRow) -> Option<PointRead> {
        let written_us = self.shared.clock.now_us();
        let channel = row.message.channel;
        let server_id = row.server_id.as_deref()?;
        let (user, id) = (self.asker_for(row), self.shared.directory.id(channel));
        let call = || self.api.point(user, channel, id, server_id).unwrap_or_else(|| Err("no such request".to_owned()));
        let found =
            self.insist(user, call, |answer| self.api.read_point(answer, server_id, &self.shared.texts)).await.ok()?;
        Some(PointRead { message: row.message, written_us, row: found.map(history_row) })
    }

    /// Tries until it succeeds or the deadline passes.
    async fn insist<T>(
        &self,
        user: UserId,
        call: impl Fn() -> Result<Call, String>,
        parse: impl Fn(&ApiAnswer) -> Result<T, PageError>,
    ) -> Result<T, String> {
        let mut wait = Duration::from_millis(100);
        loop {
            let answer = self.ask(user, &call).await;
            let page = answer.and_then(|answer| parse(&answer).map_err(|error| error.to_string()));
            match page {
                Ok(page) => return Ok(page),
                Err(reason) if self.shared.clock.now_us() >= self.deadline_us => return Err(reason),
                Err(_) => tokio::time::sleep(wait).await,
            }
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }

    async fn ask(&self, user: UserId, call: impl Fn() -> Result<Call, String>) -> Result<ApiAnswer, String> {
        let timeout = Duration::from_micros(self.shared.plan.catch_up.timeout_us);
        self.api.call_renewing(user, call, timeout).await
    }
}

/// The run's own reactions to a row.
fn reactions(row: &Row) -> impl Iterator<Item = Reaction> + '_ {
    let ordinals = row.reactions.iter().filter_map(|name| reaction_ordinal(name));
    row.message.into_iter().flat_map(move |message| ordinals.clone().map(move |ordinal| Reaction { message, ordinal }))
}

fn history_row(row: Row) -> HistoryRow {
    let text = match (row.intact, row.foreign) {
        (Some(true), _) if row.version > 0 => RowText::Edited(row.version),
        (Some(true), _) => RowText::Intact,
        (Some(false), _) => RowText::Altered,
        (None, Some(_)) => RowText::Foreign,
        (None, None) => RowText::Unrelated,
    };
    HistoryRow { server_id: row.server_id, position: row.position, message: row.message, text }
}
