//! Reads of the database: a few connections of their own on blocking threads,
//! so that a long read never holds up a commit.

use super::store;
use super::sync::lock;
use super::write::Failure;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Reads at a time; more of them wait their turn.
const CONNECTIONS: usize = 4;

/// The connections for reads.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Semaphore,
}

impl Readers {
    /// Opens nothing yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), turns: Semaphore::new(CONNECTIONS) }
    }

    /// Runs a read. It sees everything that was committed before it began.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let Ok(_turn) = self.turns.acquire().await else { return Err(Failure::Internal) };
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || readers.run(read));
        let result = task.await.map_err(|_| Failure::Internal)?;
        result.map_err(|error| {
            tracing::error!("a read failed: {error}");
            Failure::Internal
        })
    }

    fn run<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => store::open_reader(&self.path)?,
        };
        let result = read(&connection);
        if result.is_ok() {
            lock(&self.idle).push(connection);
        }
        result
    }
}
