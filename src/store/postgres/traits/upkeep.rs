//! What is kept of each sink, the history, and the store's own care.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{Minute, SinkName};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::small;
use crate::store::postgres::write::sweep::Sweep;
use crate::store::postgres::write::takeover::Own;
use crate::store::postgres::write::{hot, lists};
use crate::store::{Health, Hint, History, SinkCondition, SinkConditions, SinkPauses, Space, StoreError, Upkeep};

#[async_trait]
impl SinkPauses for PostgresStore {
    async fn paused_sinks(&self) -> Result<BTreeMap<SinkName, Timestamp>, StoreError> {
        Ok(small::paused(&*self.client().await?).await?)
    }

    async fn pause_sink(&self, sink: &SinkName) -> Result<Timestamp, StoreError> {
        self.writer.ask(lists::Pause { sink: sink.clone() }).await
    }

    async fn resume_sink(&self, sink: &SinkName) -> Result<(), StoreError> {
        self.writer.ask(lists::Resume { sink: sink.clone() }).await
    }
}

#[async_trait]
impl SinkConditions for PostgresStore {
    async fn sink_conditions(&self) -> Result<Vec<SinkCondition>, StoreError> {
        Ok(small::conditions(&*self.client().await?).await?)
    }

    async fn forget_conditions(&self, sinks: Vec<SinkName>) -> Result<(), StoreError> {
        self.writer.ask(lists::Forget { sinks }).await
    }
}

#[async_trait]
impl History for PostgresStore {
    async fn add_history(&self, minutes: Vec<Minute>) -> Result<(), StoreError> {
        self.writer.ask(lists::AddHistory { minutes }).await
    }

    async fn history(&self, since: i64) -> Result<Vec<Minute>, StoreError> {
        Ok(small::history(&*self.client().await?, since).await?)
    }
}

#[async_trait]
impl Upkeep for PostgresStore {
    async fn ready(&self) -> Result<(), StoreError> {
        if self.shared.is_full() {
            return Err(StoreError::Full);
        }
        self.writer.ask(hot::Beat).await
    }

    /// The database's disk is its server's.
    fn space(&self) -> Space {
        Space::default()
    }

    /// The time is the database's.
    async fn note_time(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.writer.ask(Sweep).await
    }

    async fn close(&self) {
        self.tasks.lock().abort_all();
        match self.writer.ask(Own).await {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => {
                tracing::warn!(%error, "other processes will take over the deliveries of this one in some seconds")
            }
        }
        if self.writer.close().await {
            self.shared.connections.close();
            self.shared.listener.hint(Hint::Closed);
        }
    }

    fn health(&self) -> Arc<Health> {
        Arc::clone(&self.shared.health)
    }
}
