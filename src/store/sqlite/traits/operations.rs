//! The operations of the embedded store, and their deadlines; and events about reelhook itself.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{GraphId, NewDelivery, Operation};
use crate::odata::Filter;
use crate::store::decisions::deliveries::{check_number_of, each_sink_once};
use crate::store::instants::instant;
use crate::store::operations::{Change, Created, Deleted, NewOperation, Question, Updated};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::read;
use crate::store::sqlite::read::listing::{self, Search};
use crate::store::sqlite::write::{announce, change, removal, watches};
use crate::store::{Due, Operations, Raised, Reception, StoreError, Watches};

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

    fn page_key(&self) -> [u8; 32] {
        self.shared.seal.sub_key("pages")
    }
}

#[async_trait]
impl Watches for SqliteStore {
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError> {
        let now = self.shared.clock.steady().as_microsecond();
        self.read_by(&self.readers, move |connection, shared| read::watches::due(connection, &shared.seal, now, limit))
            .await
    }

    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.read_by(&self.readers, |connection, _| read::watches::next(connection)).await?.map(instant))
    }

    async fn raise(
        &self,
        due: Due,
        mut deliveries: Vec<NewDelivery>,
        reception: &Arc<Reception>,
    ) -> Result<Raised, StoreError> {
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        let (operation, watch, at) = (due.operation.number, due.watch, due.at);
        let raise = watches::Raise { operation, watch, at, deliveries, reception: Arc::clone(reception) };
        self.writer.ask(move |tx| watches::raise(tx, &raise)).await
    }
}
