//! Deliveries: those of an operation, each with its event, and those of removed sinks.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{Body, Operator, OperatorError, Sight, words};
use crate::domain::{DeliveryId, EventId, Exchange, GraphId, SinkName};
use crate::store::{DeliveryView, EventView, OperationView};

/// How long a request waits for attempts under way, before it says that some are left. Shorter than commands wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits before it looks again.
const PAUSE: Duration = Duration::from_millis(100);

/// A delivery with its event.
#[derive(Clone, Debug)]
pub struct DeliveryOfEvent {
    /// The delivery.
    pub delivery: DeliveryView,
    /// Its event; `None` if the retention has removed it.
    pub event: Option<EventView>,
    /// The exchanges that are kept of its attempts, by their numbers. Only read for a delivery that is shown alone.
    pub exchanges: BTreeMap<u32, Exchange>,
}

impl DeliveryOfEvent {
    /// Why no exchange is kept of an attempt that had one.
    pub fn why_no_exchange(&self, number: u32) -> Option<String> {
        let DeliveryView { failures, success, .. } = &self.delivery;
        let failure = failures.iter().find(|failure| failure.number == number).map(|failure| failure.exchange);
        let keeping = failure.or(success.map(|success| success.exchange)).unwrap_or_default();
        words::of_missing_exchange(keeping).filter(|_| !self.exchanges.contains_key(&number))
    }
}

/// How many deliveries of a removed sink were moved or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redirected {
    /// How many.
    pub n: u64,
    /// How many were left: an attempt is under way, for them or for an earlier one of their operation.
    pub n_under_way: u64,
}

impl Operator {
    /// A delivery in any state, with its event and its exchanges.
    ///
    /// # Errors
    /// No delivery has this id, or the store could not be read.
    pub async fn delivery(&self, id: DeliveryId) -> Result<DeliveryOfEvent, OperatorError> {
        let delivery = self.store.delivery(id).await?.ok_or(OperatorError::Missing)?;
        let exchanges = self.store.exchanges(id).await?;
        let event = self.store.event(delivery.event).await?;
        Ok(DeliveryOfEvent { delivery, event, exchanges })
    }

    /// Operations with an id, with their events and deliveries. The id is Graph's or the announcement's, with or
    /// without dashes. Several calls may have the same id: `call` selects one of them.
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

    /// The notification of an event as it arrived. Without `shows_secrets` the secrets in it are hidden. `None`: it is not
    /// kept any more, or reelhook made the event.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn original(&self, id: EventId, shows_secrets: bool) -> Result<Option<Body>, OperatorError> {
        let raw = self.store.original(id).await?;
        Ok(raw.map(|raw| Body::shown(Some(&raw), Sight { bodies: true, secrets: shows_secrets })))
    }

    /// Moves the waiting deliveries of a sink that is no longer in the config to another sink. Ids and order stay the
    /// same. It waits a while for attempts under way: a delivery is moved when its attempt has failed.
    ///
    /// # Errors
    /// The config still has the first sink or does not have the second, or the store failed. The caller may try again.
    pub async fn move_waiting(&self, from: &SinkName, to: &SinkName, who: &str) -> Result<Redirected, OperatorError> {
        let done = self
            .redirect(from, async || {
                self.must_be_configured(to)?;
                Ok(self.store.move_waiting(from, to).await?)
            })
            .await?;
        let Redirected { n, n_under_way } = done;
        tracing::info!(caller = who, from_sink = %from, to_sink = %to, n_deliveries = n, n_under_way, "waiting deliveries were moved to another sink");
        Ok(done)
    }

    /// Turns the waiting deliveries of a sink that is no longer in the config into dead letters. It waits a while for
    /// attempts under way: a delivery is a dead letter when its attempt has failed.
    ///
    /// # Errors
    /// The config still has the sink, or the store failed. The caller may try again.
    pub async fn drop_waiting(&self, sink: &SinkName, who: &str) -> Result<Redirected, OperatorError> {
        let done = self.redirect(sink, async || Ok(self.store.drop_waiting(sink).await?)).await?;
        let Redirected { n, n_under_way } = done;
        tracing::info!(caller = who, %sink, n_deliveries = n, n_under_way, "waiting deliveries became dead letters");
        Ok(done)
    }

    /// Redirects what waits for a sink until nothing is left, or [`PATIENCE`] is over.
    async fn redirect(
        &self,
        sink: &SinkName,
        some: impl AsyncFn() -> Result<u64, OperatorError>,
    ) -> Result<Redirected, OperatorError> {
        let (began, mut n) = (Instant::now(), 0);
        loop {
            self.must_be_gone(sink)?;
            n += some().await?;
            let n_under_way = self.store.backlog().await?.get(sink).map_or(0, |backlog| backlog.n_open);
            if n_under_way == 0 || began.elapsed() >= PATIENCE {
                return Ok(Redirected { n, n_under_way });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Refuses a sink that the config has: its waiting deliveries belong to its dispatcher.
    fn must_be_gone(&self, sink: &SinkName) -> Result<(), OperatorError> {
        if self.has_sink(sink) { Err(OperatorError::Configured(sink.clone())) } else { Ok(()) }
    }
}
