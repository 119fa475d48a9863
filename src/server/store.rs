//! The database: what is in it, and how one row gets in and out.

use super::apps::poster::near_url;
use super::apps::{Apps, Event};
use super::channel::Channel;
use super::directory::Directory;
use super::options::{Options, Synchronous};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result, Row, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// A message is found by its place in its channel, so rows live in a B-tree
/// ordered by it.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (number INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS channels (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    creator INTEGER NOT NULL,
    created_s INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS private_channels (channel INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS members (
    channel INTEGER NOT NULL,
    user INTEGER NOT NULL,
    PRIMARY KEY (channel, user)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS apps (bot INTEGER PRIMARY KEY, url TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS untold (
    number INTEGER PRIMARY KEY,
    bot INTEGER NOT NULL,
    event TEXT NOT NULL,
    ts INTEGER NOT NULL,
    frame TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS log (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    origin INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    member INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    frame TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS log_positions ON log (channel, ts);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    channel INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    user INTEGER NOT NULL,
    client_msg_id TEXT,
    text TEXT NOT NULL,
    thread INTEGER,
    edited INTEGER,
    deleted INTEGER,
    PRIMARY KEY (channel, ts)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reactions (
    channel INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    name TEXT NOT NULL,
    user INTEGER NOT NULL,
    event INTEGER NOT NULL,
    PRIMARY KEY (channel, ts, name, user)
) WITHOUT ROWID;
";

/// Costs nothing but where there are replies.
const THREADS: &str = "CREATE INDEX IF NOT EXISTS threads ON messages (channel, thread, ts) WHERE thread IS NOT NULL";

/// The idempotency rule itself.
const UNIQUE_KEYS: &str = "
DROP INDEX IF EXISTS repeated_keys;
CREATE UNIQUE INDEX IF NOT EXISTS keys ON messages (channel, user, client_msg_id);
";

/// What stands in its place under the defects that store a key twice.
const REPEATED_KEYS: &str = "
DROP INDEX IF EXISTS keys;
CREATE INDEX IF NOT EXISTS repeated_keys ON messages (channel, user, client_msg_id);
";

/// Pages of 4 KiB that the log may grow to before it is folded into the
/// database. Each fold is two more waits for the disk, and pages that many
/// commits changed are written once.
const CHECKPOINT_PAGES: u32 = 8_192;
const CACHE_KIB: i32 = 65_536;

/// Opens the database for its one writer, and makes what is missing.
pub(super) fn open_writer(options: &Options, unique_keys: bool) -> Result<Connection> {
    let database = Connection::open(&options.db)?;
    database.busy_timeout(Duration::from_secs(5))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Off => "OFF",
    };
    database.pragma_update(None, "synchronous", synchronous)?;
    database.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    database.pragma_update(None, "cache_size", -CACHE_KIB)?;
    database.execute_batch(SCHEMA)?;
    add_columns(&database)?;
    database.execute_batch(THREADS)?;
    database.execute_batch(if unique_keys { UNIQUE_KEYS } else { REPEATED_KEYS })?;
    Ok(database)
}

/// Adds what messages have that those of older databases had not.
fn add_columns(database: &Connection) -> Result<()> {
    for column in ["thread", "edited", "deleted"] {
        if !database.column_exists(None, "messages", column)? {
            database.execute_batch(&format!("ALTER TABLE messages ADD COLUMN {column} INTEGER"))?;
        }
    }
    Ok(())
}

/// Opens the database for reads alone.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.busy_timeout(Duration::from_secs(5))?;
    Ok(database)
}

/// Reads users, channels, memberships and apps.
pub(super) fn load(database: &Connection, apps: &Apps) -> Result<Directory> {
    let directory = Directory::default();
    let mut users = std::collections::HashMap::new();
    let mut statement = database.prepare("SELECT number, token FROM users")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        users.insert(number, directory.add_user(number, row.get_ref(1)?.as_str()?));
    }
    let mut channels = std::collections::HashMap::new();
    let mut statement = database.prepare(CHANNELS)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let channel = Arc::new(channel(row)?);
        channels.insert(channel.number, channel.clone());
        directory.add_channel(channel);
    }
    let mut statement = database.prepare("SELECT channel, user FROM members")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let (Some(channel), Some(user)) = (channels.get(&row.get(0)?), users.get(&row.get(1)?)) {
            directory.join(channel, user);
        }
    }
    let mut statement = database.prepare("SELECT bot, url FROM apps")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(bot) = users.get(&row.get(0)?) {
            let url = near_url(row.get_ref(1)?.as_str()?);
            directory.lead_to(&apps.enter(bot, Some(url)), bot);
        }
    }
    Ok(directory)
}

/// The columns that [`channel`] reads.
const CHANNELS: &str = "SELECT number, name, creator, created_s,
        (SELECT coalesce(max(ts), 0) FROM messages WHERE channel = number),
        number IN (SELECT channel FROM private_channels)
    FROM channels";

fn channel(row: &Row<'_>) -> Result<Channel> {
    let last_ts = row.get::<_, i64>(4)?.unsigned_abs();
    let channel = Channel::new(row.get(0)?, row.get_ref(1)?.as_str()?, row.get(2)?, row.get(3)?, last_ts);
    Ok(channel.private(row.get(5)?))
}

/// The channel in a row.
pub(super) fn channel_in_row(database: &Connection, number: i64) -> Result<Option<Channel>> {
    database.prepare_cached(&format!("{CHANNELS} WHERE number = ?1"))?.query_row([number], channel).optional()
}

/// The token of the user in a row.
pub(super) fn token_in_row(database: &Connection, number: i64) -> Result<Option<String>> {
    let find = "SELECT token FROM users WHERE number = ?1";
    database.prepare_cached(find)?.query_row([number], |row| row.get(0)).optional()
}

/// The URL of the app whose bot is in a row ("": none).
pub(super) fn url_of_app(database: &Connection, bot: i64) -> Result<Option<String>> {
    let find = "SELECT url FROM apps WHERE bot = ?1";
    database.prepare_cached(find)?.query_row([bot], |row| row.get(0)).optional()
}

/// The key of the store's tickets, made where there is none.
pub(super) fn ticket_key(database: &Connection) -> Result<Box<str>> {
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let insert = "INSERT INTO secrets (name, value) VALUES ('tickets', ?1) ON CONFLICT DO NOTHING";
    database.execute(insert, [key])?;
    let known =
        database.query_row("SELECT value FROM secrets WHERE name = 'tickets'", [], |row| row.get::<_, String>(0));
    known.map(Into::into)
}

/// Enters a token, and gives the row of its user.
pub(super) fn add_user(database: &Connection, token: &str) -> Result<i64> {
    let mut insert = database.prepare_cached("INSERT INTO users (token) VALUES (?1) ON CONFLICT DO NOTHING")?;
    if insert.execute([token])? == 1 {
        return Ok(database.last_insert_rowid());
    }
    database.prepare_cached("SELECT number FROM users WHERE token = ?1")?.query_row([token], |row| row.get(0))
}

/// Enters a channel, and gives its row; `None` where the name is taken.
pub(super) fn add_channel(database: &Connection, name: &str, creator: i64, created_s: i64) -> Result<Option<i64>> {
    const INSERT: &str =
        "INSERT INTO channels (name, creator, created_s) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO NOTHING";
    let added = database.prepare_cached(INSERT)?.execute(params![name, creator, created_s])?;
    Ok((added == 1).then(|| database.last_insert_rowid()))
}

/// Makes a channel private.
pub(super) fn close_channel(database: &Connection, channel: i64) -> Result<()> {
    database.prepare_cached("INSERT INTO private_channels (channel) VALUES (?1)")?.execute([channel])?;
    Ok(())
}

/// Makes a user a member; no change where the user is one.
pub(super) fn add_member(database: &Connection, channel: i64, user: i64) -> Result<()> {
    const INSERT: &str = "INSERT INTO members (channel, user) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    database.prepare_cached(INSERT)?.execute([channel, user])?;
    Ok(())
}

pub(super) fn is_member(database: &Connection, channel: i64, user: i64) -> Result<bool> {
    database.prepare_cached("SELECT 1 FROM members WHERE channel = ?1 AND user = ?2")?.exists([channel, user])
}

pub(super) fn remove_member(database: &Connection, channel: i64, user: i64) -> Result<()> {
    const DELETE: &str = "DELETE FROM members WHERE channel = ?1 AND user = ?2";
    database.prepare_cached(DELETE)?.execute([channel, user])?;
    Ok(())
}

/// Enters an app by its bot, and sets its URL where one is given ("": none).
pub(super) fn add_app(database: &Connection, bot: i64, url: Option<&str>) -> Result<()> {
    database.prepare_cached("INSERT INTO apps (bot) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([bot])?;
    if let Some(url) = url {
        database.prepare_cached("UPDATE apps SET url = ?2 WHERE bot = ?1")?.execute(params![bot, url])?;
    }
    Ok(())
}

/// Keeps events that apps were not told, each with the row of a bot.
pub(super) fn keep_untold(path: &Path, untold: &[(i64, Event)]) -> Result<()> {
    let mut database = Connection::open(path)?;
    let transaction = database.transaction()?;
    for (bot, Event { id, ts, frame }) in untold {
        let insert = "INSERT INTO untold (bot, event, ts, frame) VALUES (?1, ?2, ?3, ?4)";
        transaction.prepare_cached(insert)?.execute(params![bot, id, *ts as i64, frame.as_str()])?;
    }
    transaction.commit()
}

/// Takes them out again, in the order in which they were kept.
pub(super) fn take_untold(database: &Connection) -> Result<Vec<(i64, Event)>> {
    let mut statement = database.prepare("SELECT bot, event, ts, frame FROM untold ORDER BY number")?;
    let rows = statement.query_map([], |row| {
        let frame = row.get::<_, String>(3)?.into();
        Ok((row.get(0)?, Event { id: row.get(1)?, ts: row.get::<_, i64>(2)?.unsigned_abs(), frame }))
    })?;
    let untold = rows.collect();
    database.execute("DELETE FROM untold", [])?;
    untold
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
pub(super) fn add_message(database: &Connection, message: &NewMessage<'_>) -> Result<bool> {
    const INSERT: &str = "INSERT INTO messages (channel, ts, user, client_msg_id, text, thread)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let mut insert = database.prepare_cached(INSERT)?;
    let NewMessage { channel, ts, user, key, text, thread } = message;
    let thread = thread.map(|thread| thread as i64);
    Ok(insert.execute(params![channel, *ts as i64, user, key, text, thread])? == 1)
}

/// Removes a message; `false` where there is none. Only a defect does.
pub(super) fn remove_message(database: &Connection, channel: i64, ts: u64) -> Result<bool> {
    const REMOVE: &str = "DELETE FROM messages WHERE channel = ?1 AND ts = ?2";
    Ok(database.prepare_cached(REMOVE)?.execute([channel, ts as i64])? == 1)
}

/// Undoes the deletion of a message; `false` where it is none. Only a defect
/// does.
pub(super) fn restore_message(database: &Connection, channel: i64, ts: u64) -> Result<bool> {
    const RESTORE: &str = "UPDATE messages SET deleted = NULL
        WHERE channel = ?1 AND ts = ?2 AND deleted IS NOT NULL";
    Ok(database.prepare_cached(RESTORE)?.execute([channel, ts as i64])? == 1)
}

/// Position and text of the first row with a key.
pub(super) fn find_message(database: &Connection, channel: i64, user: i64, key: &str) -> Result<Option<(u64, String)>> {
    const FIND: &str = "SELECT ts, text FROM messages
        WHERE channel = ?1 AND user = ?2 AND client_msg_id = ?3 ORDER BY ts LIMIT 1";
    let mut find = database.prepare_cached(FIND)?;
    find.query_row(params![channel, user, key], |row| Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?)))
        .optional()
}
