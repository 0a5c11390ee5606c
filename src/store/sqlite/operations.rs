//! The operations as a resource.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::prepare::{check_number_of, each_sink_once};
use super::tx::instant;
use super::{SqliteStore, announce, change, removal, watches};
use crate::domain::{EventId, GraphId, NewDelivery, Operation};
use crate::odata::Filter;
use crate::store::operations::{Change, Created, Deleted, Due, NewOperation, Question, StreamedEvent, Updated};
use crate::store::{Changes, Operations, StoreError};

fn unbuilt<T>() -> Result<T, StoreError> {
    Err(StoreError::Unusable("not built yet".into()))
}

#[async_trait]
impl Operations for SqliteStore {
    async fn list(&self, _question: Question<'_>) -> Result<Vec<Operation>, StoreError> {
        unbuilt()
    }
    async fn count(&self, _call_id: Option<&GraphId>, _filter: Option<&Filter>) -> Result<u64, StoreError> {
        unbuilt()
    }
    async fn get(&self, _id: &GraphId, _call_id: Option<&GraphId>) -> Result<Option<Operation>, StoreError> {
        unbuilt()
    }
    async fn create(&self, new: NewOperation) -> Result<Created, StoreError> {
        if self.shared.disk.is_low() {
            return Err(StoreError::Full);
        }
        self.writer.ask(move |tx| announce::create(tx, &new)).await
    }
    async fn update(&self, number: i64, version: Option<i64>, change: Change) -> Result<Updated, StoreError> {
        self.writer.ask(move |tx| change::update(tx, number, version, &change)).await
    }
    async fn delete(&self, number: i64, version: Option<i64>, force: bool) -> Result<Deleted, StoreError> {
        self.writer.ask(move |tx| removal::delete(tx, number, version, force)).await
    }
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError> {
        let now = self.shared.clock.now().as_microsecond();
        self.read(move |connection, shared| watches::due(connection, &shared.seal, now, limit)).await
    }
    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.read(|connection, _| watches::next(connection)).await?.map(instant))
    }
    async fn raise(&self, due: Due, mut deliveries: Vec<NewDelivery>) -> Result<bool, StoreError> {
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        let (number, watch) = (due.operation.number, (due.watch, due.at));
        self.writer.ask(move |tx| watches::raise(tx, number, watch, &deliveries)).await
    }
    async fn stream(&self, _after: Option<EventId>, _limit: usize) -> Result<Vec<StreamedEvent>, StoreError> {
        unbuilt()
    }
    async fn newest_event(&self) -> Result<Option<EventId>, StoreError> {
        unbuilt()
    }
    fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.shared.changes)
    }
}
