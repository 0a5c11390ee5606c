//! The inbox of the embedded store.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::domain::EventId;
use crate::store::decisions::receipt;
use crate::store::ids;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::writer::Sender;
use crate::store::sqlite::read;
use crate::store::sqlite::write::{accept, prepare, rich};
use crate::store::{Batch, Inbox, Receipt, StoreError};

impl SqliteStore {
    /// Accepts a batch: what arrived, or what was verified in a quarantine entry.
    async fn take(&self, batch: Batch, entry: Option<i64>) -> Result<Receipt, StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        let (reply, receipt) = oneshot::channel();
        let offered = prepare::Prepared::new(batch, entry, &self.shared).and_then(|prepared| {
            let n_bytes = prepared.n_bytes();
            let unanswered = Arc::clone(&self.shared.unanswered);
            let sender = if prepared.is_strangers() { Sender::Stranger } else { Sender::Known };
            self.writer.offer(Box::new(accept::Accept::new(prepared, reply, unanswered)), n_bytes, sender)
        });
        // Later events may have waited only for the refused one.
        offered.inspect_err(|_refused| self.shared.tell_of_events())?;
        receipt.await.map_err(|_gone| StoreError::Closed)?.map(receipt::Handed::take)
    }
}

#[async_trait]
impl Inbox for SqliteStore {
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
        self.readers.read(read::rich::list).await
    }

    async fn remember_rich(&self, ids: Vec<String>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| rich::remember(tx, &ids)).await
    }
}
