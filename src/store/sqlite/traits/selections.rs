//! How the embedded store finds what an operator means.

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::read::{counts, delivered, delivery_log, views};
use crate::store::{
    Counted, DeadFilter, DeadKey, Delivered, EventView, LoggedDelivery, Looked, Newest, Page, Selections, StoreError,
};

#[async_trait]
impl Selections for SqliteStore {
    async fn dead_letters(
        &self,
        which: &DeadFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        let which = which.clone();
        self.read(move |connection, shared| delivery_log::dead(connection, &shared.seal, &which, page)).await
    }

    async fn dead_keys(
        &self,
        which: &DeadFilter,
        after: Option<&DeadKey>,
        limit: usize,
    ) -> Result<Vec<DeadKey>, StoreError> {
        let (which, after) = (which.clone(), after.cloned());
        self.question(move |connection, _| delivery_log::dead_keys(connection, &which, after.as_ref(), limit)).await
    }

    async fn count_dead(&self, which: &DeadFilter, most: usize) -> Result<Counted, StoreError> {
        let which = which.clone();
        self.question(move |connection, _| counts::dead(connection, &which, most)).await
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
            let since = shared.in_steady_time(which.since).div_euclid(1000) * 1000;
            let lead = i64::try_from(shared.clock.lead().as_micros()).unwrap_or_default();
            delivered::look(connection, &which, &delivered::Part { since, lead, after, limit })
        };
        self.read_by(&self.views, look).await
    }

    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection, shared| views::unmatched_after(connection, &shared.seal, after, limit)).await
    }
}
