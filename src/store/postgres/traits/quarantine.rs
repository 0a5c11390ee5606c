//! The quarantine.

use async_trait::async_trait;

use crate::domain::Reason;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::quarantine;
use crate::store::postgres::write::quarantine::{EndWaiting, EndWish, Wish};
use crate::store::{Counted, Newest, Quarantine, QuarantineFilter, QuarantineView, ReplayWish, StoreError, Waiting};

#[async_trait]
impl Quarantine for PostgresStore {
    async fn quarantined(
        &self,
        which: &QuarantineFilter,
        page: Newest<i64>,
    ) -> Result<Vec<QuarantineView>, StoreError> {
        Ok(quarantine::list(&*self.client().await?, which, page).await?)
    }

    async fn quarantine_ids(
        &self,
        which: &QuarantineFilter,
        after: Option<i64>,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(quarantine::ids(&*self.client().await?, which, (after, limit)).await?)
    }

    async fn count_quarantined(&self, which: &QuarantineFilter, most: usize) -> Result<Counted, StoreError> {
        Ok(quarantine::count(&*self.client().await?, which, most).await?)
    }

    async fn quarantine_entry(&self, id: i64) -> Result<Option<QuarantineView>, StoreError> {
        Ok(quarantine::entry(&*self.client().await?, &self.shared.seal, id).await?)
    }

    async fn wish_replay(&self, id: i64, vouched: bool) -> Result<bool, StoreError> {
        self.writer.ask(Wish { id, vouched }).await
    }

    async fn replay_wishes(&self, limit: usize) -> Result<Vec<ReplayWish>, StoreError> {
        let (wishes, lost) = quarantine::wishes(&*self.client().await?, &self.shared.seal, limit).await?;
        for (id, reason) in lost {
            self.end_wish(id, Some(reason)).await?;
        }
        Ok(wishes)
    }

    async fn end_wish(&self, id: i64, refused: Option<Reason>) -> Result<(), StoreError> {
        self.writer.ask(EndWish { id, refused }).await
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        Ok(quarantine::waiting(&*self.client().await?, &self.shared.seal).await?)
    }

    async fn end_waiting(&self, id: i64, refused: Reason) -> Result<(), StoreError> {
        self.writer.ask(EndWaiting { id, refused }).await
    }
}
