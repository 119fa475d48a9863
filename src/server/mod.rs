//! The reference server: Slack's wire over SQLite, with chosen defects.
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
//! What holds otherwise, and is tested: an answer leaves only after the commit
//! that holds the message; the unique index over (channel, user, client_msg_id)
//! is the idempotency rule; pushes follow the commit, in its order; `ts` is
//! unique in a channel and ordered as the commits are; a change of a message
//! (`changes`) has a position of its own among them, and a deleted message keeps
//! its row and so its key.

mod answer;
mod api;
mod app_api;
mod apps;
mod change_api;
mod changes;
mod channel;
mod defects;
mod directory;
mod hints;
mod history;
mod http;
mod ids;
mod limits;
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
mod tls;
mod writer;

pub use defects::{Defect, DefectError, DefectSpec};
pub use limits::Limits;
pub use options::{AppOptions, Certificate, Commit, Options, ReplayWindow, ServerError, Synchronous};
pub use tls::self_signed;

use apps::{Apps, Event};
use defects::Defects;
use publisher::Publisher;
use shared::Shared;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use writer::Writer;

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
    db: PathBuf,
    /// What apps are still to be told from the last time.
    untold: Vec<(i64, Event)>,
}

impl Server {
    /// Opens the database, and makes it where there is none.
    ///
    /// # Errors
    /// [`ServerError`] where a file cannot be opened or used.
    pub fn open(options: &Options) -> Result<Self, ServerError> {
        let wrong = |source| ServerError::Database { path: options.db.clone(), source };
        // Tokens are in it, so it is nobody else's to read.
        open_file(&options.db, "--db", OpenOptions::new().create(true).append(true))?;
        let log = match &options.defect_log {
            Some(path) => Some(open_file(path, "--defect-log", OpenOptions::new().create(true).append(true))?),
            None => None,
        };
        let tls = options.certificate.as_ref().map(tls::acceptor).transpose()?;
        let defects = Arc::new(Defects::new(&options.defects, options.lose_ack, log));
        let database = store::open_writer(options, !defects.repeat_keys()).map_err(wrong)?;
        let apps = Arc::new(Apps::new(&options.apps, defects.clone()));
        let directory = Arc::new(store::load(&database, &apps).map_err(wrong)?);
        let untold = store::take_untold(&database).map_err(wrong)?;
        let (writes, waiting) = mpsc::channel(writer::QUEUE_WRITES);
        let (sockets_alive, sockets_ended) = mpsc::channel(1);
        let (notes, notices) = mpsc::channel(publisher::QUEUE_NOTICES);
        let writer = Writer::new(database, options, (writes.downgrade(), waiting), notes, &defects);
        let publisher = Publisher::new(directory.clone(), apps.clone(), defects.clone(), options.replay);
        let shared = Shared::new(options, directory, apps, defects, writes, sockets_alive);
        let shared = Arc::new(shared);
        Ok(Self { tls, shared, writer, publisher, notices, sockets_ended, db: options.db.clone(), untold })
    }

    /// Serves until `shutdown` is ready; then accepts no more, ends requests
    /// and sockets, and stores what is queued.
    ///
    /// # Errors
    /// [`ServerError::Thread`] where the writer cannot be started.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> Result<(), ServerError> {
        let Self { tls, shared, writer, publisher, notices, mut sockets_ended, db, untold } = self;
        let writing = std::thread::Builder::new().name("writer".to_owned()).spawn(move || writer.run());
        let writing = writing.map_err(ServerError::Thread)?;
        let publishing = tokio::spawn(publisher.run(notices));
        let expiring = tokio::spawn(shared.apps.clone().expire());
        for (bot, event) in untold {
            shared.apps.of(bot).iter().for_each(|app| app.tell(event.clone()));
        }
        let (stop, stopped) = watch::channel(false);
        let (alive, mut ended) = mpsc::channel(1);
        let accepting = tokio::spawn(http::accept(listener, tls, http::router(shared.clone()), stopped, alive));

        shutdown.await;
        stop.send_replace(true);
        // Requests first, so that what they store is still pushed.
        let requests = tokio::time::timeout(PATIENCE, ended.recv()).await;
        if requests.is_err() {
            tracing::warn!("some requests did not end within {PATIENCE:?}");
        }
        accepting.abort();
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
        keep_untold(&shared, &db).await;
        Ok(())
    }
}

/// Keeps what apps were not told for the next server.
async fn keep_untold(shared: &Shared, db: &Path) {
    let untold = shared.apps.untold().await;
    if untold.is_empty() {
        return;
    }
    if let Err(error) = store::keep_untold(db, &untold) {
        tracing::error!("{} events that apps were not told are lost: {error}", untold.len());
    }
}

fn open_file(path: &Path, flag: &'static str, how: &mut OpenOptions) -> Result<File, ServerError> {
    how.mode(0o600).open(path).map_err(|source| ServerError::File { path: path.to_owned(), flag, source })
}
