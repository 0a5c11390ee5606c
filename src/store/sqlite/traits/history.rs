//! What happened in each minute, in the embedded store.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::Minute;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::{read, write};
use crate::store::{History, StoreError};

#[async_trait]
impl History for SqliteStore {
    async fn add_history(&self, minutes: Vec<Minute>) -> Result<(), StoreError> {
        // The writer may run this twice.
        let minutes: Arc<[Minute]> = minutes.into();
        self.writer.ask(move |tx| write::history::add(tx, &minutes)).await
    }

    async fn history(&self, since: i64) -> Result<Vec<Minute>, StoreError> {
        self.read(move |connection, _| read::history::since(connection, since)).await
    }
}
