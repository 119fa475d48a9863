//! The reference server: Slack's wire over SQLite or PostgreSQL (`database`), with
//! chosen defects.
//!
//! It must not know `plan`, `ledger` or `judge`: the product shares no
//! assumption with the thing that it tests.
//!
//! One message through the house: `http` reads a request, `api` checks it
//! against the `directory` in memory, the `writer` stores it together with all
//! others that wait, and when that commit is on disk the `publisher` answers
//! the sender and hands the message to the `socket`s of its channel. Reads
//! (`history`) have their own connections to the database. Every event of a
//! channel goes through its outlet (`channel`): to sockets, to `apps`, and into
//! the window of `replay`.
//!
//! A message over a socket goes the same way, unless `fanout_first` has `rtm`
//! push it before the writer has it: a design to measure, and the one place
//! where something unstored is pushed.
//!
//! Where several servers share a store (`shared`), nothing is pushed at a commit:
//! each has written what it did into the `log` of the store, in the transaction
//! itself, and each has a `follower` that reads it: pushes and the directory are
//! in its order everywhere. `tickets` are signed with a key of the store.
//!
//! What holds otherwise, and is tested: an answer leaves only after the commit
//! that holds the message; the unique index over (channel, user, client_msg_id)
//! is the idempotency rule; pushes follow the commit, in its order; `ts` is
//! unique in a channel and ordered as the commits are; a change of a message
//! (`changes`) has a position of its own among them, and a deleted message keeps
//! its row and so its key.
//!
//! `null` is another server, which shares only the identities (`ids`): it keeps
//! nothing, answers after a known delay, and is what a generator is measured
//! with.

mod answer;
mod api;
mod app_api;
mod apps;
mod change_api;
mod changes;
mod channel;
mod database;
mod defects;
mod directory;
mod follower;
mod hints;
mod history;
mod http;
mod ids;
mod limits;
mod log;
mod null;
mod options;
mod params;
mod publisher;
mod readers;
mod replay;
mod rows;
mod rtm;
mod shared;
mod socket;
mod store;
mod sync;
mod tickets;
mod tls;
mod write;
mod writer;

pub use database::{AddressError, DatabaseError, PostgresAddress, remove_store, try_store};
pub use defects::{Defect, DefectError, DefectSpec};
pub use limits::Limits;
pub use null::{NullOptions, NullStamps, StampedLatency, run as serve_nothing};
pub use options::{AppOptions, Certificate, Commit, Options, ReplayWindow, ServerError, Synchronous};
pub use tls::self_signed;

use apps::{Apps, Event};
use database::{Database, Place, apart, listen};
use defects::Defects;
use follower::{Follower, Following};
use log::Log;
use publisher::Publisher;
use shared::Shared;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tickets::Tickets;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;
use writer::{SharedStore, Writer};

/// How long requests may take to end, and then sockets, when the server ends.
const PATIENCE: Duration = Duration::from_secs(3);

/// A server whose database is open, ready to serve.
pub struct Server {
    tls: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    writer: Writer,
    publisher: Publisher,
    notices: mpsc::Receiver<publisher::Notice>,
    sockets_ended: mpsc::Receiver<()>,
    place: Place,
    /// What apps are still to be told from the last time.
    untold: Vec<(i64, Event)>,
    follower: Option<Follower>,
}

impl Server {
    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// [`ServerError`] where a file cannot be opened or used.
    pub fn open(options: &Options) -> Result<Self, ServerError> {
        match options.postgres {
            Some(_) => apart(|| Self::open_here(options)),
            None => Self::open_here(options),
        }
    }

    fn open_here(options: &Options) -> Result<Self, ServerError> {
        let place = Place::of(options);
        let wrong = |source| match &options.postgres {
            Some(address) => ServerError::Store { address: address.clone(), reason: source },
            None => ServerError::Database { path: options.db.clone(), source },
        };
        if let Place::File(path) = &place {
            // Tokens are in it, so it is nobody else's to read.
            open_file(path, "--db", OpenOptions::new().create(true).append(true))?;
        }
        let log = match &options.defect_log {
            Some(path) => Some(open_file(path, "--defect-log", OpenOptions::new().create(true).append(true))?),
            None => None,
        };
        let tls = options.certificate.as_ref().map(tls::acceptor).transpose()?;
        let defects = Arc::new(Defects::new(&options.defects, options.lose_ack, log));
        let database = Database::for_writes(&place, options, !defects.repeat_keys()).map_err(wrong)?;
        let apps = Arc::new(Apps::new(&options.apps, defects.clone()));
        // What is loaded, and the place in the log behind which it goes on.
        database.begin().map_err(wrong)?;
        let last = log::last(&database).map_err(wrong)?;
        let directory = Arc::new(store::load(&database, &apps).map_err(wrong)?);
        let untold = store::take_untold(&database).map_err(wrong)?;
        let tickets = Tickets::new(store::ticket_key(&database).map_err(wrong)?);
        database.commit(false).map_err(wrong)?;
        let (writes, waiting) = mpsc::channel(writer::QUEUE_WRITES);
        let (sockets_alive, sockets_ended) = mpsc::channel(1);
        let (notes, notices) = mpsc::channel(publisher::QUEUE_NOTICES);
        let following = options.shared.then(|| Arc::new(Following::new()));
        // No other server has it: neither one that runs nor the last one here.
        let origin = (Uuid::new_v4().as_u64_pair().0 >> 1) as i64;
        let turn = match &place {
            Place::File(path) if options.shared => Some(turn_at(path)?),
            _ => None,
        };
        let shared = options.shared.then(|| SharedStore { log: Log::new(origin), turn });
        let writer = Writer::new(database, options, (writes.downgrade(), waiting), notes, &defects, shared);
        let replay = options.replay;
        let publisher = Publisher::new(directory.clone(), apps.clone(), defects.clone(), replay, following.clone());
        let follower = following.clone().map(|following| {
            let (directory, apps) = (directory.clone(), apps.clone());
            Follower { place: place.clone(), directory, apps, replay, following, origin, last }
        });
        let shared = Shared::new(options, directory, apps, defects, (tickets, following), writes, sockets_alive);
        Ok(Self { tls, shared: Arc::new(shared), writer, publisher, notices, sockets_ended, place, untold, follower })
    }

    /// Serves until `shutdown` is ready; then accepts no more, ends requests
    /// and sockets, and stores what is queued.
    ///
    /// # Errors
    /// [`ServerError::Thread`] where the writer cannot be started.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { tls, shared, writer, publisher, notices, mut sockets_ended, place, untold, follower } = self;
        let writing = std::thread::Builder::new().name("writer".to_owned()).spawn(move || writer.run());
        let writing = writing.map_err(ServerError::Thread)?;
        let publishing = tokio::spawn(publisher.run(notices));
        let (following, fell_behind) = follow(follower).map_err(ServerError::Thread)?;
        let expiring = tokio::spawn(shared.apps.clone().expire());
        for (bot, event) in untold {
            shared.apps.of(bot).iter().for_each(|app| app.tell(event.clone()));
        }
        let (stop, stopped) = watch::channel(false);
        let (alive, mut ended) = mpsc::channel(1);
        let accepting = tokio::spawn(http::accept(listener, tls, http::router(shared.clone()), stopped, alive));

        let fell_behind = tokio::select! {
            () = shutdown => false,
            Ok(()) = fell_behind => true,
        };
        stop.send_replace(true);
        // Requests first, so that what they store is still pushed.
        let requests = tokio::time::timeout(PATIENCE, ended.recv()).await;
        if requests.is_err() {
            tracing::warn!("some requests did not end within {PATIENCE:?}");
        }
        accepting.abort();
        if tokio::time::timeout(PATIENCE, shared.catch_up()).await.is_err() {
            tracing::warn!("the log of the store was not read to its end within {PATIENCE:?}");
        }
        shared.end_sockets();
        if tokio::time::timeout(PATIENCE, sockets_ended.recv()).await.is_err() {
            tracing::warn!("some sockets did not close within {PATIENCE:?}");
        }
        expiring.abort();
        shared.end_writes().await;
        let joined = tokio::task::spawn_blocking(move || writing.join().is_ok()).await;
        if !joined.unwrap_or(false) {
            tracing::error!("the writer ended in a panic");
        }
        // The writer has dropped its end, so the publisher comes to its own.
        if publishing.await.is_err() {
            tracing::error!("the publisher ended in a panic");
        }
        if let Some(following) = following {
            shared.following.iter().for_each(|shared| shared.end());
            let _ = tokio::task::spawn_blocking(move || following.join()).await;
        }
        keep_untold(&shared, place).await;
        if fell_behind { Err(ServerError::FellBehind) } else { Ok(()) }
    }
}

/// Starts to follow the log of the store, where other servers use it; the
/// second part is ready once what they did cannot be known any more.
type Followed = (Option<JoinHandle<()>>, oneshot::Receiver<()>);

fn follow(follower: Option<Follower>) -> std::io::Result<Followed> {
    let (fell_behind, told) = oneshot::channel();
    let Some(follower) = follower else { return Ok((None, told)) };
    let runtime = tokio::runtime::Handle::current();
    if let Place::Postgres(address) = follower.place.clone() {
        let following = follower.following.clone();
        // It ends soon after the follower has been told to.
        std::thread::Builder::new().name("listener".to_owned()).spawn(move || listen(&address, &following))?;
    }
    let thread = std::thread::Builder::new().name("follower".to_owned()).spawn(move || {
        // Apps that are told start tasks.
        let _within = runtime.enter();
        if follower.run().is_err() {
            let _ = fell_behind.send(());
        }
    })?;
    Ok((Some(thread), told))
}

/// The file whose lock gives the servers of a database their turns.
fn turn_at(db: &Path) -> Result<File, ServerError> {
    let mut path = db.as_os_str().to_owned();
    path.push("-turn");
    open_file(Path::new(&path), "--db", OpenOptions::new().create(true).append(true))
}

/// Keeps what apps were not told for the next server.
async fn keep_untold(shared: &Shared, place: Place) {
    let untold = shared.apps.untold().await;
    if untold.is_empty() {
        return;
    }
    let count = untold.len();
    let kept = tokio::task::spawn_blocking(move || store::keep_untold(&place, &untold)).await;
    if let Ok(Err(error)) = kept {
        tracing::error!("{count} events that apps were not told are lost: {error}");
    }
}

fn open_file(path: &Path, flag: &'static str, how: &mut OpenOptions) -> Result<File, ServerError> {
    how.mode(0o600).open(path).map_err(|source| ServerError::File { path: path.to_owned(), flag, source })
}
