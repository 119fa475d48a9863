//! Rows of messages as they are read: one, those of a range, those of a thread,
//! and what stands beside them (reactions, numbers of replies).
//!
//! A deleted message keeps its row, so that its key stays taken, and is read by
//! nobody. Replies are read with their thread alone.

use super::answer::MessageRow;
use super::database::{self, Database, HINT, Result, values};
use super::history::{PageRequest, Towards};
use super::ids;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashMap;

/// A row as the database holds it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// In µs, as all positions.
    pub(super) ts: u64,
    /// Row of the user.
    pub(super) user: i64,
    pub(super) key: Option<String>,
    pub(super) text: String,
    /// The first message of its thread, where it is a reply.
    pub(super) thread: Option<u64>,
    /// The event that edited it last.
    pub(super) edited: Option<u64>,
}

/// The columns that [`Row::read`] reads.
const COLUMNS: &str = "ts, \"user\", client_msg_id, text, thread, edited";

impl Row {
    fn read(row: &database::Row<'_>) -> Result<Self> {
        let ts = |index| row.get::<Option<i64>>(index).map(|ts| ts.map(i64::unsigned_abs));
        Ok(Self {
            ts: row.unsigned(0)?,
            user: row.get(1)?,
            key: row.get(2)?,
            text: row.get(3)?,
            thread: ts(4)?,
            edited: ts(5)?,
        })
    }

    /// As it stands in an event.
    pub(super) fn to_json(&self) -> Value {
        serde_json::to_value(self.message()).unwrap_or_default()
    }

    fn message(&self) -> MessageRow<'_> {
        let (user, ts) = (ids::user_id(self.user), ids::ts_text(self.ts));
        let edited = self.edited.map(|edited| Edited { user: user.clone(), ts: ids::ts_text(edited) });
        let mut message = MessageRow::new(user.into(), &self.text, ts.into(), self.key.as_deref());
        (message.thread_ts, message.edited) = (self.thread.map(ids::ts_text), edited);
        message
    }
}

/// Who edited a message last, and when.
#[derive(Debug, Serialize)]
pub(super) struct Edited {
    user: String,
    ts: String,
}

/// One reaction to a message.
#[derive(Debug, Serialize)]
pub(super) struct Reaction {
    name: String,
    count: usize,
    /// In the order in which they reacted.
    users: Vec<String>,
}

/// The replies to a message.
#[derive(Clone, Copy, Debug)]
struct Replies {
    count: u64,
    latest: u64,
}

/// What stands beside the rows of a page.
#[derive(Debug, Default)]
pub(super) struct Details {
    reactions: HashMap<u64, Vec<Reaction>>,
    replies: HashMap<u64, Replies>,
}

impl Details {
    /// Reads what belongs to rows of a channel.
    pub(super) fn read(database: &Database, channel: i64, rows: &[Row]) -> Result<Self> {
        let mut details = Self::default();
        let positions = || rows.iter().map(|row| row.ts as i64);
        let (Some(from), Some(to)) = (positions().min(), positions().max()) else { return Ok(details) };
        const REACTIONS: &str = "SELECT ts, name, \"user\" FROM reactions
            WHERE channel = ?1 AND ts BETWEEN ?2 AND ?3 ORDER BY ts, event";
        database.rows(REACTIONS, values![channel, from, to], |row| {
            let of_message = details.reactions.entry(row.unsigned(0)?).or_default();
            let (name, user) = (row.get::<String>(1)?, ids::user_id(row.get(2)?));
            match of_message.iter_mut().find(|reaction| reaction.name == name) {
                Some(reaction) => {
                    reaction.users.push(user);
                    reaction.count += 1;
                }
                None => of_message.push(Reaction { name, count: 1, users: vec![user] }),
            }
            Ok(())
        })?;
        const REPLIES: &str = "SELECT thread, count(*), max(ts) FROM messages
            WHERE channel = ?1 AND thread BETWEEN ?2 AND ?3 AND deleted IS NULL GROUP BY thread";
        database.rows(REPLIES, values![channel, from, to], |row| {
            details.replies.insert(row.unsigned(0)?, Replies { count: row.unsigned(1)?, latest: row.unsigned(2)? });
            Ok(())
        })?;
        Ok(details)
    }
}

/// Rows as they stand in an answer, with what belongs to them.
pub(super) fn render(rows: &[Row], details: Details) -> Vec<MessageRow<'_>> {
    let Details { mut reactions, replies } = details;
    let render = |row| {
        let mut message = Row::message(row);
        message.reactions = reactions.remove(&row.ts).unwrap_or_default();
        if let Some(Replies { count, latest }) = replies.get(&row.ts) {
            message.thread_ts = Some(ids::ts_text(row.ts));
            message.reply_count = Some(*count);
            message.latest_reply = Some(ids::ts_text(*latest));
        }
        message
    };
    rows.iter().map(render).collect()
}

/// So many of the rows of a request at most, in walking order.
pub(super) fn select(database: &Database, channel: i64, request: &PageRequest, count: usize) -> Result<Vec<Row>> {
    let order = if request.towards == Towards::Newest { "ASC" } else { "DESC" };
    let select = format!(
        "SELECT {COLUMNS} FROM messages WHERE channel = ?1 AND ts BETWEEN ?2 AND ?3
            AND thread IS NULL AND deleted IS NULL ORDER BY ts {order} LIMIT ?4"
    );
    database.rows(&select, values![channel, request.from_us, request.to_us, count as i64], Row::read)
}

/// So many of the replies in a thread at most, oldest first.
pub(super) fn replies(
    database: &Database,
    channel: i64,
    thread: u64,
    request: &PageRequest,
    count: usize,
) -> Result<Vec<Row>> {
    let select = format!(
        "SELECT {COLUMNS} FROM messages {HINT} WHERE channel = ?1 AND thread = ?5 AND ts BETWEEN ?2 AND ?3
            AND deleted IS NULL ORDER BY ts LIMIT ?4"
    );
    database.rows(&select, values![channel, request.from_us, request.to_us, count as i64, thread], Row::read)
}

/// The message at a position, a reply too.
pub(super) fn find(database: &Database, channel: i64, ts: u64) -> Result<Option<Row>> {
    Ok(find_ever(database, channel, ts)?.filter(|(_, deleted)| !deleted).map(|(row, _)| row))
}

/// The row at a position, and whether its message is deleted.
pub(super) fn find_ever(database: &Database, channel: i64, ts: u64) -> Result<Option<(Row, bool)>> {
    let select = format!("SELECT {COLUMNS}, deleted FROM messages WHERE channel = ?1 AND ts = ?2");
    database.row(&select, values![channel, ts], |row| Ok((Row::read(row)?, row.get::<Option<i64>>(6)?.is_some())))
}
