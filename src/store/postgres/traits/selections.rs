//! How it is found what an operator means, and the logs.

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::{delivery_log, event_log, events, selections};
use crate::store::{
    Counted, DeadFilter, DeadKey, Delivered, DeliveryFilter, EventFilter, EventView, LoggedDelivery, Logs, Looked,
    Newest, Page, Selections, StoreError, ids,
};

#[async_trait]
impl Selections for PostgresStore {
    async fn dead_letters(
        &self,
        which: &DeadFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        Ok(delivery_log::dead(&*self.client().await?, &self.shared.seal, (which, page)).await?)
    }

    async fn dead_keys(
        &self,
        which: &DeadFilter,
        after: Option<&DeadKey>,
        limit: usize,
    ) -> Result<Vec<DeadKey>, StoreError> {
        Ok(delivery_log::dead_keys(&*self.client().await?, (which, after, limit)).await?)
    }

    async fn count_dead(&self, which: &DeadFilter, most: usize) -> Result<Counted, StoreError> {
        Ok(delivery_log::count_dead(&*self.client().await?, which, most).await?)
    }

    async fn delivered(
        &self,
        which: &Delivered,
        after: Option<DeliveryId>,
        limit: usize,
    ) -> Result<Looked, StoreError> {
        Ok(selections::look(&*self.client().await?, (which, after, limit)).await?)
    }

    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError> {
        let (after, limit) = (after.map_or(0, |id| ids::event_row(id.0)), i64::try_from(limit).unwrap_or(i64::MAX));
        let filter = "WHERE NOT e.is_matched AND e.number > $1 ORDER BY e.number LIMIT $2";
        let found = events::views(&*self.client().await?, &self.shared.seal, (filter, &[&after, &limit])).await;
        Ok(found?)
    }
}

#[async_trait]
impl Logs for PostgresStore {
    async fn event_log(
        &self,
        which: &EventFilter,
        page: Newest<EventId>,
    ) -> Result<Page<EventView, EventId>, StoreError> {
        let mut found = event_log::page(&*self.client().await?, &self.shared.seal, (which, page)).await?;
        found.rows.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn delivery_log(
        &self,
        which: &DeliveryFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        let now = self.shared.clock.steady().as_microsecond();
        let asked = delivery_log::Asked { which, page, now };
        let mut found = delivery_log::page(&*self.client().await?, &self.shared.seal, asked).await?;
        found.rows.iter_mut().for_each(|row| row.delivery.by(&self.shared.clock));
        Ok(found)
    }
}
