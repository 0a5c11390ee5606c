//! The operations as a resource: each method calls the module that does the work.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::SqliteStore;
use super::engine::tx::instant;
use super::read::listing::Search;
use super::read::stream::Stretch;
use super::read::{listing, stream};
use super::write::prepare::{check_number_of, each_sink_once};
use super::write::{announce, change, removal, watches};
use crate::domain::{EventId, GraphId, NewDelivery, Operation};
use crate::odata::Filter;
use crate::store::operations::{Change, Created, Deleted, Due, NewOperation, Question, StreamedEvent, Updated};
use crate::store::{Changes, Operations, Raised, Reception, StoreError};

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
        let now = self.shared.clock.steady().as_microsecond();
        self.read_by(&self.readers, move |connection, shared| watches::due(connection, &shared.seal, now, limit)).await
    }
    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.read_by(&self.readers, |connection, _| watches::next(connection)).await?.map(instant))
    }
    async fn raise(&self, due: Due, mut deliveries: Vec<NewDelivery>) -> Result<Raised, StoreError> {
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        let (number, watch) = (due.operation.number, (due.watch, due.at));
        self.writer.ask(move |tx| watches::raise(tx, number, watch, &deliveries)).await
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
    fn page_key(&self) -> [u8; 32] {
        self.shared.seal.sub_key("pages")
    }
    fn changes(&self) -> Arc<Changes> {
        Arc::clone(&self.shared.changes)
    }
    fn reception(&self) -> Arc<Reception> {
        Arc::clone(&self.shared.reception)
    }
}
