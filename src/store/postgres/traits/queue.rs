//! The queue.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::domain::{Lease, Outcome, SinkName};
use crate::store::instants::{instant, micros};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::backlogs;
use crate::store::postgres::write::hot::Hot;
use crate::store::postgres::write::lease::{self, Wish};
use crate::store::postgres::write::settle::{GiveUp, Release, Settle};
use crate::store::postgres::write::takeover::Expired;
use crate::store::{Limit, Queue, SinkCondition, StoreError};

impl PostgresStore {
    /// Makes the fresh deliveries of a sink wait whose lease has ended.
    pub(super) async fn free_expired(&self, sink: &SinkName) -> Result<(), StoreError> {
        let now = self.shared.clock.steady().as_microsecond();
        if self.shared.epoch.expired(sink, now).is_empty() {
            return Ok(());
        }
        self.writer.ask(Expired { sink: sink.clone() }).await
    }
}

#[async_trait]
impl Queue for PostgresStore {
    async fn lease(&self, sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Lease>, StoreError> {
        self.free_expired(sink).await?;
        let mut client = self.client().await?;
        let wish = Wish { sink, limit, ttl: micros(ttl) };
        let leased = lease::lease(&mut client, &self.shared, &wish).await?;
        if leased.is_empty() {
            return Ok(Vec::new());
        }
        // If its events cannot be read, the leases end by themselves.
        let (leases, lost) = lease::with_events(&client, &self.shared, (sink, leased)).await?;
        if !lost.is_empty() {
            drop(client);
            self.writer.ask(GiveUp { lost }).await?;
        }
        Ok(leases)
    }

    async fn next_due(&self, sink: &SinkName) -> Result<Option<Timestamp>, StoreError> {
        self.free_expired(sink).await?;
        let now = self.shared.clock.steady().as_microsecond();
        Ok(backlogs::next_due(&*self.client().await?, sink, now).await?.map(instant))
    }

    async fn settle_noting(
        &self,
        outcomes: Arc<[Outcome]>,
        condition: Option<SinkCondition>,
    ) -> Result<(), StoreError> {
        let (reply, settled) = oneshot::channel();
        self.writer.offer(Hot::Settle(Settle::new((outcomes, condition), &self.shared, reply)), 1)?;
        settled.await.map_err(|_gone| StoreError::Closed)?
    }

    async fn release(&self, leases: Vec<Lease>, due_at: Timestamp) -> Result<(), StoreError> {
        self.writer.ask(Release { leases, due_at: due_at.as_microsecond() }).await
    }
}
