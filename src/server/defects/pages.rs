//! Bugs of history reads: cursors that skip, repeat or never end, reads that
//! are capped or lag.

use super::super::channel::Channel;
use super::super::database::{Database, Result};
use super::super::history::{self, Page, PageRequest, Towards};
use super::super::rows::{self, Row};
use super::super::writer::now_us;
use super::rows::{Doomed, Given};
use super::{Defect, Defects, Instance};

/// More rows than any channel has.
const ALL: usize = i64::MAX as usize;
/// Rows that a capped read returns at most: `history-cap`.
const CAP_ROWS: usize = 10;
/// How far a lagging copy is behind, in µs: `stale-history`.
const LAG_US: u64 = 300_000;
/// What a coarse cursor counts in, in µs: `tied-timestamps`.
const TICK_US: u64 = 100_000;

/// History as one reader gets it from a server that has defects.
pub(crate) struct FaultyPages<'a> {
    pub(crate) database: &'a Database,
    pub(crate) channel: &'a Channel,
    /// `U…`
    pub(crate) reader: &'a str,
    pub(crate) defects: &'a Defects,
}

impl FaultyPages<'_> {
    /// Reads a page.
    pub(crate) fn read(&self, request: &PageRequest) -> Result<Page> {
        let mut request = request.clone();
        if self.defects.has(Defect::StaleHistory) {
            self.lag(&mut request)?;
        }
        if self.defects.has(Defect::HistoryCap) && !request.continues && request.towards == Towards::Newest {
            self.cap(&mut request)?;
        }
        if request.continues {
            self.cross_edge(&mut request)?;
        }
        let uncommitted = self.defects.uncommitted.of(self.channel.number);
        let mut page = history::read(self.database, self.channel.number, &request)?;
        self.note_passed(&request, &page, uncommitted);
        let ends = request.towards == Towards::Newest && page.cursor.is_none();
        if let Some(last) = page.rows.last().filter(|_| ends && self.defects.due(Defect::EndlessCursor)) {
            // It counts from the wrong end of the page.
            page.cursor = Some(request.from_us.saturating_sub(1));
            self.note(Defect::EndlessCursor, last, &request);
        }
        for row in page.rows.iter().filter(|row| self.defects.has(Defect::Vanish) && Doomed::is_fresh(row.ts)) {
            if self.defects.due(Defect::Vanish) {
                self.defects.doomed.add(self.channel, row.ts, row.key.as_deref(), self.reader);
            }
        }
        Ok(page)
    }

    fn note(&self, defect: Defect, row: &Row, request: &PageRequest) {
        self.note_message(defect, (row.key.as_deref(), row.ts), request);
    }

    fn note_message(&self, defect: Defect, (key, ts): (Option<&str>, u64), request: &PageRequest) {
        let (client_msg_id, channel) = (key.map(Into::into), self.channel.id.clone());
        let (user, ts, limit) = (Some(self.reader.into()), Some(ts), Some(request.limit));
        self.defects.note(&Instance { defect: defect.name(), client_msg_id, channel, user, ts, limit });
    }

    fn select(&self, request: &PageRequest, count: usize) -> Result<Vec<Row>> {
        rows::select(self.database, self.channel.number, request, count)
    }

    /// Reads from a copy that lags: what is newer is not there.
    fn lag(&self, request: &mut PageRequest) -> Result<()> {
        let copied_us = now_us().saturating_sub(LAG_US);
        let page = self.select(request, request.limit)?;
        if !page.iter().any(|row| row.ts > copied_us) || !self.defects.due(Defect::StaleHistory) {
            return Ok(());
        }
        // The page says that nothing follows, so it lacks all that does.
        let lacking = PageRequest { from_us: request.from_us.max(copied_us + 1), ..request.clone() };
        self.select(&lacking, ALL)?.iter().for_each(|row| self.note(Defect::StaleHistory, row, request));
        request.to_us = request.to_us.min(copied_us);
        Ok(())
    }

    /// Begins at the newest few.
    fn cap(&self, request: &mut PageRequest) -> Result<()> {
        let rows = self.select(request, ALL)?;
        let skipped = rows.len().saturating_sub(CAP_ROWS);
        if skipped > 0 && self.defects.due(Defect::HistoryCap) {
            request.from_us = rows[skipped].ts;
            rows[..skipped].iter().for_each(|row| self.note(Defect::HistoryCap, row, request));
        }
        Ok(())
    }

    /// Goes on behind the row that the last page ended with, or not quite
    /// there.
    fn cross_edge(&self, request: &mut PageRequest) -> Result<()> {
        if self.defects.has(Defect::TiedTimestamps) {
            let mut tied = request.clone();
            match request.towards {
                Towards::Newest => tied.to_us = tied.to_us.min(end_of_tick(request.from_us - 1)),
                Towards::Oldest => tied.from_us = tied.from_us.max(start_of_tick(request.to_us + 1)),
            }
            self.skip(Defect::TiedTimestamps, request, &tied, ALL)?;
        }
        if self.defects.has(Defect::CursorSkip) {
            self.skip(Defect::CursorSkip, request, &request.clone(), 1)?;
        }
        // A page of one row that is the last one's would never end.
        if request.limit > 1 && self.defects.due(Defect::CursorInclusive) {
            match request.towards {
                Towards::Newest => request.from_us -= 1,
                Towards::Oldest => request.to_us += 1,
            }
            self.select(request, 1)?.iter().for_each(|row| self.note(Defect::CursorInclusive, row, request));
        }
        Ok(())
    }

    /// Passes over the first rows of a range with which a request begins.
    fn skip(&self, defect: Defect, request: &mut PageRequest, range: &PageRequest, count: usize) -> Result<()> {
        let skipped = self.select(range, count)?;
        let Some(last) = skipped.last().filter(|_| self.defects.due(defect)) else { return Ok(()) };
        match request.towards {
            Towards::Newest => request.from_us = last.ts + 1,
            Towards::Oldest => request.to_us = last.ts - 1,
        }
        skipped.iter().for_each(|row| self.note(defect, row, request));
        Ok(())
    }

    /// Notes the messages whose position a page passed before their commit.
    fn note_passed(&self, request: &PageRequest, page: &Page, mut uncommitted: Vec<Given>) {
        let newest = page.rows.iter().map(|row| row.ts).max().unwrap_or(0);
        // Also those whose position was given while the page was read.
        for given in self.defects.uncommitted.of(self.channel.number) {
            if !uncommitted.contains(&given) {
                uncommitted.push(given);
            }
        }
        for given in uncommitted {
            let passed = (request.from_us..=newest).contains(&given.ts);
            if passed && !page.rows.iter().any(|row| row.ts == given.ts) {
                self.note_message(Defect::LateCommit, (Some(&given.key), given.ts), request);
            }
        }
    }
}

fn start_of_tick(ts: u64) -> u64 {
    ts / TICK_US * TICK_US
}

fn end_of_tick(ts: u64) -> u64 {
    start_of_tick(ts) + TICK_US - 1
}
