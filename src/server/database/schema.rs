//! The tables of the store. A message is found by its place in its channel, so
//! its rows are ordered by it.

use super::Result;
use rusqlite::Connection;

const SQLITE: &str = "
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

/// The same in PostgreSQL. `store` says whose the schema is.
pub(super) const POSTGRES: &str = r#"
CREATE TABLE IF NOT EXISTS store (version BIGINT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS users (number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, token TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS channels (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    creator BIGINT NOT NULL,
    created_s BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS private_channels (channel BIGINT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS members (channel BIGINT NOT NULL, "user" BIGINT NOT NULL, PRIMARY KEY (channel, "user"));
CREATE TABLE IF NOT EXISTS apps (bot BIGINT PRIMARY KEY, url TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS untold (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bot BIGINT NOT NULL,
    event TEXT NOT NULL,
    ts BIGINT NOT NULL,
    frame TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS log (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin BIGINT NOT NULL,
    kind BIGINT NOT NULL,
    channel BIGINT NOT NULL,
    member BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    frame TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS log_positions ON log (channel, ts);
CREATE TABLE IF NOT EXISTS secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
    channel BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    "user" BIGINT NOT NULL,
    client_msg_id TEXT,
    text TEXT NOT NULL,
    thread BIGINT,
    edited BIGINT,
    deleted BIGINT,
    PRIMARY KEY (channel, ts)
);
CREATE TABLE IF NOT EXISTS reactions (
    channel BIGINT NOT NULL,
    ts BIGINT NOT NULL,
    name TEXT NOT NULL,
    "user" BIGINT NOT NULL,
    event BIGINT NOT NULL,
    PRIMARY KEY (channel, ts, name, "user")
);
"#;

/// Costs nothing but where there are replies.
pub(super) const THREADS: &str =
    "CREATE INDEX IF NOT EXISTS threads ON messages (channel, thread, ts) WHERE thread IS NOT NULL";

/// The idempotency rule itself.
const UNIQUE_KEYS: &str = r#"
DROP INDEX IF EXISTS repeated_keys;
CREATE UNIQUE INDEX IF NOT EXISTS keys ON messages (channel, "user", client_msg_id);
"#;

/// What stands in its place under the defects that store a key twice.
const REPEATED_KEYS: &str = r#"
DROP INDEX IF EXISTS keys;
CREATE INDEX IF NOT EXISTS repeated_keys ON messages (channel, "user", client_msg_id);
"#;

/// How keys are indexed.
pub(super) fn keys(unique: bool) -> &'static str {
    if unique { UNIQUE_KEYS } else { REPEATED_KEYS }
}

pub(super) fn make_in_sqlite(database: &Connection, unique_keys: bool) -> Result<()> {
    database.execute_batch(SQLITE)?;
    // What messages have that those of older databases had not.
    for column in ["thread", "edited", "deleted"] {
        if !database.column_exists(None, "messages", column)? {
            database.execute_batch(&format!("ALTER TABLE messages ADD COLUMN {column} INTEGER"))?;
        }
    }
    database.execute_batch(THREADS)?;
    Ok(database.execute_batch(keys(unique_keys))?)
}

/// What SQLite is told where it would choose another index.
pub(in super::super) const HINT: &str = "INDEXED BY threads";
