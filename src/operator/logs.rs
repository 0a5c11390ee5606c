//! The event log and the delivery log, with filters. A text that is an id (of an event, a delivery, an operation or a call, in
//! any spelling) finds what it names; another text is searched in client contexts, and in the reasons of failures.

use super::Operator;
use crate::domain::{DeliveryId, EventId, GraphId};
use crate::store::{
    DeliveryFilter, EventFilter, EventView, LoggedDelivery, Newest, OperationView, Page, StoreError, ids,
};

impl Operator {
    /// A page of the events that are meant, newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn event_log(
        &self,
        which: &EventFilter,
        page: Newest<EventId>,
    ) -> Result<Page<EventView, EventId>, StoreError> {
        let named = match &which.text {
            Some(text) => self.events_named(text).await?,
            None => Vec::new(),
        };
        if named.is_empty() {
            return self.store.event_log(which, page).await;
        }
        let others = EventFilter { text: None, ..which.clone() };
        let meant = named.into_iter().filter(|event| others.means(event)).collect();
        Ok(Page::of(meant, page, |event: &EventView| event.id, |id| ids::event_row(id.0)))
    }

    /// A page of the deliveries that are meant, those of the newest event first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn delivery_log(
        &self,
        which: &DeliveryFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        let named = match &which.text {
            Some(text) => self.deliveries_named(text).await?,
            None => Vec::new(),
        };
        if named.is_empty() {
            return self.store.delivery_log(which, page).await;
        }
        let (others, now) = (DeliveryFilter { text: None, ..which.clone() }, self.clock.now());
        let is_meant = |it: &LoggedDelivery| {
            let event = it.event.as_ref();
            event.is_some_and(|event| others.means(&it.delivery, event, now))
        };
        let meant = named.into_iter().filter(is_meant).collect();
        Ok(Page::of(meant, page, |row: &LoggedDelivery| row.delivery.id, |id| ids::delivery_row(id.0)))
    }

    /// The events that an id names: those of an operation or of a call, the event itself, or the event of a delivery.
    async fn events_named(&self, id: &str) -> Result<Vec<EventView>, StoreError> {
        let Some(id) = GraphId::new(id.trim()) else { return Ok(Vec::new()) };
        let mut operations: Vec<OperationView> = self.store.operations(id.as_str()).await?;
        if operations.is_empty() {
            operations = self.of_call_id(id.as_str()).await?;
        }
        if !operations.is_empty() {
            return Ok(operations.into_iter().flat_map(|operation| operation.events).collect());
        }
        let Ok(event) = id.as_str().parse::<EventId>() else { return Ok(Vec::new()) };
        if let Some(event) = self.store.event(event).await? {
            return Ok(vec![event]);
        }
        match self.store.delivery(DeliveryId(event.0)).await? {
            Some(delivery) => Ok(Vec::from_iter(self.store.event(delivery.event).await?)),
            None => Ok(Vec::new()),
        }
    }

    /// The delivery that an id names, or the deliveries of the events that it names.
    async fn deliveries_named(&self, id: &str) -> Result<Vec<LoggedDelivery>, StoreError> {
        let delivery = match GraphId::new(id.trim()).map(|id| id.as_str().parse::<DeliveryId>()) {
            Some(Ok(id)) => self.store.delivery(id).await?,
            _ => None,
        };
        if let Some(delivery) = delivery {
            let event = self.store.event(delivery.event).await?;
            return Ok(vec![LoggedDelivery { delivery, event }]);
        }
        let events = self.events_named(id).await?;
        let of_event = |mut event: EventView| {
            let deliveries = std::mem::take(&mut event.deliveries);
            deliveries.into_iter().map(move |delivery| LoggedDelivery { delivery, event: Some(event.clone()) })
        };
        Ok(events.into_iter().flat_map(of_event).collect())
    }
}
