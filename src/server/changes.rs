//! What may happen to a message after it was stored: it is edited or deleted, a
//! reaction to it is added or removed. The writer stores each and makes the
//! event that tells it.

use super::channel::Channel;
use super::database::{Database, Result, values};
use super::directory::User;
use super::ids;
use super::rows::{self, Row};
use super::write::Failure;
use super::writer::next_ts;
use serde_json::{Value, json};
use std::sync::Arc;

/// A change, asked for.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) channel: Arc<Channel>,
    pub(super) user: Arc<User>,
    /// The message's position in µs.
    pub(super) ts: u64,
    pub(super) what: What,
}

/// What is to happen.
#[derive(Debug)]
pub(super) enum What {
    /// The new text.
    Edit(Box<str>),
    Delete,
    /// The name of the reaction.
    React(Box<str>),
    Unreact(Box<str>),
}

/// A change that was made.
#[derive(Debug)]
pub(super) struct Changed {
    /// `event_ts` in µs.
    pub(super) event: u64,
    /// What is pushed.
    pub(super) frame: String,
}

/// Stores a change, in the open transaction; where it is not to be stored (a
/// defect), everything else is done.
pub(super) fn apply(
    database: &Database,
    change: &Change,
    is_stored: bool,
) -> Result<std::result::Result<Changed, Failure>> {
    let Change { channel, user, ts, what } = change;
    let Some(before) = rows::find(database, channel.number, *ts)? else {
        return Ok(Err(Failure::Refused("message_not_found")));
    };
    let refusal = match what {
        What::Edit(_) => Some("cant_update_message"),
        What::Delete => Some("cant_delete_message"),
        What::React(_) | What::Unreact(_) => None,
    };
    if let Some(refusal) = refusal.filter(|_| before.user != user.number) {
        return Ok(Err(Failure::Refused(refusal)));
    }
    let event = next_ts(channel);
    if is_stored && let Err(refusal) = store(database, change, event)? {
        return Ok(Err(Failure::Refused(refusal)));
    }
    let frame = tell(change, &before, event).to_string();
    Ok(Ok(Changed { event, frame }))
}

fn store(database: &Database, change: &Change, event: u64) -> Result<std::result::Result<(), &'static str>> {
    let Change { channel, user, ts, what } = change;
    let (channel, ts) = (channel.number, *ts);
    let place = "WHERE channel = ?1 AND ts = ?2";
    match what {
        What::Edit(text) => {
            let edit = format!("UPDATE messages SET text = ?3, edited = ?4 {place}");
            database.execute(&edit, values![channel, ts, &**text, event])?;
        }
        What::Delete => {
            let delete = format!("UPDATE messages SET deleted = ?3 {place}");
            database.execute(&delete, values![channel, ts, event])?;
            database.execute(&format!("DELETE FROM reactions {place}"), values![channel, ts])?;
        }
        What::React(name) => {
            let add = "INSERT INTO reactions (channel, ts, name, \"user\", event) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT DO NOTHING";
            if database.execute(add, values![channel, ts, &**name, user.number, event])? == 0 {
                return Ok(Err("already_reacted"));
            }
        }
        What::Unreact(name) => {
            let remove = format!("DELETE FROM reactions {place} AND name = ?3 AND \"user\" = ?4");
            if database.execute(&remove, values![channel, ts, &**name, user.number])? == 0 {
                return Ok(Err("no_reaction"));
            }
        }
    }
    Ok(Ok(()))
}

/// The event that tells a change.
fn tell(change: &Change, before: &Row, event: u64) -> Value {
    let Change { channel, user, ts, what } = change;
    let (event_ts, ts) = (ids::ts_text(event), ids::ts_text(*ts));
    let reaction = |kind, name| {
        json!({
            "type": kind,
            "user": user.id,
            "reaction": name,
            "item": { "type": "message", "channel": channel.id, "ts": ts },
            "item_user": ids::user_id(before.user),
            "event_ts": event_ts,
        })
    };
    let mut told = json!({
        "type": "message",
        "subtype": if matches!(what, What::Delete) { "message_deleted" } else { "message_changed" },
        "hidden": true,
        "channel": channel.id,
        "previous_message": before.to_json(),
        "ts": event_ts,
        "event_ts": event_ts,
    });
    match what {
        What::Edit(text) => {
            let after = Row { text: text.to_string(), edited: Some(event), ..before.clone() };
            told["message"] = after.to_json();
        }
        What::Delete => told["deleted_ts"] = json!(ts),
        What::React(name) => return reaction("reaction_added", name),
        What::Unreact(name) => return reaction("reaction_removed", name),
    }
    told
}

/// Whether a message may be replied to: it is there, and no reply itself.
pub(super) fn takes_replies(database: &Database, channel: i64, ts: u64) -> Result<bool> {
    Ok(rows::find(database, channel, ts)?.is_some_and(|row| row.thread.is_none()))
}
