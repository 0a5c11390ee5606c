//! The views and the event stream of the embedded store.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId, SinkName};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::read;
use crate::store::sqlite::read::delivered;
use crate::store::sqlite::read::stream::{self, Stretch};
use crate::store::sqlite::read::views;
use crate::store::{
    Backlog, DeadFilter, Delivered, DeliveryState, DeliveryView, EventView, Events, FailedAttempt, Looked, Newest,
    OperationView, StoreError, StreamedEvent, Tallies, UnmatchedFilter, Views,
};

#[async_trait]
impl Views for SqliteStore {
    async fn backlog(&self) -> Result<BTreeMap<SinkName, Backlog>, StoreError> {
        let backlog =
            |connection: &_, shared: &Shared| views::backlog(connection, shared.clock.steady().as_microsecond());
        self.read_by(&self.views, backlog).await
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

    async fn deliveries(
        &self,
        state: DeliveryState,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let sink = sink.cloned();
        let question = move |connection: &_, _: &_| views::deliveries_in(connection, state, sink.as_ref(), page);
        let mut found = self.question(question).await?;
        found.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
        Ok(found)
    }

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

    async fn last_failure(&self, sink: &SinkName) -> Result<Option<FailedAttempt>, StoreError> {
        let sink = sink.clone();
        self.read(move |connection, _| views::last_failure(connection, &sink)).await
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

    async fn delivery(&self, id: DeliveryId) -> Result<Option<DeliveryView>, StoreError> {
        let mut found = self.read(move |connection, _| views::delivery(connection, id)).await?;
        found.iter_mut().for_each(|delivery| delivery.by(&self.shared.clock));
        Ok(found)
    }

    async fn event(&self, id: EventId) -> Result<Option<EventView>, StoreError> {
        let mut found = self.read(move |connection, shared| views::event(connection, &shared.seal, id)).await?;
        found.iter_mut().for_each(|event| self.tell_due(event));
        Ok(found)
    }

    async fn unmatched_of(&self, which: &UnmatchedFilter, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        let which = which.clone();
        self.read(move |connection, shared| views::unmatched_of(connection, &shared.seal, (&which, page))).await
    }

    async fn unmatched_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<EventView>, StoreError> {
        self.read(move |connection, shared| views::unmatched_after(connection, &shared.seal, after, limit)).await
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
