//! The `sqs` sink: sends events to a queue of Amazon SQS
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>), and waits for the
//! service's answer to each.
//!
//! **Invariants**
//! 1. An event is delivered when the service named it among the successful ones. Of a request some may fail: only those are
//!    tried again.
//! 2. The attribute `delivery-id` is the id of the delivery, by which a reader knows a repeat. A FIFO queue has it as the id
//!    of deduplication too, so that it keeps no repeat within five minutes.
//! 3. A request is signed with the credentials as they were read after the last failure.

#![cfg(feature = "sqs")]

mod batch;
mod client;
mod entry;
mod failure;
mod probe;
mod queue;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::client::Client;
use super::connection::Shared;
use super::credentials::{ACCESS_KEY, Credentials};
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITHOUT_HEADERS, result_of_one, web_service};
use crate::clock::Clock;
use crate::config::Section;
use crate::domain::Delivery;

/// As many entries as a request may have.
const BATCH_SIZE: usize = 10;

/// `kind = "sqs"`
struct Settings {
    queue: Url,
    region: String,
    /// Where requests are sent to, where it is not the host of the queue's address.
    endpoint: Option<Url>,
    /// The group of a message in a FIFO queue. `None`: the partition key of the event.
    group: Option<Template>,
    shape: Shape,
    credentials: Credentials,
    tls: Option<Tls>,
    clock: Clock,
}

/// Sends events to a queue of Amazon SQS.
pub struct SqsSink {
    settings: Settings,
    client: Shared<Client>,
}

impl FromConfig for SqsSink {
    const KIND: &'static str = "sqs";
    const SUMMARY: &'static str = "a message in a queue of Amazon SQS, standard or FIFO";
    const CONFIRMED: &'static str = "stored by the service";
    const PAGE: &'static str = include_str!("../../../docs/sinks/sqs.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let queue = section.need("queue_url", "the address of a queue", queue::reading());
        let region = section.read("region", queue::region());
        let endpoint = section.read("endpoint", web_service::endpoint("https://sqs.eu-north-1.amazonaws.com"));
        let group = section.read("group", entry::group());
        let shape = Shape::read(section, WITHOUT_HEADERS, context);
        let credentials = Credentials::read(section, &[ACCESS_KEY]);
        let tls = web_service::tls(section, endpoint.as_ref().or(queue.as_ref()));
        let queue = queue?;
        if section.has("group") && !queue::is_fifo(&queue) {
            section.mistake(
                "group",
                "found it beside a queue that is not FIFO, expected a queue_url that ends in \".fifo\"",
            );
        }
        let region = region.or_else(|| queue::region_of(&queue));
        if region.is_none() && !section.has("region") {
            section
                .mistake("region", "found nothing, expected a region, as \"eu-north-1\": queue_url does not tell it");
        }
        let clock = Clock::system();
        let settings = Settings { queue, region: region?, endpoint, group, shape, credentials, tls, clock };
        Some(Self { settings, client: Shared::default() })
    }
}

#[async_trait]
impl Sink for SqsSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let open = async || Client::open(&self.settings);
        let send = async |client: Arc<Client>| batch::send(&client, &self.settings, deliveries).await;
        self.client.attempt(deliveries.len(), open, send).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        probe::queue(&Client::open(&self.settings)?, &self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered was answered: nothing is left to send.
        drop(self.client.close().await);
        Ok(())
    }
}
