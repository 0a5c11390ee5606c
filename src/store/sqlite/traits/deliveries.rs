//! What operators do with the deliveries of the embedded store.

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::engine::shared::Shared;
use crate::store::sqlite::write::{due, redirect, replay, resend};
use crate::store::{DeadLetters, Deliveries, MadeDue, Resent, StoreError};

#[async_trait]
impl Deliveries for SqliteStore {
    async fn make_due(&self, sink: &SinkName) -> Result<u64, StoreError> {
        let name = sink.clone();
        let later = self.read_by(&self.readers, move |connection, shared| {
            due::later(connection, &name, shared.clock.steady().as_microsecond())
        });
        let mut n_due = 0;
        for some in later.await?.chunks(due::ROUND) {
            let (name, some) = (sink.clone(), some.to_vec());
            n_due += self.writer.ask(move |tx| due::some(tx, &name, &some)).await?;
        }
        Ok(n_due)
    }

    async fn n_due(&self, sink: &SinkName) -> Result<u64, StoreError> {
        let sink = sink.clone();
        let count = move |connection: &_, shared: &Shared| {
            due::count(connection, &sink, shared.clock.steady().as_microsecond())
        };
        self.read_by(&self.readers, count).await
    }

    async fn make_one_due(&self, id: DeliveryId) -> Result<Option<MadeDue>, StoreError> {
        self.writer.ask(move |tx| due::one(tx, id)).await
    }

    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError> {
        let ids = match which {
            DeadLetters::One(id) => return self.writer.ask(move |tx| replay::one(tx, id)).await,
            DeadLetters::Some(ids) => ids,
        };
        let mut n_replayed = 0;
        for some in ids.chunks(replay::ROUND) {
            let some = some.to_vec();
            n_replayed += self.writer.ask(move |tx| replay::some(tx, &some)).await?;
        }
        Ok(n_replayed)
    }

    async fn resend(&self, deliveries: Vec<DeliveryId>, to: Option<SinkName>) -> Result<Vec<Resent>, StoreError> {
        let mut resent = Vec::with_capacity(deliveries.len());
        for some in deliveries.chunks(resend::ROUND) {
            let (some, to) = (some.to_vec(), to.clone());
            resent.extend(self.writer.ask(move |tx| resend::some(tx, &some, to.as_ref())).await?);
        }
        Ok(resent)
    }

    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<Option<usize>, StoreError> {
        self.writer.ask(move |tx| replay::route(tx, id, &deliveries)).await
    }

    async fn move_waiting(&self, from: &SinkName, to: &SinkName) -> Result<u64, StoreError> {
        let (from, to) = (from.clone(), to.clone());
        self.writer.in_rounds(move |tx| redirect::move_some(tx, &from, &to)).await
    }

    async fn drop_waiting(&self, sink: &SinkName) -> Result<u64, StoreError> {
        let sink = sink.clone();
        self.writer.in_rounds(move |tx| redirect::drop_some(tx, &sink)).await
    }
}
