//! How a server is to behave, and why it could not start.

use super::database::{DatabaseError, PostgresAddress};
use super::defects::DefectSpec;
use super::limits::Limits;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// SQLite's `synchronous=FULL`, PostgreSQL's `synchronous_commit=on`: a commit
    /// is on disk before it returns.
    #[default]
    Full,
    /// SQLite's `synchronous=OFF`: a commit is with the operating system;
    /// PostgreSQL's `synchronous_commit=off`: it is with the database's process. It
    /// survives a killed server and no power failure.
    Off,
}

/// How many writes share a commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commit {
    /// All that wait share one.
    #[default]
    Group,
    /// Each has its own: the baseline that grouping is measured against.
    Each,
}

/// What a socket that comes back is replayed, of each channel.
#[derive(Clone, Copy, Debug)]
pub struct ReplayWindow {
    /// So many events at most; 0 is no replay.
    pub events: usize,
    /// None that was pushed longer ago.
    pub age: Duration,
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self { events: 0, age: Duration::from_secs(60) }
    }
}

/// How a server treats apps.
#[derive(Clone, Debug)]
pub struct AppOptions {
    /// How long an app may take to acknowledge or to answer.
    pub answer_within: Duration,
    /// How long a connection of Socket Mode lives; without it, for ever.
    pub socket_refresh: Option<Duration>,
    /// What the waits of a minute and of five before an event is posted again
    /// are multiplied with.
    pub retry_scale: f64,
    /// The key of the signatures of POSTs to apps.
    pub signing_secret: String,
}

impl Default for AppOptions {
    fn default() -> Self {
        Self {
            answer_within: Duration::from_secs(3),
            socket_refresh: None,
            retry_scale: 1.0,
            signing_secret: "posthaste".to_owned(),
        }
    }
}

/// Two PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate, and those that lead to its authority.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// How a server is to behave.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The database file, made where there is none, unless the store is in
    /// PostgreSQL.
    pub db: PathBuf,
    /// Where it is there.
    pub postgres: Option<PostgresAddress>,
    /// What a commit waits for.
    pub synchronous: Synchronous,
    /// How many writes share a commit.
    pub commit: Commit,
    /// Whether other servers use the same store.
    pub shared: bool,
    /// The planted defects.
    pub defects: Vec<DefectSpec>,
    /// The answer to every n-th stored message is lost after its commit.
    pub lose_ack: Option<NonZeroU64>,
    /// While this file exists, the store takes no messages: the transaction is
    /// rolled back, and their senders are told `internal_error`. Users,
    /// channels and memberships are still stored.
    pub store_fail_while: Option<PathBuf>,
    /// The design `ws-fanout-first`: a message that comes over a socket is
    /// pushed before it is given to the store.
    pub fanout_first: bool,
    /// What a socket that comes back is replayed.
    pub replay: ReplayWindow,
    /// How apps are treated.
    pub apps: AppOptions,
    /// What the server shows of itself over TLS; without it, it speaks plain HTTP.
    pub certificate: Option<Certificate>,
    /// Known limits, to be found by measuring.
    pub limits: Limits,
    /// Where each committed instance of a defect is noted, a JSON object a
    /// line. Appended to.
    pub defect_log: Option<PathBuf>,
}

/// Why a server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The database cannot be opened or read.
    #[error("cannot use the database {path} (--db): {source}")]
    Database {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: DatabaseError,
    },
    /// A database of PostgreSQL cannot be used.
    #[error("cannot use {address} (--store): {reason}{}", .reason.advice())]
    Store {
        /// Where it is.
        address: PostgresAddress,
        /// What PostgreSQL or the connection to it says.
        reason: DatabaseError,
    },
    /// A file of the server cannot be made or opened.
    #[error("cannot open {path} ({flag}): {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// The flag that named it.
        flag: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// There is no certificate that could be shown.
    #[error("cannot use {path} ({flag}): {reason}")]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The flag that named it.
        flag: &'static str,
        /// Why.
        reason: String,
    },
    /// The server was stopped for longer than the log of the store is kept.
    #[error("this server was away for longer than the others keep what they did; start it again")]
    FellBehind,
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
