//! The `pubsub` sink: publishes events to a topic of Google Cloud Pub/Sub
//! (<https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish>), and waits for the service's answer.
//!
//! **Invariants**
//! 1. An event is delivered when the service gave it the id of a message.
//! 2. The attribute `delivery-id` is the id of the delivery: a topic keeps repeats, and a reader knows them by it.
//! 3. A client context or a call never chooses another project: it can only be a part of the topic's name.

#![cfg(feature = "pubsub")]

mod batch;
mod client;
mod failure;
mod message;
mod probe;
mod topic;

use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::client::Client;
use super::auth::Auth;
use super::connection::Shared;
use super::google::{self, TokenSource};
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITH_HEADERS, result_of_one, web_service};
use crate::clock::Clock;
use crate::config::Section;
use crate::config::value::switch;
use crate::domain::Delivery;

/// As many events as are sent in one request.
const BATCH_SIZE: usize = 256;

/// `kind = "pubsub"`
struct Settings {
    project: String,
    topic: Template,
    endpoint: Url,
    /// Whether a message has a key by which subscriptions can keep the order.
    ordering: bool,
    /// That key. `None`: the partition key of the event.
    ordering_key: Option<Template>,
    shape: Shape,
    token: Option<TokenSource>,
    tls: Option<Tls>,
    clock: Clock,
}

/// Publishes events to a topic of Google Cloud Pub/Sub.
pub struct PubsubSink {
    settings: Settings,
    client: Shared<Client>,
}

impl FromConfig for PubsubSink {
    const KIND: &'static str = "pubsub";
    const SUMMARY: &'static str = "a message in a topic of Google Cloud Pub/Sub";
    const CONFIRMED: &'static str = "stored by the service, if the topic has a subscription";
    const PAGE: &'static str = include_str!("../../../docs/sinks/pubsub.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let project = section.need("project", "the id of a project, as \"example-123456\"", topic::project());
        let topic = section.need("topic", "a topic, as \"recordings\"", topic::reading());
        let endpoint = web_service::endpoint("https://europe-north1-pubsub.googleapis.com");
        let endpoint = section.or("endpoint", topic::endpoint()?, endpoint);
        let ordering = section.or("ordering", true, switch());
        let ordering_key = section.read("ordering_key", Template::reading());
        if section.has("ordering_key") && !ordering {
            section
                .mistake("ordering_key", "found it beside ordering = false, expected one of them: no key is sent then");
        }
        let shape = Shape::read(section, WITH_HEADERS, context);
        let auth = Auth::read(section, google::METHODS);
        let token = TokenSource::read(section, auth.as_ref());
        let tls = web_service::tls(section, Some(&endpoint));
        let (project, topic, clock) = (project?, topic?, Clock::system());
        let settings = Settings { project, topic, endpoint, ordering, ordering_key, shape, token, tls, clock };
        Some(Self { settings, client: Shared::default() })
    }
}

#[async_trait]
impl Sink for PubsubSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        result_of_one(self.deliver_batch(&[delivery]).await)
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        let open = async || Client::open(&self.settings);
        let publish = async |client: Arc<Client>| batch::publish(&client, &self.settings, deliveries).await;
        self.client.attempt(deliveries.len(), open, publish).await
    }

    fn batch_size(&self) -> usize {
        BATCH_SIZE
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        probe::topic(&Client::open(&self.settings)?, &self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered was answered: nothing is left to send.
        drop(self.client.close().await);
        Ok(())
    }
}
