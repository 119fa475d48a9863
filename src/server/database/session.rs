//! One session of PostgreSQL, with what it has prepared.
//!
//! A transaction that writes begins by taking the lock of the store, which it
//! holds until it ends on the other side, whatever becomes of the connection. So
//! a commit whose connection was lost is over, one way or the other, before the
//! next transaction of any server begins, and no row appears behind readers that
//! have passed its position.

use super::{DatabaseError, PostgresAddress, Result, Value, schema};
use postgres::{Client, Error, NoTls, Row, Statement, types::ToSql};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// What the tables are like; a store of another version is not used.
const VERSION: i64 = 1;
/// How long another server may take to end: one that was killed is gone once
/// PostgreSQL has noticed.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// The one writer of the store.
    OnlyWriter,
    /// One of several writers that know of each other.
    AmongWriters,
    Reader,
    /// It writes once, and no server is behind it.
    Visitor,
}

/// A session, as long as it lasts.
#[derive(Debug)]
pub(in super::super) struct Postgres {
    address: PostgresAddress,
    manner: Manner,
    durable: bool,
    session: RefCell<Option<Session>>,
}

struct Session {
    /// `None` while it is dropped.
    client: Option<Client>,
    statements: HashMap<Box<str>, Statement>,
}

impl Postgres {
    pub(super) fn connect(address: &PostgresAddress, manner: Manner, durable: bool) -> Result<Self> {
        let own = Self { address: address.clone(), manner, durable, session: RefCell::default() };
        own.session.replace(Some(own.open()?));
        Ok(own)
    }

    fn open(&self) -> Result<Session> {
        let mut client = self.address.config().connect(NoTls)?;
        let durable = if self.durable { "on" } else { "off" };
        // A server that stops in the middle of a transaction holds up the others.
        client.batch_execute(&format!(
            "SET search_path TO {}; SET synchronous_commit TO {durable}; SET client_min_messages TO warning;
             SET idle_in_transaction_session_timeout TO '10s'; SET default_transaction_isolation TO 'read committed'",
            self.address.schema()
        ))?;
        let mut session = Session { client: Some(client), statements: HashMap::new() };
        self.claim(&mut session)?;
        Ok(session)
    }

    /// A writer that is the only one is so for as long as its session lasts.
    fn claim(&self, session: &mut Session) -> Result<()> {
        let how = match self.manner {
            Manner::OnlyWriter => "pg_try_advisory_lock",
            Manner::AmongWriters => "pg_try_advisory_lock_shared",
            Manner::Reader | Manner::Visitor => return Ok(()),
        };
        let (asked_at, claim) = (Instant::now(), format!("SELECT {how}({})", self.address.lock("servers")));
        while !session.client()?.query_one(&claim, &[])?.try_get::<_, bool>(0)? {
            if asked_at.elapsed() > PATIENCE {
                let says =
                    "another server uses this store; where several are to, give each --shared, or use --replicas";
                return Err(DatabaseError::InTheWay(says.to_owned()));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Makes the tables where they are missing, and nothing where something else
    /// is.
    pub(super) fn make(&self, unique_keys: bool) -> Result<()> {
        let name = self.address.schema();
        self.begin()?;
        let is_there = !self.query("SELECT 1 FROM pg_namespace WHERE nspname = ?1", &[Value::Text(name)])?.is_empty();
        if !is_there {
            self.batch(&format!("CREATE SCHEMA {name}"))?;
        }
        let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = ?1::text::regnamespace";
        let tables = self.query(tables, &[Value::Text(name)])?;
        let is_own = tables.iter().any(|row| row.get::<_, &str>(0) == "store");
        if !tables.is_empty() && !is_own {
            let says = format!("the schema {name} holds something that is not posthaste's; name another with --schema");
            return Err(DatabaseError::InTheWay(says));
        }
        self.batch(schema::POSTGRES)?;
        self.batch(schema::THREADS)?;
        self.batch(schema::keys(unique_keys))?;
        self.execute(
            "INSERT INTO store (version) SELECT CAST(?1 AS BIGINT) WHERE NOT EXISTS (SELECT 1 FROM store)",
            &[VERSION.into()],
        )?;
        let version = self.query("SELECT version FROM store", &[])?;
        if version.first().is_none_or(|row| row.get::<_, i64>(0) != VERSION) {
            let says = format!("the tables in the schema {name} are of another version of posthaste; name another");
            return Err(DatabaseError::InTheWay(says));
        }
        self.commit(false)
    }

    pub(super) fn begin(&self) -> Result<()> {
        let mut session = self.session.borrow_mut();
        if session.as_ref().is_none_or(Session::is_gone) {
            *session = None;
            *session = Some(self.open()?);
        }
        drop(session);
        self.batch(&format!("BEGIN; SELECT pg_advisory_xact_lock({})", self.address.turn()))
    }

    pub(super) fn commit(&self, tell: bool) -> Result<()> {
        match tell {
            // It goes out with the commit, or not at all.
            true => self.batch(&format!("NOTIFY {}; COMMIT", self.address.channel())),
            false => self.batch("COMMIT"),
        }
    }

    pub(super) fn roll_back(&self) -> Result<()> {
        if self.session.borrow().is_none() {
            return Ok(());
        }
        let rolled_back = self.batch("ROLLBACK");
        if rolled_back.is_err() {
            self.session.replace(None);
        }
        rolled_back
    }

    pub(super) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize> {
        self.ask(|session| {
            let statement = session.prepared(sql)?;
            Ok(session.client()?.execute(&statement, &parameters(values))? as usize)
        })
    }

    pub(super) fn query(&self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>> {
        self.ask(|session| {
            let statement = session.prepared(sql)?;
            Ok(session.client()?.query(&statement, &parameters(values))?)
        })
    }

    fn batch(&self, sql: &str) -> Result<()> {
        self.ask(|session| Ok(session.client()?.batch_execute(sql)?))
    }

    /// Asks the session, which is given up where it has ended: whatever was open
    /// in it is not.
    fn ask<T>(&self, ask: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        let mut session = self.session.borrow_mut();
        let answer = ask(session.as_mut().ok_or(DatabaseError::Gone)?);
        if answer.is_err() && session.as_ref().is_some_and(Session::is_gone) {
            *session = None;
        }
        answer
    }
}

impl Session {
    fn client(&mut self) -> Result<&mut Client> {
        self.client.as_mut().ok_or(DatabaseError::Gone)
    }

    fn is_gone(&self) -> bool {
        self.client.as_ref().is_none_or(Client::is_closed)
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client()?.prepare(&translated(sql))?;
        self.statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }
}

/// The client says goodbye when it is dropped, and has a runtime of its own for
/// it: none of another may be around.
impl Drop for Session {
    fn drop(&mut self) {
        let client = self.client.take();
        if Handle::try_current().is_ok() {
            std::thread::spawn(move || drop(client));
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("is_gone", &self.is_gone()).finish_non_exhaustive()
    }
}

fn parameters<'v>(values: &'v [Value<'v>]) -> Vec<&'v (dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

/// SQLite's text as PostgreSQL wants it: other marks of parameters, and no hint
/// at an index.
fn translated(sql: &str) -> String {
    sql.replace('?', "$").replace(schema::HINT, "")
}

/// An error with its reason, which the client's own text leaves out.
pub(super) fn said(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return match said.hint() {
            Some(hint) => format!("{} ({hint})", said.message()),
            None => said.message().to_owned(),
        };
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(reason) = source {
        let reason_text = reason.to_string();
        if !text.contains(&reason_text) {
            text = format!("{text}: {reason_text}");
        }
        source = reason.source();
    }
    text
}

/// Connects once, to see that it can be done.
pub(super) fn try_out(address: &PostgresAddress) -> Result<()> {
    Postgres::connect(address, Manner::Visitor, true).map(drop)
}

/// Removes the tables and their schema.
pub(super) fn remove(address: &PostgresAddress) -> Result<()> {
    let visitor = Postgres::connect(address, Manner::Visitor, true)?;
    visitor.batch(&format!("DROP SCHEMA IF EXISTS {} CASCADE", address.schema()))
}
