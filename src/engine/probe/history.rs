//! What the prober reads of history.

use super::say::Said;
use super::{DEEP, MAIN, PAGED, Prober};
use crate::engine::chat::{Bound, ChannelAt, Reading};
use crate::ledger::{PagingFact, ProbeFacts, ShownFact};
use crate::model::{ChannelId, MessageRef, MessageText, Position, UserId};
use crate::target::Row;
use std::collections::HashSet;
use std::time::Duration;

/// Messages that are read in pages, and written meanwhile.
const PAGED_MESSAGES: u32 = 40;
const WRITTEN_MEANWHILE: u32 = 15;
/// A page size at which there are many pages.
const PAGE_SIZE: u32 = 7;
/// No read of a probe has more pages.
const MAX_PAGES: u32 = 500;

/// A read from its bound to the end.
#[derive(Default)]
struct Read {
    /// From the oldest to the newest.
    rows: Vec<Row>,
    pages: u32,
    without_position: u32,
    failure: Option<String>,
    /// Whether its pages are counted from the newest row.
    moves: bool,
}

impl Prober {
    /// The rows of the main channel; `None` where there is no history, or where
    /// it cannot be read.
    pub(super) async fn read_main(&self) -> Option<Vec<Row>> {
        let read = self.read(MAIN, 200, Bound::default()).await?;
        read.failure.is_none().then_some(read.rows)
    }

    async fn read(&self, channel: ChannelId, size: u32, bound: Bound) -> Option<Read> {
        if !self.shard.plan().capabilities.history {
            return None;
        }
        let user = self.shard.shared.roster.members(channel).first().copied()?;
        let place = ChannelAt { channel, channel_id: self.shard.shared.directory.id(channel) };
        let mut reading = Reading::new(&self.shard.api, user, place, size, bound);
        let timeout = Duration::from_micros(self.shard.plan().catch_up.timeout_us);
        let (mut read, mut pages) = (Read { moves: reading.moves(), ..Read::default() }, Vec::new());
        loop {
            let answer = self.shard.api.call_renewing(user, || reading.call(), timeout).await;
            let page = answer
                .and_then(|answer| reading.read(&answer, &self.shard.shared.texts).map_err(|error| error.to_string()));
            let page = match page {
                Ok(page) => page,
                Err(reason) => {
                    read.failure = Some(reason);
                    break;
                }
            };
            read.pages += 1;
            if !page.positioned {
                read.without_position += page.rows.len() as u32;
            }
            pages.push(page.rows);
            if page.next_cursor.is_none() {
                break;
            }
            if read.pages >= MAX_PAGES {
                read.failure = Some(format!("{MAX_PAGES} pages, and no end"));
                break;
            }
        }
        if reading.walks_back() {
            pages.reverse();
        }
        read.rows = pages.into_iter().flatten().collect();
        if read.without_position == 0 {
            read.rows.sort_by_key(|row| row.position);
        }
        Some(read)
    }

    /// Rows of a message, and rows with another text.
    pub(super) async fn count_rows(
        &self,
        first: &Said,
        other: Option<&(ChannelId, String)>,
    ) -> (Option<u32>, Option<u32>) {
        let main = self.read_main().await;
        let is_other = |row: &&Row, text: &str| row.altered.as_deref().is_some_and(|altered| altered == text);
        let copies = main.as_ref().map(|rows| {
            let other = other.map_or("", |(_, text)| text);
            let copies = rows.iter().filter(|row| row.message == Some(first.message) && !is_other(row, other));
            copies.count() as u32
        });
        let Some((channel, text)) = other else { return (copies, None) };
        let Some(Read { rows, failure: None, .. }) = self.read(*channel, 200, Bound::default()).await else {
            return (copies, None);
        };
        let shown = rows.iter().filter(|row| {
            // Where the key is not echoed, the text alone names the message.
            is_other(row, text) || row.intact == Some(true) && self.is_text_of(row, text)
        });
        (copies, Some(shown.count() as u32))
    }

    fn is_text_of(&self, row: &Row, text: &str) -> bool {
        match (self.shard.shared.texts.read(text), row.message) {
            (MessageText::Message { message, .. }, Some(named)) => message == named,
            _ => false,
        }
    }

    /// Reads in small pages while others write, from the start and from a row in
    /// the middle.
    pub(super) async fn ask_pages(&self, facts: &mut ProbeFacts) {
        let user = self.shard.shared.roster.members(PAGED).first().copied().unwrap_or(UserId(0));
        let mut sent = Vec::new();
        for _ in 0..PAGED_MESSAGES {
            let said = self.say(user, PAGED).await;
            if said.answer.meaning == "acknowledged" {
                sent.push(said.message);
            }
        }
        let wait_us = if self.shard.plan().capabilities.read_after_ack { 0 } else { self.patience_us() };
        tokio::time::sleep(Duration::from_micros(wait_us)).await;
        let writing = async {
            for _ in 0..WRITTEN_MEANWHILE {
                self.say(user, PAGED).await;
            }
        };
        let (read, ()) = tokio::join!(self.read(PAGED, PAGE_SIZE, Bound::default()), writing);
        let Some(read) = read else { return };
        facts.from_start = Some(paging(&read, &sent, None));
        // Where nothing names a row, history cannot be asked from one.
        let described = self.shard.shared.target.described.as_ref().and_then(|described| described.history.as_ref());
        if described.is_some_and(|history| !history.names_rows()) {
            return;
        }
        let middle = read.rows.iter().position(|row| sent.get(sent.len() / 2) == row.message.as_ref());
        let Some(row) = middle.map(|at| &read.rows[at]) else { return };
        let after = (read.without_position == 0).then_some(row.position);
        let bound = Bound { after, known: Some(row.server_id.clone()) };
        let writing = async {
            for _ in 0..WRITTEN_MEANWHILE {
                self.say(user, PAGED).await;
            }
        };
        let (read, ()) = tokio::join!(self.read(PAGED, PAGE_SIZE, bound), writing);
        let later = sent.split_off(sent.len() / 2 + 1);
        facts.from_middle = read.map(|read| paging(&read, &later, Some(&sent)));
    }

    /// Many messages: how many of them does history show?
    pub(super) async fn ask_depth(&self) -> Option<ShownFact> {
        let user = self.shard.shared.roster.members(DEEP).first().copied()?;
        let mut sent = HashSet::new();
        for _ in 0..self.options.burst {
            let said = self.say(user, DEEP).await;
            if said.answer.meaning == "acknowledged" {
                sent.insert(said.message);
            }
        }
        tokio::time::sleep(Duration::from_micros(self.patience_us())).await;
        let read = self.read(DEEP, 200, Bound::default()).await?;
        if read.failure.is_some() {
            return None;
        }
        let shown: HashSet<MessageRef> = read.rows.iter().filter_map(|row| row.message).collect();
        Some(ShownFact { shown: sent.intersection(&shown).count() as u32, of: sent.len() as u32 })
    }
}

/// What a read shows of messages that were there before it began.
fn paging(read: &Read, sent: &[MessageRef], before: Option<&[MessageRef]>) -> PagingFact {
    let mut seen = HashSet::new();
    let mut repeated = 0;
    for row in &read.rows {
        repeated += u32::from(!seen.insert((row.server_id.clone(), row.message)));
    }
    let shown: Vec<MessageRef> = read.rows.iter().filter_map(|row| row.message).collect();
    let ranks: Vec<usize> = sent.iter().filter_map(|message| shown.iter().position(|other| other == message)).collect();
    let mut positions: Vec<Position> = read.rows.iter().map(|row| row.position).collect();
    positions.sort_unstable();
    let tied = positions.windows(2).filter(|pair| pair[0] == pair[1]).count() as u32;
    PagingFact {
        page_size: PAGE_SIZE,
        pages: read.pages,
        shown: ShownFact { shown: ranks.len() as u32, of: sent.len() as u32 },
        repeated,
        out_of_order: ranks.windows(2).filter(|pair| pair[0] > pair[1]).count() as u32,
        before_point: before.map_or(0, |before| shown.iter().filter(|message| before.contains(message)).count() as u32),
        tied_positions: if read.without_position > 0 { 0 } else { tied.saturating_sub(repeated) },
        without_position: read.without_position,
        failure: read.failure.clone(),
        moves: read.moves,
    }
}
