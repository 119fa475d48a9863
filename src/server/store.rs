//! How one row gets into the store and out.

use super::apps::poster::near_url;
use super::apps::{Apps, Event};
use super::channel::Channel;
use super::database::{Database, DatabaseError, Place, Result, Row, values};
use super::directory::Directory;
use std::sync::Arc;
use uuid::Uuid;

/// Reads users, channels, memberships and apps.
pub(super) fn load(database: &Database, apps: &Apps) -> Result<Directory> {
    let directory = Directory::default();
    let mut users = std::collections::HashMap::new();
    database.rows("SELECT number, token FROM users", &[], |row| {
        let number = row.get(0)?;
        users.insert(number, directory.add_user(number, &row.get::<String>(1)?));
        Ok(())
    })?;
    let mut channels = std::collections::HashMap::new();
    database.rows(CHANNELS, &[], |row| {
        let channel = Arc::new(channel(row)?);
        channels.insert(channel.number, channel.clone());
        directory.add_channel(channel);
        Ok(())
    })?;
    database.rows("SELECT channel, \"user\" FROM members", &[], |row| {
        if let (Some(channel), Some(user)) = (channels.get(&row.get(0)?), users.get(&row.get(1)?)) {
            directory.join(channel, user);
        }
        Ok(())
    })?;
    database.rows("SELECT bot, url FROM apps", &[], |row| {
        if let Some(bot) = users.get(&row.get(0)?) {
            let url = near_url(&row.get::<String>(1)?);
            directory.lead_to(&apps.enter(bot, Some(url)), bot);
        }
        Ok(())
    })?;
    Ok(directory)
}

/// The columns that [`channel`] reads.
const CHANNELS: &str = "SELECT number, name, creator, created_s,
        (SELECT coalesce(max(ts), 0) FROM messages WHERE channel = number),
        number IN (SELECT channel FROM private_channels)
    FROM channels";

fn channel(row: &Row<'_>) -> Result<Channel> {
    let name = row.get::<String>(1)?;
    let channel = Channel::new(row.get(0)?, &name, row.get(2)?, row.get(3)?, row.unsigned(4)?);
    Ok(channel.private(row.get(5)?))
}

/// The channel in a row.
pub(super) fn channel_in_row(database: &Database, number: i64) -> Result<Option<Channel>> {
    database.row(&format!("{CHANNELS} WHERE number = ?1"), values![number], channel)
}

/// The token of the user in a row.
pub(super) fn token_in_row(database: &Database, number: i64) -> Result<Option<String>> {
    database.row("SELECT token FROM users WHERE number = ?1", values![number], |row| row.get(0))
}

/// The URL of the app whose bot is in a row ("": none).
pub(super) fn url_of_app(database: &Database, bot: i64) -> Result<Option<String>> {
    database.row("SELECT url FROM apps WHERE bot = ?1", values![bot], |row| row.get(0))
}

/// The key of the store's tickets, made where there is none.
pub(super) fn ticket_key(database: &Database) -> Result<Box<str>> {
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let insert = "INSERT INTO secrets (name, value) VALUES ('tickets', ?1) ON CONFLICT DO NOTHING";
    database.execute(insert, values![key.as_str()])?;
    let known = database.row("SELECT value FROM secrets WHERE name = 'tickets'", &[], |row| row.get::<String>(0))?;
    known.map(Into::into).ok_or(DatabaseError::Missing)
}

/// Enters a token, and gives the row of its user.
pub(super) fn add_user(database: &Database, token: &str) -> Result<i64> {
    let insert = "INSERT INTO users (token) VALUES (?1) ON CONFLICT DO NOTHING RETURNING number";
    if let Some(number) = database.row(insert, values![token], |row| row.get(0))? {
        return Ok(number);
    }
    let known = database.row("SELECT number FROM users WHERE token = ?1", values![token], |row| row.get(0))?;
    known.ok_or(DatabaseError::Missing)
}

/// Enters a channel, and gives its row; `None` where the name is taken.
pub(super) fn add_channel(database: &Database, name: &str, creator: i64, created_s: i64) -> Result<Option<i64>> {
    const INSERT: &str = "INSERT INTO channels (name, creator, created_s) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO NOTHING RETURNING number";
    database.row(INSERT, values![name, creator, created_s], |row| row.get(0))
}

/// Makes a channel private.
pub(super) fn close_channel(database: &Database, channel: i64) -> Result<()> {
    database.execute("INSERT INTO private_channels (channel) VALUES (?1)", values![channel])?;
    Ok(())
}

/// Makes a user a member; no change where the user is one.
pub(super) fn add_member(database: &Database, channel: i64, user: i64) -> Result<()> {
    const INSERT: &str = "INSERT INTO members (channel, \"user\") VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    database.execute(INSERT, values![channel, user])?;
    Ok(())
}

pub(super) fn is_member(database: &Database, channel: i64, user: i64) -> Result<bool> {
    const FIND: &str = "SELECT 1 FROM members WHERE channel = ?1 AND \"user\" = ?2";
    Ok(database.row(FIND, values![channel, user], |_| Ok(()))?.is_some())
}

pub(super) fn remove_member(database: &Database, channel: i64, user: i64) -> Result<()> {
    database.execute("DELETE FROM members WHERE channel = ?1 AND \"user\" = ?2", values![channel, user])?;
    Ok(())
}

/// Enters an app by its bot, and sets its URL where one is given ("": none).
pub(super) fn add_app(database: &Database, bot: i64, url: Option<&str>) -> Result<()> {
    database.execute("INSERT INTO apps (bot) VALUES (?1) ON CONFLICT DO NOTHING", values![bot])?;
    if let Some(url) = url {
        database.execute("UPDATE apps SET url = ?2 WHERE bot = ?1", values![bot, url])?;
    }
    Ok(())
}

/// Keeps events that apps were not told, each with the row of a bot.
pub(super) fn keep_untold(place: &Place, untold: &[(i64, Event)]) -> Result<()> {
    let database = Database::for_last_words(place)?;
    database.begin()?;
    for (bot, Event { id, ts, frame }) in untold {
        let insert = "INSERT INTO untold (bot, event, ts, frame) VALUES (?1, ?2, ?3, ?4)";
        database.execute(insert, values![*bot, &**id, *ts, frame.as_str()])?;
    }
    database.commit(false)
}

/// Takes them out again, in the order in which they were kept.
pub(super) fn take_untold(database: &Database) -> Result<Vec<(i64, Event)>> {
    let untold = database.rows("SELECT bot, event, ts, frame FROM untold ORDER BY number", &[], |row| {
        let frame = row.get::<String>(3)?.into();
        Ok((row.get(0)?, Event { id: row.get::<String>(1)?.into(), ts: row.unsigned(2)?, frame }))
    })?;
    database.execute("DELETE FROM untold", &[])?;
    Ok(untold)
}

/// What a row of a message is to hold.
pub(super) struct NewMessage<'a> {
    pub(super) channel: i64,
    pub(super) ts: u64,
    pub(super) user: i64,
    pub(super) key: Option<&'a str>,
    pub(super) text: &'a str,
    /// The message that it replies to, where it does.
    pub(super) thread: Option<u64>,
}

/// Stores a message; `false` where its key is stored already.
pub(super) fn add_message(database: &Database, message: &NewMessage<'_>) -> Result<bool> {
    const INSERT: &str = "INSERT INTO messages (channel, ts, \"user\", client_msg_id, text, thread)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let NewMessage { channel, ts, user, key, text, thread } = *message;
    Ok(database.execute(INSERT, values![channel, ts, user, key, text, thread])? == 1)
}

/// Removes a message; `false` where there is none. Only a defect does.
pub(super) fn remove_message(database: &Database, channel: i64, ts: u64) -> Result<bool> {
    Ok(database.execute("DELETE FROM messages WHERE channel = ?1 AND ts = ?2", values![channel, ts])? == 1)
}

/// Undoes the deletion of a message; `false` where it is none. Only a defect
/// does.
pub(super) fn restore_message(database: &Database, channel: i64, ts: u64) -> Result<bool> {
    const RESTORE: &str = "UPDATE messages SET deleted = NULL
        WHERE channel = ?1 AND ts = ?2 AND deleted IS NOT NULL";
    Ok(database.execute(RESTORE, values![channel, ts])? == 1)
}

/// Position and text of the first row with a key.
pub(super) fn find_message(database: &Database, channel: i64, user: i64, key: &str) -> Result<Option<(u64, String)>> {
    const FIND: &str = "SELECT ts, text FROM messages
        WHERE channel = ?1 AND \"user\" = ?2 AND client_msg_id = ?3 ORDER BY ts LIMIT 1";
    database.row(FIND, values![channel, user, key], |row| Ok((row.unsigned(0)?, row.get(1)?)))
}
