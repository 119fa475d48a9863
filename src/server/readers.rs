//! Reads of the database: a few connections of their own on blocking threads,
//! so that a long read never holds up a commit.

use super::database::{self, Database, Place};
use super::sync::lock;
use super::write::Failure;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

/// Reads at a time; more of them wait their turn.
const CONNECTIONS: usize = 4;

/// The connections for reads.
#[derive(Debug)]
pub(super) struct Readers {
    place: Place,
    idle: Mutex<Vec<Database>>,
    turns: Semaphore,
}

impl Readers {
    /// Opens nothing yet.
    pub(super) fn new(place: Place) -> Self {
        Self { place, idle: Mutex::default(), turns: Semaphore::new(CONNECTIONS) }
    }

    /// Runs a read. It sees everything that was committed before it began.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Database) -> database::Result<T> + Send + 'static,
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

    fn run<T>(&self, read: impl FnOnce(&Database) -> database::Result<T>) -> database::Result<T> {
        let idle = lock(&self.idle).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => Database::for_reads(&self.place)?,
        };
        let result = read(&connection);
        match result {
            Ok(_) => lock(&self.idle).push(connection),
            // What ended this one has likely ended the others.
            Err(_) => lock(&self.idle).clear(),
        }
        result
    }
}
