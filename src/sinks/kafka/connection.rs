//! A producer, from its making to its end, and the batches that are sent through it.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::producer::future_producer::DeliveryFuture;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _, PurgeConfig};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::message::Record;
use super::watch::Watch;
use super::{Settings, failure};
use crate::domain::Delivery;
use crate::sinks::connection::Connected;
use crate::sinks::lost::Lost;
use crate::sinks::{DeliveryError, reason, results_of};

/// A producer with its connections to the brokers.
pub(super) type Producer = Arc<FutureProducer<Watch>>;

/// A producer. It is used until it is lost, and then replaced.
pub(super) struct Connection {
    producer: Option<Producer>,
    pub(super) lost: Lost,
}

/// An attempt that is under way. If it ends too early, what it has not sent yet is taken back, so that it does not come
/// after what follows. That takes back what other attempts have not sent yet, too: they are made again.
struct Attempt<'a> {
    producer: &'a Producer,
    is_over: bool,
}

impl Connection {
    /// Makes a producer, which connects by itself.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: the settings cannot be used.
    pub(super) async fn open(client: ClientConfig) -> Result<Self, DeliveryError> {
        let lost = Lost::default();
        let watch = Watch { lost: lost.clone() };
        // It reads the system's certificates, and starts threads.
        let made = spawn_blocking(move || client.create_with_context(watch)).await;
        let producer = made.map_err(|_ended| reason::retry_all("the making of the producer was aborted"))?;
        let producer: FutureProducer<Watch> = producer.map_err(|error| failure::of_client(&error))?;
        Ok(Self { producer: Some(Arc::new(producer)), lost })
    }

    /// The producer.
    ///
    /// # Errors
    /// Never, before the end of the connection.
    pub(super) fn producer(&self) -> Result<&Producer, DeliveryError> {
        self.producer.as_ref().ok_or_else(|| reason::retry_all("the connection has ended"))
    }

    /// Sends deliveries: one result for each, in order.
    pub(super) async fn publish(
        &self,
        settings: &Settings,
        deliveries: &[&Delivery],
    ) -> Vec<Result<(), DeliveryError>> {
        let producer = match self.producer() {
            Ok(producer) => producer,
            Err(error) => return vec![Err(error); deliveries.len()],
        };
        let mut attempt = Attempt { producer, is_over: false };
        let sent: Vec<_> = deliveries.iter().map(|it| send(producer, settings, it)).collect();
        let confirm = |confirmation| self.confirmed(settings, confirmation, deliveries.len());
        let results = results_of(sent, confirm).await;
        attempt.is_over = !self.lost.is_lost();
        results
    }

    /// Waits until a message is confirmed. It was one of `n_sent`.
    async fn confirmed(
        &self,
        settings: &Settings,
        confirmation: DeliveryFuture,
        n_sent: usize,
    ) -> Result<(), DeliveryError> {
        let confirmed = tokio::select! {
            biased;
            confirmed = confirmation => confirmed,
            lost = self.lost.reason() => return Err(lost),
        };
        let Ok(confirmed) = confirmed else { return Err(reason::retry_all("the producer ended")) };
        confirmed.map(drop).map_err(|(error, _message)| failure::of(&error, settings, n_sent, &self.lost))
    }
}

impl Connected for Connection {
    fn works(&self) -> Option<bool> {
        Some(!self.lost.is_lost())
    }
}

/// Hands a message over. Its confirmation is still to come.
fn send(producer: &Producer, settings: &Settings, delivery: &Delivery) -> Result<DeliveryFuture, DeliveryError> {
    let Record { topic, key, headers, body } = Record::of(settings, delivery)?;
    let mut record = FutureRecord::to(&topic).payload(&body).headers(headers);
    if let Some(key) = &key {
        record = record.key(key);
    }
    producer.send_result(record).map_err(|(error, _record)| failure::of_sending(&error, settings, body.len()))
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.producer.purge(PurgeConfig::default().queue().inflight().non_blocking());
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The end of a producer waits for its threads.
        if let (Some(producer), Ok(runtime)) = (self.producer.take(), Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(producer)));
        }
    }
}
