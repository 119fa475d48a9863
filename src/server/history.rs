//! `conversations.history`: pages of a channel.
//!
//! Rows inside a page stand newest first. Without `oldest`, or with `latest`,
//! the first page is the newest and the cursor walks towards the oldest. With
//! `oldest` alone the reader catches up from a place it knows: the first page
//! holds the oldest rows behind that place, and the cursor walks towards the
//! newest, so that rows which arrive meanwhile are met, not missed.
//!
//! Bounds are exclusive unless `inclusive`. A cursor names the last row that
//! was seen, so rows that arrive or vanish elsewhere shift nothing.

use super::answer::{self, ApiError};
use super::channel::Channel;
use super::database::{self, Database};
use super::defects::Defects;
use super::defects::pages::FaultyPages;
use super::ids;
use super::params::Params;
use super::rows::{self, Details, Row};
use serde::Serialize;

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 999;

/// Which way the pages walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Oldest,
    Newest,
}

/// One page, asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    /// The least and the greatest `ts` in µs, both included.
    pub(super) from_us: u64,
    pub(super) to_us: u64,
    pub(super) towards: Towards,
    pub(super) limit: usize,
    /// Whether an earlier page ended where this one starts.
    pub(super) continues: bool,
}

impl PageRequest {
    /// Reads the parameters of a call.
    pub(super) fn read(params: &Params) -> Result<Self, ApiError> {
        let bound = |name, error| match params.get(name) {
            Some(text) => ids::parse_ts(text).map(Some).ok_or(ApiError(error)),
            None => Ok(None),
        };
        // Zero is the beginning of everything, and what clients send for it.
        let oldest = bound("oldest", "invalid_ts_oldest")?.filter(|ts| *ts > 0);
        let latest = bound("latest", "invalid_ts_latest")?;
        let exclusive = u64::from(!params.flag("inclusive"));
        let mut request = Self {
            from_us: oldest.map_or(0, |ts| ts + exclusive),
            to_us: latest.map_or(i64::MAX as u64, |ts| ts.saturating_sub(exclusive)),
            towards: if oldest.is_some() && latest.is_none() { Towards::Newest } else { Towards::Oldest },
            limit: limit(params, LIMIT_DEFAULT, LIMIT_MAX)?,
            continues: false,
        };
        if let Some(cursor) = params.get("cursor") {
            let (towards, seen) = parse_cursor(cursor).ok_or(ApiError("invalid_cursor"))?;
            match towards {
                Towards::Newest => request.from_us = request.from_us.max(seen + 1),
                Towards::Oldest => request.to_us = request.to_us.min(seen.saturating_sub(1)),
            }
            request.towards = towards;
            request.continues = true;
        }
        Ok(request)
    }
}

/// The number of items that a page may hold.
pub(super) fn limit(params: &Params, default: usize, max: usize) -> Result<usize, ApiError> {
    match params.get("limit") {
        None => Ok(default),
        // Slack's clients send 0 for "as you like".
        Some("0") => Ok(default),
        Some(text) => text.parse().map(|limit: usize| limit.min(max)).map_err(|_| ApiError("invalid_limit")),
    }
}

fn parse_cursor(cursor: &str) -> Option<(Towards, u64)> {
    let (towards, ts) = match cursor.split_at_checked(1)? {
        ("n", ts) => (Towards::Newest, ts),
        ("o", ts) => (Towards::Oldest, ts),
        _ => return None,
    };
    Some((towards, ids::parse_ts(ts)?))
}

/// A page as it was read.
pub(super) struct Page {
    /// In walking order.
    pub(super) rows: Vec<Row>,
    /// The row that the next page goes on behind; `None` where nothing follows.
    pub(super) cursor: Option<u64>,
}

/// Reads a page and renders the whole answer.
pub(super) fn answer(
    database: &Database,
    channel: &Channel,
    request: &PageRequest,
    reader: &str,
    defects: &Defects,
) -> database::Result<String> {
    let mut page = if defects.any() {
        FaultyPages { database, channel, reader, defects }.read(request)?
    } else {
        read(database, channel.number, request)?
    };
    let towards = if request.towards == Towards::Newest { 'n' } else { 'o' };
    let next_cursor = page.cursor.map_or(String::new(), |seen| format!("{towards}{}", ids::ts_text(seen)));
    if request.towards == Towards::Newest {
        page.rows.reverse();
    }
    let details = Details::read(database, channel.number, &page.rows)?;
    Ok(render(&rows::render(&page.rows, details), page.cursor.is_some(), &next_cursor))
}

/// Reads a page.
pub(super) fn read(database: &Database, channel: i64, request: &PageRequest) -> database::Result<Page> {
    // One more than the page holds says whether there are more.
    let mut rows = rows::select(database, channel, request, request.limit + 1)?;
    let has_more = rows.len() > request.limit;
    rows.truncate(request.limit);
    Ok(Page { cursor: rows.last().filter(|_| has_more).map(|last| last.ts), rows })
}

/// A page as JSON.
pub(super) fn render<Message: Serialize>(messages: &[Message], has_more: bool, next_cursor: &str) -> String {
    #[derive(Serialize)]
    struct Page<'a, Message> {
        ok: bool,
        messages: &'a [Message],
        has_more: bool,
        response_metadata: Metadata<'a>,
    }
    #[derive(Serialize)]
    struct Metadata<'a> {
        next_cursor: &'a str,
    }
    answer::text(&Page { ok: true, messages, has_more, response_metadata: Metadata { next_cursor } })
}
