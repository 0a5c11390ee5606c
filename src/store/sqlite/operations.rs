//! The operations as a resource: who does what is asked.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::listing::Search;
use super::stream::Stretch;
use super::{SqliteStore, listing, stream};
use crate::domain::{EventId, GraphId, NewDelivery, Operation};
use crate::odata::Filter;
use crate::store::operations::{Change, Created, Deleted, Due, NewOperation, Question, StreamedEvent, Updated};
use crate::store::{Changes, Operations, StoreError};

fn unbuilt<T>() -> Result<T, StoreError> {
    Err(StoreError::Unusable("not built yet".into()))
}

#[async_trait]
impl Operations for SqliteStore {
    async fn list(&self, question: Question<'_>) -> Result<Vec<Operation>, StoreError> {
        let search = Search::page(&question);
        self.question(move |connection, shared| listing::page(connection, &shared.seal, search)).await
    }
    async fn count(&self, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Result<u64, StoreError> {
        let search = Search::count(call_id, filter);
        self.question(move |connection, _| listing::count(connection, search)).await
    }
    async fn get(&self, id: &GraphId, call_id: Option<&GraphId>) -> Result<Option<Operation>, StoreError> {
        let (id, call_id) = (id.clone(), call_id.cloned());
        self.read(move |connection, shared| listing::get(connection, &shared.seal, (&id, call_id.as_ref()))).await
    }
    async fn create(&self, _new: NewOperation) -> Result<Created, StoreError> {
        unbuilt()
    }
    async fn update(&self, _number: i64, _version: Option<i64>, _change: Change) -> Result<Updated, StoreError> {
        unbuilt()
    }
    async fn delete(&self, _number: i64, _version: Option<i64>, _force: bool) -> Result<Deleted, StoreError> {
        unbuilt()
    }
    async fn due(&self, _limit: usize) -> Result<Vec<Due>, StoreError> {
        unbuilt()
    }
    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        unbuilt()
    }
    async fn raise(&self, _due: Due, _deliveries: Vec<NewDelivery>) -> Result<bool, StoreError> {
        unbuilt()
    }
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
    fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.shared.changes)
    }
}
