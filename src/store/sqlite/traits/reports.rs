//! Events about reelhook itself, and what was told of what goes on.

use async_trait::async_trait;

use crate::domain::{EventId, NewDelivery};
use crate::store::decisions::deliveries::{check_number_of, each_sink_once};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read;
use crate::store::sqlite::write::{reports, told};
use crate::store::{Report, Reports, StoreError, Told};

#[async_trait]
impl Reports for SqliteStore {
    async fn report(&self, report: Report, mut deliveries: Vec<NewDelivery>) -> Result<EventId, StoreError> {
        each_sink_once(&mut deliveries);
        check_number_of(&deliveries)?;
        self.writer.ask(move |tx| reports::add_for_operators(tx, &report, &deliveries)).await
    }

    async fn tell(&self, told: Told, mut event: Option<(Report, Vec<NewDelivery>)>) -> Result<(), StoreError> {
        if let Some((_, deliveries)) = &mut event {
            each_sink_once(deliveries);
            check_number_of(deliveries)?;
        }
        let write = move |tx: &Tx<'_>| {
            if let Some((report, deliveries)) = &event {
                reports::add_for_operators(tx, report, deliveries)?;
            }
            told::keep(tx, &told)
        };
        self.writer.ask(write).await
    }

    async fn told(&self) -> Result<Vec<Told>, StoreError> {
        self.read(|connection, _| read::told::list(connection)).await
    }

    async fn forget_told(&self, subjects: Vec<String>) -> Result<(), StoreError> {
        self.writer.ask(move |tx| told::forget(tx, &subjects)).await
    }
}
