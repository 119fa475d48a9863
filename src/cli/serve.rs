//! Arguments of `posthaste serve`.

use super::duration;
use clap::{Args, ValueEnum};
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

/// The reference server.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// Port to listen on; 0 takes a free one. The first line of the output
    /// names it.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Serves over TLS with this certificate: a PEM file, with those that lead to
    /// its authority behind it.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Serves over TLS with a certificate of its own for this machine, in a file
    /// that is named at the start.
    #[arg(long, conflicts_with = "tls_cert")]
    pub tls: bool,
    /// SQLite database, made where there is none. Without it the data lives in
    /// a temporary file and is gone at the end.
    #[arg(long, value_name = "PATH", conflicts_with = "store")]
    pub db: Option<PathBuf>,
    /// A database of PostgreSQL instead: postgres://USER@HOST:PORT/DATABASE, its
    /// password in it or in PGPASSWORD; or env:NAME of a variable that holds it.
    /// Only on loopback or a private address, for it is spoken to without TLS.
    #[arg(long, value_name = "URL")]
    pub store: Option<String>,
    /// With --store: the schema that holds the tables, made where there is none.
    #[arg(long, value_name = "NAME", default_value = "posthaste")]
    pub schema: String,
    /// So many processes over one store, behind a balancer that listens on --host
    /// and --port; SIGHUP replaces one after another
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub replicas: u16,
    /// Other servers use the same store: what they store is pushed here too
    #[arg(long)]
    pub shared: bool,
    /// What a commit waits for: the disk, or nothing (PostgreSQL's
    /// synchronous_commit).
    #[arg(long, value_enum, default_value = "full")]
    pub synchronous: SynchronousArg,
    /// Whether writes that wait share a commit.
    #[arg(long, value_enum, default_value = "group")]
    pub commit: CommitArg,
    /// Plants a bug that shows at every n-th opportunity. May be repeated;
    /// "list" prints what there is.
    #[arg(long, value_name = "NAME[=every]")]
    pub defect: Vec<String>,
    /// Closes the connection instead of answering, after every n-th message is
    /// stored.
    #[arg(long, value_name = "every")]
    pub lose_ack: Option<NonZeroU64>,
    /// Appends a JSON line for every instance of a planted bug.
    #[arg(long, value_name = "FILE")]
    pub defect_log: Option<PathBuf>,
    /// While this file exists, the store takes no messages.
    #[arg(long, value_name = "FILE")]
    pub store_fail_while: Option<PathBuf>,
    /// Pushes what is sent over a socket before it is stored.
    #[arg(long)]
    pub fanout_first: bool,
    /// Replays to a socket that comes back at most so many events of each
    /// channel; 0 is no replay.
    #[arg(long, value_name = "EVENTS", default_value_t = 0)]
    pub replay_window: usize,
    /// How long an event stays in that window.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub replay_age: Duration,
    /// How long an app may take to acknowledge or to answer.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub app_timeout: Duration,
    /// Has apps replace their Socket Mode connections after so long.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub socket_refresh: Option<Duration>,
    /// Multiplies the minute and the five minutes that an event waits before it
    /// is posted to an app again.
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub retry_scale: f64,
    /// Signs what is posted to apps.
    #[arg(long, value_name = "TEXT", default_value = "posthaste")]
    pub signing_secret: String,
    /// Posts a second that the store takes: what comes faster waits, as in a
    /// server that is saturated.
    #[arg(long, value_name = "POSTS")]
    pub max_rate: Option<NonZeroU32>,
    /// CPU time in µs that is spent on each post, for nothing.
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub burn_post: u64,
    /// CPU time in µs that is spent on each event that a socket is sent.
    #[arg(long, value_name = "US", default_value_t = 0)]
    pub burn_delivery: u64,
    /// Keeps nothing and answers at once: for measuring a generator, with its
    /// target profile in posthaste check --self. Only --host, --port and the
    /// next four count.
    #[arg(long)]
    pub null: bool,
    /// With --null: how long a post waits for its acknowledgement.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, requires = "null")]
    pub ack_delay: Duration,
    /// With --null: how long a post waits until it is pushed.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration, requires = "null")]
    pub push_delay: Duration,
    /// With --null: its sockets are wss, for a proxy before it that ends TLS.
    #[arg(long, requires = "null")]
    pub behind_tls: bool,
    /// With --null: writes at the end what the server itself has stamped.
    #[arg(long, value_name = "FILE", requires = "null")]
    pub stamps: Option<PathBuf>,
    /// Ends when standard input does, so that a server does not outlive the
    /// process that started it.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SynchronousArg {
    /// The disk.
    Full,
    /// Nothing: survives a killed process, but no power failure.
    Off,
}

/// How many writes share a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CommitArg {
    /// All that wait share one.
    Group,
    /// Each has its own.
    Each,
}
