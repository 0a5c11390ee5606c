//! What is kept of each sink, and the upkeep of the embedded store.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::SinkName;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::time;
use crate::store::sqlite::read;
use crate::store::sqlite::write::{conditions, pauses, sweep};
use crate::store::{Health, Hint, SinkCondition, SinkConditions, SinkPauses, Space, StoreError, Upkeep};

#[async_trait]
impl SinkPauses for SqliteStore {
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError> {
        self.read(|connection, _| read::pauses::list(connection)).await
    }

    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError> {
        let sink = sink.clone();
        self.writer.ask(move |tx| pauses::pause(tx, &sink)).await
    }

    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError> {
        let sink = sink.clone();
        self.writer.ask(move |tx| pauses::resume(tx, &sink)).await
    }
}

#[async_trait]
impl SinkConditions for SqliteStore {
    async fn sink_conditions(&self) -> Result<Vec<SinkCondition>, StoreError> {
        self.read(|connection, _| read::conditions::list(connection)).await
    }

    async fn forget_conditions(&self, sinks: Vec<SinkName>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| conditions::forget(tx, &sinks)).await
    }
}

#[async_trait]
impl Upkeep for SqliteStore {
    async fn ready(&self) -> Result<(), StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        if let Some(found) = self.shared.health.damage() {
            return Err(StoreError::Damaged(found.to_owned()));
        }
        self.writer.ask(|tx| tx.beat()).await
    }

    fn space(&self) -> Space {
        self.shared.disk.space(&self.shared.settings.path)
    }

    async fn note_time(&self) -> Result<(), StoreError> {
        self.writer.ask(time::note).await
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.writer.ask(sweep::sweep).await
    }

    async fn close(&self) {
        self.end_check().await;
        for readers in [&self.readers, &self.views, &self.questions] {
            readers.close().await;
        }
        // A command's store writes nothing and has no time of its own.
        if let Some(error) = self.note_time().await.err().filter(|error| !matches!(error, StoreError::Closed)) {
            tracing::warn!(%error, "the store's time could not be stored; the next start uses that of a minute ago");
        }
        self.writer.close().await;
        self.shared.listener.hint(Hint::Closed);
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.shared.health)
    }
}
