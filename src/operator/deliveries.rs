//! Deliveries: those that wait, those of an operation, and each with the event that it delivers.

use super::{Operator, OperatorError};
use crate::domain::{DeliveryId, EventId, GraphId, SinkName};
use crate::store::{DeliveryState, DeliveryView, EventView, Newest, OperationView, StoreError};

/// A delivery with its event.
#[derive(Clone, Debug)]
pub struct DeliveryOfEvent {
    /// The delivery.
    pub delivery: DeliveryView,
    /// Its event; `None` where retention removed it.
    pub event: Option<EventView>,
}

impl Operator {
    /// What waits, of one sink or of all: a page, the newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn waiting(
        &self,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        let mut waiting = Vec::new();
        for state in [DeliveryState::Open, DeliveryState::Blocked] {
            waiting.extend(self.store.deliveries(state, sink, page).await?);
        }
        waiting.sort_by_key(|delivery| std::cmp::Reverse(delivery.id));
        waiting.truncate(page.limit);
        Ok(waiting)
    }

    /// A delivery in whatever state, with its event.
    ///
    /// # Errors
    /// No delivery has this id, or the store could not be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryOfEvent, OperatorError> {
        let delivery = self.store.delivery(id).await?.ok_or(OperatorError::Missing)?;
        Ok(self.with_event(delivery).await?)
    }

    /// An operation by either of its ids, in any spelling, with its events and their deliveries; of this call, where one is
    /// named. More than one where calls share the id.
    ///
    /// # Errors
    /// There is none, or the store could not be read.
    pub async fn operations_with_events(
        &self,
        id: &GraphId,
        call: Option<&GraphId>,
    ) -> Result<Vec<OperationView>, OperatorError> {
        let mut operations = self.store.operations(id.as_str()).await?;
        operations.retain(|it| call.is_none_or(|call| it.call_id.as_deref() == Some(call.as_str())));
        if operations.is_empty() { Err(OperatorError::Missing) } else { Ok(operations) }
    }

    /// An event by its id.
    ///
    /// # Errors
    /// There is none, or the store could not be read.
    pub async fn event(&self, id: EventId) -> Result<EventView, OperatorError> {
        self.store.event(id).await?.ok_or(OperatorError::Missing)
    }

    /// Has what waits for a sink that the config no longer has go to one that it has, under the same ids and in the same
    /// order. Returns how many.
    ///
    /// # Errors
    /// The config has the first sink, or lacks the second, or the store failed: the same may be asked for again.
    pub async fn move_waiting(&self, from: &SinkName, to: &SinkName, who: &str) -> Result<u64, OperatorError> {
        self.must_be_gone(from)?;
        if !self.has_sink(to) {
            return Err(OperatorError::NotConfigured(to.clone()));
        }
        let n = self.store.move_waiting(from, to).await?;
        tracing::info!(who, %from, %to, n, "deliveries are moved to another sink");
        Ok(n)
    }

    /// Makes dead letters of what waits for a sink that the config no longer has. Returns how many.
    ///
    /// # Errors
    /// The config has the sink, or the store failed: the same may be asked for again.
    pub async fn drop_waiting(&self, sink: &SinkName, who: &str) -> Result<u64, OperatorError> {
        self.must_be_gone(sink)?;
        let n = self.store.drop_waiting(sink).await?;
        tracing::info!(who, %sink, n, "deliveries are made dead letters");
        Ok(n)
    }

    /// What waits for a configured sink belongs to its dispatcher.
    fn must_be_gone(&self, sink: &SinkName) -> Result<(), OperatorError> {
        if self.has_sink(sink) { Err(OperatorError::Configured(sink.clone())) } else { Ok(()) }
    }

    pub(super) async fn with_event(&self, delivery: DeliveryView) -> Result<DeliveryOfEvent, StoreError> {
        let event = self.store.event(delivery.event).await?;
        Ok(DeliveryOfEvent { delivery, event })
    }
}
