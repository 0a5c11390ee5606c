//! The operations, and their deadlines; and events about reelhook itself.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::config::Expectations;
use crate::domain::{EventId, GraphId, NewDelivery, Operation};
use crate::odata::Filter;
use crate::store::decisions::deliveries::{check_number_of, each_sink_once};
use crate::store::instants::instant;
use crate::store::operations::{Change, Created, Deleted, NewOperation, Operations, Question, Updated};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::listing::{self, Search};
use crate::store::postgres::read::small;
use crate::store::postgres::write::announce::{Announce, Update};
use crate::store::postgres::write::removal::Delete;
use crate::store::postgres::write::reports::{ForOperators, Forget, Tell};
use crate::store::postgres::write::watches::Raise;
use crate::store::{Choosing, Due, Raised, Reception, Report, Reports, Routing, Rules, StoreError, Told, Watches};

#[async_trait]
impl Operations for PostgresStore {
    async fn list(&self, question: Question<'_>) -> Result<Vec<Operation>, StoreError> {
        let search = Search::page(&question);
        Ok(listing::page(&*self.client().await?, &self.shared.seal, search).await?)
    }

    async fn count(&self, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Result<u64, StoreError> {
        Ok(listing::count(&*self.client().await?, Search::count(call_id, filter)).await?)
    }

    async fn get(&self, id: &GraphId, call_id: Option<&GraphId>) -> Result<Option<Operation>, StoreError> {
        Ok(listing::get_one(&*self.client().await?, &self.shared.seal, (id, call_id)).await?)
    }

    async fn create(&self, new: NewOperation) -> Result<Created, StoreError> {
        if self.shared.is_full() {
            return Err(StoreError::Full);
        }
        self.writer.ask(Announce { new }).await
    }

    async fn update(&self, number: i64, version: Option<i64>, change: Change) -> Result<Updated, StoreError> {
        self.writer.ask(Update { number, version, change }).await
    }

    async fn delete(&self, number: i64, version: Option<i64>, force: bool) -> Result<Deleted, StoreError> {
        self.writer.ask(Delete { number, version, force }).await
    }

    fn page_key(&self) -> [u8; 32] {
        self.shared.seal.sub_key("pages")
    }
}

#[async_trait]
impl Watches for PostgresStore {
    async fn due(&self, limit: usize) -> Result<Vec<Due>, StoreError> {
        let now = self.shared.clock.steady().as_microsecond();
        Ok(small::due(&*self.client().await?, &self.shared.seal, (now, limit)).await?)
    }

    async fn next_watch(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(small::next_watch(&*self.client().await?).await?.map(instant))
    }

    async fn raise(
        &self,
        due: Due,
        mut deliveries: Vec<NewDelivery>,
        reception: &Arc<Reception>,
    ) -> Result<Raised, StoreError> {
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        self.writer.ask(Raise { due, deliveries, reception: Arc::clone(reception) }).await
    }
}

#[async_trait]
impl Reports for PostgresStore {
    async fn report(&self, report: Report, mut deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError> {
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        self.writer.ask(ForOperators { report, deliveries }).await
    }

    async fn tell(&self, told: Told, mut event: Option<(Report, Vec<NewDelivery>)>) -> Result<(), StoreError> {
        if let Some((_, deliveries)) = &mut event {
            each_sink_once(deliveries);
            check_number_of(deliveries)?;
        }
        self.writer.ask(Tell { told, event }).await
    }

    async fn told(&self) -> Result<Vec<Told>, StoreError> {
        Ok(small::told(&*self.client().await?).await?)
    }

    async fn forget_told(&self, subjects: Vec<String>) -> Result<(), StoreError> {
        self.writer.ask(Forget { subjects }).await
    }
}

impl Rules for PostgresStore {
    fn route_by(&self, routing: Routing) {
        // A second call is for nothing: see the trait.
        let _ = self.shared.routing.set(routing);
    }

    fn choose_by(&self, choosing: Choosing) {
        let _ = self.shared.choosing.set(choosing);
    }

    fn watch_by(&self, settings: &Expectations) {
        self.shared.bounds.set(settings);
    }
}
