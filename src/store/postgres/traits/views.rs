//! The views and the event stream.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId, Exchange, Raw, SinkName};
use crate::store::contents;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::{backlogs, deliveries, events, exchanges, small, views};
use crate::store::{
    Backlog, DeliveryView, EventView, Events, FailedAttempt, NewestEvents, OperationView, StoreError, StreamedEvent,
    Tallies, Views, ids,
};

#[async_trait]
impl Views for PostgresStore {
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        let steady = self.shared.clock.steady().as_microsecond();
        Ok(backlogs::by_sink(&*self.client().await?, steady).await?)
    }

    async fn tallies(&self) -> Result<Tallies, StoreError> {
        Ok(small::tallies(&*self.client().await?).await?)
    }

    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError> {
        let mut found = views::operations(&*self.client().await?, &self.shared.seal, id).await?;
        found.iter_mut().flat_map(|operation| &mut operation.events).for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn newest_events(&self, operation: i64, limit: usize) -> Result<NewestEvents, StoreError> {
        let mut found = views::newest_events(&*self.client().await?, &self.shared.seal, (operation, limit)).await?;
        found.events.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn last_failure(&self, sink: &SinkName) -> Result<Option<FailedAttempt>, StoreError> {
        Ok(views::last_failure(&*self.client().await?, sink).await?)
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        let mut found = deliveries::one(&*self.client().await?, id).await?;
        found.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
        Ok(found)
    }

    async fn exchanges(&self, id: DeliveryId) -> Result<BTreeMap<u32, Exchange>, StoreError> {
        Ok(exchanges::of(&*self.client().await?, &self.shared.seal, id).await?)
    }

    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError> {
        let number = ids::event_row(id.0);
        let filter = "WHERE e.number = $1 AND e.id = $2";
        let found = events::views(&*self.client().await?, &self.shared.seal, (filter, &[&number, &id.0])).await?;
        let mut found = found.into_iter().next();
        found.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn original(&self, id: EventId) -> Result<Option<Raw>, StoreError> {
        let sealed = events::sealed(&*self.client().await?, id).await?;
        let opened = sealed.map(|sealed| contents::open_raw(&self.shared.seal, id, &sealed));
        let raw = opened.transpose().unwrap_or_else(|error| {
            tracing::warn!(event = %id, %error, "an event is shown without its notification");
            None
        });
        Ok(raw.filter(|raw| !raw.is_empty()).map(|raw| Raw(raw.into())))
    }
}

#[async_trait]
impl Events for PostgresStore {
    async fn stream(&self, after: Option<EventId>, limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        let client = self.client().await?;
        // An event whose number was not given out yet belongs to another store; everything in this store comes after it.
        let last = events::last_given(&client).await?;
        let after = after.map(|id| ids::event_row(id.0)).filter(|number| *number <= last).unwrap_or_default();
        Ok(events::after(&client, &self.shared.seal, (after, limit)).await?)
    }

    async fn newest_event(&self) -> Result<Option<EventId>, StoreError> {
        Ok(self.latest(1).await?.first().map(|it| it.event.id))
    }

    async fn latest(&self, limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let filter = "ORDER BY e.number DESC LIMIT $1";
        Ok(events::streamed(&*self.client().await?, &self.shared.seal, (filter, &[&limit])).await?)
    }
}
