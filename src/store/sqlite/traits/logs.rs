//! The logs of the embedded store.

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::read::event_log::Time;
use crate::store::sqlite::read::{delivery_log, event_log};
use crate::store::{DeliveryFilter, EventFilter, EventView, LoggedDelivery, Logs, Newest, Page, StoreError};

#[async_trait]
impl Logs for SqliteStore {
    async fn event_log(
        &self,
        which: &EventFilter,
        page: Newest<EventId>,
    ) -> Result<Page<EventView, EventId>, StoreError> {
        let which = which.clone();
        let read = move |connection: &_, shared: &Shared| {
            let time = Time::of(shared, which.since, which.until);
            event_log::page(connection, &shared.seal, event_log::Asked { which: &which, time, page })
        };
        let mut found = self.read(read).await?;
        found.rows.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn delivery_log(
        &self,
        which: &DeliveryFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        let which = which.clone();
        let read = move |connection: &_, shared: &Shared| {
            let time = Time::of(shared, which.since, which.until);
            let now = shared.clock.steady().as_microsecond();
            delivery_log::page(connection, &shared.seal, delivery_log::Asked { which: &which, time, now, page })
        };
        let mut found = self.read(read).await?;
        found.rows.iter_mut().for_each(|row| row.delivery.by(&self.shared.clock));
        Ok(found)
    }
}
