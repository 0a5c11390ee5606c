//! The views and the event stream of the embedded store.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId, Exchange, Raw, SinkName};
use crate::store::contents;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::read;
use crate::store::sqlite::read::newest_events;
use crate::store::sqlite::read::stream::{self, Stretch};
use crate::store::sqlite::read::views;
use crate::store::{
    Backlog, DeliveryView, EventView, Events, FailedAttempt, NewestEvents, OperationView, StoreError, StreamedEvent,
    Tallies, Views,
};

#[async_trait]
impl Views for SqliteStore {
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        let backlog = |connection: &_, shared: &Shared| {
            read::backlogs::by_sink(connection, shared.clock.steady().as_microsecond())
        };
        self.read(backlog).await
    }

    async fn tallies(&self) -> Result<Tallies, StoreError> {
        self.read(|connection, _| read::tallies::all(connection)).await
    }

    async fn operations(&self, id: &str) -> Result<Vec<OperationView>, StoreError> {
        let id = id.to_owned();
        let mut found = self.read(move |connection, shared| views::operations(connection, &shared.seal, &id)).await?;
        found.iter_mut().flat_map(|operation| &mut operation.events).for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn newest_events(&self, operation: i64, limit: usize) -> Result<NewestEvents, StoreError> {
        let read = move |connection: &_, shared: &Shared| {
            newest_events::of_operation(connection, &shared.seal, operation, limit)
        };
        let mut found = self.read(read).await?;
        found.events.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn last_failure(&self, sink: &SinkName) -> Result<Option<FailedAttempt>, StoreError> {
        let sink = sink.clone();
        self.read(move |connection, _| views::last_failure(connection, &sink)).await
    }

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        let mut found = self.read(move |connection, _| views::delivery(connection, id)).await?;
        found.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
        Ok(found)
    }

    async fn exchanges(&self, id: DeliveryId) -> Result<BTreeMap<u32, Exchange>, StoreError> {
        self.read(move |connection, shared| read::exchanges::of(connection, &shared.seal, id)).await
    }

    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError> {
        let mut found = self.read(move |connection, shared| views::event(connection, &shared.seal, id)).await?;
        found.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn original(&self, id: EventId) -> Result<Option<Raw>, StoreError> {
        let sealed = self.read(move |connection, _| views::sealed(connection, id)).await?;
        let opened = sealed.map(|sealed| contents::open_raw(&self.shared.seal, id, &sealed));
        let raw = opened.transpose().unwrap_or_else(|error| {
            tracing::warn!(event = %id, %error, "an event is shown without its notification");
            None
        });
        Ok(raw.filter(|raw| !raw.is_empty()).map(|raw| Raw(raw.into())))
    }
}

#[async_trait]
impl Events for SqliteStore {
    async fn stream(&self, after: Option<EventId>, limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        let stretch = Stretch::after(after, &self.shared.numbers);
        self.read(move |connection, shared| stream::events(connection, &shared.seal, (stretch, limit))).await
    }

    async fn newest_event(&self) -> Result<Option<EventId>, StoreError> {
        let horizon = self.shared.numbers.horizon();
        self.read(move |connection, _| stream::newest(connection, horizon)).await
    }

    async fn latest(&self, limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        let horizon = self.shared.numbers.horizon();
        self.read(move |connection, shared| stream::latest(connection, &shared.seal, (horizon, limit))).await
    }
}
