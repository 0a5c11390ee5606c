//! The queue of the embedded store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{Lease, Outcome, SinkName};
use crate::store::instants::instant;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::backlogs;
use crate::store::sqlite::write::{conditions, delivery, exchanges, lease};
use crate::store::{Limit, Queue, SinkCondition, StoreError};

#[async_trait]
impl Queue for SqliteStore {
    async fn lease(&self, sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        let name = sink.clone();
        let leased = self.writer.ask(move |tx| lease::lease(tx, &name, limit, ttl)).await?;
        if leased.is_empty() { Ok(Vec::new()) } else { self.with_events(sink, leased).await }
    }

    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        let sink = sink.clone();
        let due = self.read_by(&self.readers, move |connection, shared| {
            backlogs::next_due(connection, &sink, shared.clock.steady().as_microsecond())
        });
        Ok(due.await?.map(instant))
    }

    async fn settle_noting(
        &self,
        outcomes: Arc<[Outcome]>,
        condition: Option<SinkCondition>,
    ) -> Result<(), StoreError> {
        let sealed = exchanges::sealed(&self.shared, &outcomes);
        let settle = move |tx: &Tx<'_>| {
            delivery::settle(tx, &outcomes, &sealed)?;
            condition.as_ref().map_or(Ok(()), |condition| conditions::keep(tx, condition))
        };
        self.writer.ask(settle).await
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        let due_at = due_at.as_microsecond();
        self.writer.ask(move |tx| lease::release(tx, &leases, due_at)).await
    }
}
