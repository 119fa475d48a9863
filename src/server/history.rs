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

use super::answer::{self, ApiError, MessageRow};
use super::channel::Channel;
use super::defects::Defects;
use super::defects::pages::FaultyPages;
use super::ids;
use super::params::Params;
use rusqlite::{Connection, params};
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

/// A row as the database holds it.
pub(super) struct Row {
    pub(super) ts: u64,
    pub(super) user: i64,
    pub(super) key: Option<String>,
    pub(super) text: String,
}

impl Row {
    /// As it stands in an answer.
    pub(super) fn to_json(&self) -> serde_json::Value {
        let (user, ts) = (ids::user_id(self.user), ids::ts_text(self.ts));
        serde_json::json!(MessageRow::new(&user, &self.text, &ts, self.key.as_deref()))
    }
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
    database: &Connection,
    channel: &Channel,
    request: &PageRequest,
    reader: &str,
    defects: &Defects,
) -> rusqlite::Result<String> {
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
    Ok(render(&page.rows, page.cursor.is_some(), &next_cursor))
}

/// Reads a page.
pub(super) fn read(database: &Connection, channel: i64, request: &PageRequest) -> rusqlite::Result<Page> {
    // One more than the page holds says whether there are more.
    let mut rows = select(database, channel, request, request.limit + 1)?;
    let has_more = rows.len() > request.limit;
    rows.truncate(request.limit);
    Ok(Page { cursor: rows.last().filter(|_| has_more).map(|last| last.ts), rows })
}

/// So many of the rows of a request at most, in walking order.
pub(super) fn select(
    database: &Connection,
    channel: i64,
    request: &PageRequest,
    count: usize,
) -> rusqlite::Result<Vec<Row>> {
    const TO_OLDEST: &str = "SELECT ts, user, client_msg_id, text FROM messages
        WHERE channel = ?1 AND ts BETWEEN ?2 AND ?3 ORDER BY ts DESC LIMIT ?4";
    const TO_NEWEST: &str = "SELECT ts, user, client_msg_id, text FROM messages
        WHERE channel = ?1 AND ts BETWEEN ?2 AND ?3 ORDER BY ts ASC LIMIT ?4";
    let sql = if request.towards == Towards::Newest { TO_NEWEST } else { TO_OLDEST };
    let mut statement = database.prepare_cached(sql)?;
    let bounds = params![channel, request.from_us as i64, request.to_us as i64, count as i64];
    let rows = statement.query_map(bounds, |row| {
        Ok(Row { ts: row.get::<_, i64>(0)?.unsigned_abs(), user: row.get(1)?, key: row.get(2)?, text: row.get(3)? })
    })?;
    rows.collect()
}

/// The row at a position.
pub(super) fn find(database: &Connection, channel: i64, ts: u64) -> rusqlite::Result<Option<Row>> {
    let request = PageRequest { from_us: ts, to_us: ts, towards: Towards::Newest, limit: 1, continues: false };
    Ok(select(database, channel, &request, 1)?.pop())
}

fn render(rows: &[Row], has_more: bool, next_cursor: &str) -> String {
    #[derive(Serialize)]
    struct Page<'a> {
        ok: bool,
        messages: Vec<MessageRow<'a>>,
        has_more: bool,
        response_metadata: Metadata<'a>,
    }
    #[derive(Serialize)]
    struct Metadata<'a> {
        next_cursor: &'a str,
    }
    let names: Vec<_> = rows.iter().map(|row| (ids::user_id(row.user), ids::ts_text(row.ts))).collect();
    let messages = rows
        .iter()
        .zip(&names)
        .map(|(row, (user, ts))| MessageRow::new(user, &row.text, ts, row.key.as_deref()))
        .collect();
    answer::text(&Page { ok: true, messages, has_more, response_metadata: Metadata { next_cursor } })
}
