//! The operations as a resource.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteStore;
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
