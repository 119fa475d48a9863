//! The one way to the rows of the store: SQLite in this process, or PostgreSQL
//! over a connection.
//!
//! The same text of SQL serves both: SQLite's, with numbered parameters (`?1`),
//! `"user"` in quotes, and what both understand (`ON CONFLICT`, `RETURNING`).
//! What differs is here: how tables are made (`schema`), how a transaction begins
//! and ends, and how a server hears of what another wrote.

mod address;
mod listener;
mod row;
mod schema;
mod session;

pub use address::{AddressError, PostgresAddress};
pub(super) use listener::listen;
pub(super) use row::{Row, Value, values};
pub(super) use schema::HINT;

use super::options::{Options, Synchronous};
use rusqlite::{Connection, OpenFlags, params_from_iter};
use session::{Manner, Postgres};
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::Handle;

/// Pages of 4 KiB that the log of SQLite may grow to before it is folded into
/// the database. Each fold is two more waits for the disk, and pages that many
/// commits changed are written once.
const CHECKPOINT_PAGES: u32 = 8_192;
const CACHE_KIB: i32 = 65_536;
/// Texts of SQL that a connection keeps prepared.
const STATEMENTS: usize = 64;

pub(super) type Result<T> = std::result::Result<T, DatabaseError>;

/// Why the store did not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// What SQLite says.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// What PostgreSQL or the connection to it says.
    #[error("{}", session::said(.0))]
    Postgres(#[from] postgres::Error),
    /// The connection to PostgreSQL is gone, and with it the transaction.
    #[error("the connection to the database was lost")]
    Gone,
    /// A row is missing that must be there.
    #[error("a row is missing")]
    Missing,
    /// The database holds something that is in the way.
    #[error("{0}")]
    InTheWay(String),
}

impl DatabaseError {
    /// What may help, to be read behind the error.
    pub(super) fn advice(&self) -> &'static str {
        const PASSWORD: &str = "; give the user and its password in the URL, or the password in PGPASSWORD";
        let Self::Postgres(error) = self else { return "" };
        match error.code().map(|code| code.code()) {
            Some("28P01" | "28000") => PASSWORD,
            Some("3D000") => "; name another database, or make it with createdb",
            Some("42501") => "; let the user make a schema there (GRANT CREATE ON DATABASE), or make one that it owns",
            Some(_) => "",
            None if session::said(error).contains("password") => PASSWORD,
            None => "; is PostgreSQL there, and does it listen at this address?",
        }
    }

    /// Whether the database will never store this value, whatever it is asked
    /// along with.
    pub(super) fn is_of_a_value(&self) -> bool {
        // Data exceptions, integrity, program limits.
        let code = match self {
            Self::Postgres(error) => error.code().map_or("", |code| code.code()),
            _ => "",
        };
        ["22", "23", "54"].iter().any(|class| code.starts_with(class))
    }
}

/// Where a store is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    File(PathBuf),
    Postgres(PostgresAddress),
}

impl Place {
    pub(super) fn of(options: &Options) -> Self {
        match &options.postgres {
            Some(address) => Self::Postgres(address.clone()),
            None => Self::File(options.db.clone()),
        }
    }
}

/// A connection to the store.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(Connection),
    Postgres(Box<Postgres>),
}

impl Database {
    /// For a server's one writer; makes what is missing.
    pub(super) fn for_writes(place: &Place, options: &Options, unique_keys: bool) -> Result<Self> {
        let durable = options.synchronous == Synchronous::Full;
        let path = match place {
            Place::File(path) => path,
            Place::Postgres(address) => {
                let manner = if options.shared { Manner::AmongWriters } else { Manner::OnlyWriter };
                let database = Postgres::connect(address, manner, durable)?;
                database.make(unique_keys)?;
                return Ok(Self::Postgres(Box::new(database)));
            }
        };
        let database = Connection::open(path)?;
        database.busy_timeout(Duration::from_secs(5))?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        database.pragma_update(None, "synchronous", if durable { "FULL" } else { "OFF" })?;
        database.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        database.pragma_update(None, "cache_size", -CACHE_KIB)?;
        database.set_prepared_statement_cache_capacity(STATEMENTS);
        schema::make_in_sqlite(&database, unique_keys)?;
        Ok(Self::Sqlite(database))
    }

    /// For reads alone.
    pub(super) fn for_reads(place: &Place) -> Result<Self> {
        let path = match place {
            Place::File(path) => path,
            Place::Postgres(address) => {
                return Ok(Self::Postgres(Box::new(Postgres::connect(address, Manner::Reader, true)?)));
            }
        };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(path, flags)?;
        database.busy_timeout(Duration::from_secs(5))?;
        Ok(Self::Sqlite(database))
    }

    /// For one transaction of a server that ends.
    pub(super) fn for_last_words(place: &Place) -> Result<Self> {
        match place {
            Place::File(path) => Ok(Self::Sqlite(Connection::open(path)?)),
            Place::Postgres(address) => {
                Ok(Self::Postgres(Box::new(Postgres::connect(address, Manner::Visitor, true)?)))
            }
        }
    }

    /// Does something to rows, and gives their number.
    pub(super) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        match self {
            Self::Sqlite(database) => Ok(database.prepare_cached(sql)?.execute(params_from_iter(values))?),
            Self::Postgres(database) => database.execute(sql, values),
        }
    }

    /// All rows that are found, or that an `INSERT` returns.
    pub(super) fn rows<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        match self {
            Self::Sqlite(database) => {
                let mut statement = database.prepare_cached(sql)?;
                let mut found = statement.query(params_from_iter(values))?;
                let mut rows = Vec::new();
                while let Some(row) = found.next()? {
                    rows.push(read(&Row::Sqlite(row))?);
                }
                Ok(rows)
            }
            Self::Postgres(database) => {
                database.query(sql, values)?.iter().map(|row| read(&Row::Postgres(row))).collect()
            }
        }
    }

    /// The first of them.
    pub(super) fn row<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        match self {
            Self::Sqlite(database) => {
                let mut statement = database.prepare_cached(sql)?;
                let mut found = statement.query(params_from_iter(values))?;
                found.next()?.map(|row| read(&Row::Sqlite(row))).transpose()
            }
            Self::Postgres(database) => {
                database.query(sql, values)?.first().map(|row| read(&Row::Postgres(row))).transpose()
            }
        }
    }

    /// Begins a transaction that writes. No other that writes is open in the
    /// store from here on: what is committed is numbered in the order of the
    /// commits. A connection that was lost is made again here, and only here.
    pub(super) fn begin(&self) -> Result<()> {
        match self {
            Self::Sqlite(database) => {
                database.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
                Ok(())
            }
            Self::Postgres(database) => database.begin(),
        }
    }

    /// Ends it; it is durable when this returns. The other servers of the store
    /// are told where they are to be, and can be.
    pub(super) fn commit(&self, tell: bool) -> Result<()> {
        match self {
            Self::Sqlite(database) => {
                database.prepare_cached("COMMIT")?.execute([])?;
                Ok(())
            }
            Self::Postgres(database) => database.commit(tell),
        }
    }

    /// Ends it so that nothing of it is stored, if one is open.
    pub(super) fn roll_back(&self) -> Result<()> {
        match self {
            Self::Sqlite(database) if database.is_autocommit() => Ok(()),
            Self::Sqlite(database) => {
                database.prepare_cached("ROLLBACK")?.execute([])?;
                Ok(())
            }
            Self::Postgres(database) => database.roll_back(),
        }
    }

    /// A number that changes when another connection has written; `None` where
    /// nothing short of a read shows it.
    pub(super) fn version(&self) -> Result<Option<i64>> {
        match self {
            Self::Sqlite(database) => Ok(Some(database.pragma_query_value(None, "data_version", |row| row.get(0))?)),
            Self::Postgres(_) => Ok(None),
        }
    }

    /// Folds SQLite's log into the database.
    pub(super) fn tidy_up(&self) -> Result<()> {
        match self {
            Self::Sqlite(database) => Ok(database.pragma_update(None, "wal_checkpoint", "TRUNCATE")?),
            Self::Postgres(_) => Ok(()),
        }
    }
}

/// Connects to a database once, to see that a store can be there.
///
/// # Errors
/// [`DatabaseError`] where it cannot.
pub fn try_store(address: &PostgresAddress) -> Result<()> {
    apart(|| session::try_out(address))
}

/// Removes a store with all that is in it.
///
/// # Errors
/// [`DatabaseError`] where it stays.
pub fn remove_store(address: &PostgresAddress) -> Result<()> {
    apart(|| session::remove(address))
}

/// Does something on a thread of its own: the client of PostgreSQL brings a
/// runtime, and a thread that runs one takes no other.
pub(super) fn apart<T: Send>(task: impl FnOnce() -> T + Send) -> T {
    let runtime = Handle::try_current().ok();
    let task = move || {
        let _within = runtime.as_ref().map(Handle::enter);
        task()
    };
    std::thread::scope(|scope| scope.spawn(task).join()).unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
