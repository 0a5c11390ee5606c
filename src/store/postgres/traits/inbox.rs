//! The inbox.

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::domain::EventId;
use crate::store::decisions::receipt::Handed;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::small;
use crate::store::postgres::write::accept::Accept;
use crate::store::postgres::write::hot::Hot;
use crate::store::postgres::write::lists;
use crate::store::{Batch, Inbox, Receipt, StoreError, ids};

impl PostgresStore {
    /// Accepts a batch: what arrived, or what was verified in a quarantine entry.
    async fn take(&self, batch: Batch, entry: Option<i64>) -> Result<Receipt, StoreError> {
        if self.shared.is_full() {
            return Err(StoreError::Full);
        }
        let (reply, receipt) = oneshot::channel();
        let accept = Accept::new((batch, entry), &self.shared, reply)?;
        let share = if accept.is_strangers() { 2 } else { 1 };
        self.writer.offer(Hot::Accept(Box::new(accept)), share)?;
        receipt.await.map_err(|_gone| StoreError::Closed)?.map(Handed::take)
    }
}

#[async_trait]
impl Inbox for PostgresStore {
    async fn accept(&self, batch: Batch) -> Result<Receipt, StoreError> {
        self.take(batch, None).await
    }

    async fn accept_late(&self, entry: i64, batch: Batch) -> Result<Receipt, StoreError> {
        self.take(batch, Some(entry)).await
    }

    fn unanswered(&self, events: Vec<EventId>) {
        self.shared.unanswered.note(events.into_iter().map(|event| ids::event_row(event.0)));
    }

    async fn rich_subscriptions(&self) -> Result<Vec<String>, StoreError> {
        Ok(small::rich(&*self.client().await?).await?)
    }

    async fn remember_rich(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.writer.ask(lists::RememberRich { ids }).await
    }
}
