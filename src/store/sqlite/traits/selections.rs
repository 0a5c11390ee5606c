//! How the embedded store finds what an operator means.

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::read::{delivered, views};
use crate::store::{
    DeadFilter, Delivered, DeliveryView, EventView, Looked, Newest, Selections, StoreError, UnmatchedFilter,
};

#[async_trait]
impl Selections for SqliteStore {
    async fn dead_letters(
        &self,
        which: &DeadFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let which = which.clone();
        self.question(move |connection, _| views::dead_letters(connection, &which, page)).await
    }

    async fn dead_ids(&self, which: &DeadFilter, limit: usize) -> Result<Vec<DeliveryId>, StoreError> {
        let which = which.clone();
        self.question(move |connection, _| views::dead_ids(connection, &which, limit)).await
    }

    async fn delivered(
        &self,
        which: &Delivered,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Looked, StoreError> {
        let which = which.clone();
        let look = move |connection: &_, shared: &Shared| {
            // To a millisecond: an id knows no more.
            let lead = shared.clock.lead().as_micros();
            let since = which.since.as_microsecond().saturating_sub(i64::try_from(lead).unwrap_or_default());
            let since = since.div_euclid(1000) * 1000;
            delivered::look(connection, &which, &delivered::Part { since, after, limit })
        };
        self.read_by(&self.views, look).await
    }

    async fn unmatched_of(&self, which: &UnmatchedFilter, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        let which = which.clone();
        self.read(move |connection, shared| views::unmatched_of(connection, &shared.seal, &which, page)).await
    }

    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection, shared| views::unmatched_after(connection, &shared.seal, after, limit)).await
    }
}
