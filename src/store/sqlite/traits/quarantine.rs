//! The quarantine of the embedded store.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::Reason;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::read;
use crate::store::sqlite::write::{quarantine, waiting};
use crate::store::{Counted, Newest, Quarantine, QuarantineFilter, QuarantineView, ReplayWish, StoreError, Waiting};

#[async_trait]
impl Quarantine for SqliteStore {
    async fn quarantined(
        &self,
        which: &QuarantineFilter,
        page: Newest<i64>,
    ) -> Result<Vec<QuarantineView>, StoreError> {
        let which = which.clone();
        self.views.read(move |connection| read::quarantine::list(connection, &which, page)).await
    }

    async fn quarantine_ids(
        &self,
        which: &QuarantineFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let which = which.clone();
        self.views.read(move |connection| read::quarantine::ids(connection, &which, after, limit)).await
    }

    async fn count_quarantined(&self, which: &QuarantineFilter, most: usize) -> Result<Counted, StoreError> {
        let which = which.clone();
        self.question(move |connection, _| read::counts::quarantined(connection, &which, most)).await
    }

    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.views.read(move |connection| read::quarantine::entry(connection, &shared.seal, id)).await
    }

    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError> {
        self.writer.ask(move |tx| quarantine::wish(tx, id, vouched)).await
    }

    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let read = self.readers.read(move |connection| read::quarantine::wishes(connection, &shared.seal, limit));
        let (wishes, lost) = read.await?;
        for (id, reason) in lost {
            self.end_wish(id, Some(reason)).await?;
        }
        Ok(wishes)
    }

    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| quarantine::end_wish(tx, id, refused)).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let shared = Arc::clone(&self.shared);
        self.readers.read(move |connection| read::waiting::list(connection, &shared.seal)).await
    }

    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError> {
        self.writer.ask(move |tx| waiting::end(tx, id, refused)).await
    }
}
