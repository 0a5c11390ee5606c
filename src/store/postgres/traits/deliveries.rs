//! What operators do with deliveries.

use async_trait::async_trait;

use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::read::backlogs;
use crate::store::postgres::write::{due, redirect, replay, resend};
use crate::store::{DeadLetters, Deliveries, MadeDue, Resent, StoreError};

#[async_trait]
impl Deliveries for PostgresStore {
    async fn make_due(&self, sink: &SinkName) -> Result<u64, StoreError> {
        self.free_expired(sink).await?;
        self.writer.ask(due::All { sink: sink.clone() }).await
    }

    async fn n_due(&self, sink: &SinkName) -> Result<u64, StoreError> {
        self.free_expired(sink).await?;
        let now = self.shared.clock.steady().as_microsecond();
        Ok(backlogs::n_due(&*self.client().await?, sink, now).await?)
    }

    async fn make_one_due(&self, id: DeliveryId) -> Result<Option<MadeDue>, StoreError> {
        self.writer.ask(due::One { id }).await
    }

    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError> {
        let ids = match which {
            DeadLetters::One(id) => vec![id],
            DeadLetters::Some(ids) => ids,
        };
        let mut n_replayed = 0;
        for some in ids.chunks(replay::ROUND) {
            n_replayed += self.writer.ask(replay::Replay { ids: some.to_vec() }).await?;
        }
        Ok(n_replayed)
    }

    async fn resend(&self, deliveries: Vec<DeliveryId>, to: Option<SinkName>) -> Result<Vec<Resent>, StoreError> {
        let mut resent = Vec::with_capacity(deliveries.len());
        for some in deliveries.chunks(resend::ROUND) {
            resent.extend(self.writer.ask(resend::Resend { ids: some.to_vec(), to: to.clone() }).await?);
        }
        Ok(resent)
    }

    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<Option<usize>, StoreError> {
        self.writer.ask(replay::Route { id, deliveries }).await
    }

    async fn move_waiting(&self, from: &SinkName, to: &SinkName) -> Result<u64, StoreError> {
        self.free_expired(from).await?;
        self.writer.in_rounds(|| redirect::Move { from: from.clone(), to: to.clone() }).await
    }

    async fn drop_waiting(&self, sink: &SinkName) -> Result<u64, StoreError> {
        self.free_expired(sink).await?;
        self.writer.in_rounds(|| redirect::Drop { sink: sink.clone() }).await
    }
}
