//! Connections that only read: they never wait for the writer, and run where they may block.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::failure::store_error;
use super::open;
use crate::store::StoreError;

/// How many reads run at a time: dispatchers ask little, operators seldom.
const MAX_READERS: usize = 2;

/// Reads beside the writer.
#[derive(Clone)]
pub struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Readers of the database at `path`; connections are opened when they are needed.
    pub fn new(path: PathBuf) -> Self {
        Self { path, places: Arc::new(Semaphore::new(MAX_READERS)), idle: Arc::default() }
    }

    /// Runs `work` on one state of the database.
    ///
    /// # Errors
    /// The store is closed or could not be read.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_closed| StoreError::Closed)?;
        let readers = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _place = place;
            let idle = readers.idle.lock().pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open::reader(&readers.path)?,
            };
            let snapshot = connection.unchecked_transaction().map_err(|error| store_error(&error))?;
            let result = work(&connection);
            drop(snapshot);
            readers.idle.lock().push(connection);
            result
        });
        read.await.map_err(|error| StoreError::Database(format!("a read did not end: {error}")))?
    }

    /// Closes every connection; later reads are refused.
    pub async fn close(&self) {
        // Once all places are taken, no read is under way.
        let all = self.places.acquire_many(u32::try_from(MAX_READERS).unwrap_or(u32::MAX)).await;
        self.places.close();
        drop(all);
        self.idle.lock().clear();
    }
}
