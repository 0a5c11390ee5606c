//! The `object` sink: stores each event as an object of its own, or several as the lines of one, in a folder, S3, Azure Blob
//! Storage or Google Cloud Storage.
//!
//! **Invariants**
//! 1. An event is delivered when the service answered that it has the object; in a folder, when the file and its folder
//!    are synced to the disk.
//! 2. An object is created, and never overwritten. If one of the name is there and holds the same bytes, it is a repeat; if
//!    it holds others, the delivery is refused.
//! 3. An event whose batch is not stored yet is not delivered yet.
//! 4. Whatever an event contains, its object is below the prefix of the config.

#![cfg(feature = "object")]

mod batch;
mod batches;
mod bearer;
mod client;
mod failure;
mod limits;
mod lines;
mod name;
mod objects;
mod place;
mod probe;
mod service;
mod store;

use std::sync::Arc;

use async_trait::async_trait;

use self::batches::Batches;
use self::limits::Limits;
use self::objects::Objects;
use self::place::Place;
use super::credentials::Credentials;
use super::google::TokenSource;
use super::tls::Tls;
use super::{
    Context, DeliveryError, FromConfig, Shape, Sink, Template, WITHOUT_HEADERS, one_by_one, result_of_one, web_service,
};
use crate::config::Section;
use crate::config::value::{name as text, switch};
use crate::domain::Delivery;

/// The longest name of a region or an account.
const MAX_NAME_CHARS: usize = 256;

/// `kind = "object"`
struct Settings {
    place: Place,
    path: Template,
    endpoint: Option<url::Url>,
    region: String,
    account: Option<String>,
    path_style: bool,
    credentials: Credentials,
    /// Google: where tokens come from.
    token: Option<TokenSource>,
    shape: Shape,
    tls: Option<Tls>,
}

impl Settings {
    fn endpoint(&self) -> Option<String> {
        self.endpoint.as_ref().map(|it| it.as_str().trim_end_matches('/').to_owned())
    }
}

/// Stores events as objects.
pub struct ObjectSink {
    objects: Arc<Objects>,
    /// `None`: each event is an object of its own.
    batches: Option<Batches>,
}

impl ObjectSink {
    /// A figure of the batches; `otherwise`: without them.
    fn of_batches(&self, otherwise: usize, figure: impl FnOnce(Limits) -> usize) -> usize {
        self.batches.as_ref().map_or(otherwise, |batches| figure(batches.limits()))
    }
}

impl FromConfig for ObjectSink {
    const KIND: &'static str = "object";
    const SUMMARY: &'static str =
        "an object for each event or batch, in a folder, S3, Azure Blob Storage or Google Cloud Storage";
    const CONFIRMED: &'static str = "stored by the service; in a folder, synced to disk";
    const PAGE: &'static str = include_str!("../../../docs/sinks/object.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let place = section.need("url", "where objects are stored, as \"s3://bucket/prefix\"", place::reading());
        let limits = Limits::read(section, context);
        let path = name::read(section);
        let endpoint = section.read("endpoint", web_service::endpoint("https://storage.example.com"));
        let region = section.or("region", "us-east-1".to_owned(), text(MAX_NAME_CHARS));
        let account = section.read("account", text(MAX_NAME_CHARS));
        let path_style = section.or("path_style", true, switch());
        let shape = Shape::read(section, WITHOUT_HEADERS, context);
        let credentials = Credentials::read(section, service::METHODS);
        let token = TokenSource::read(section, credentials.auth());
        let tls = web_service::tls(section, endpoint.as_ref());
        if let Some(place) = &place {
            place.check(section);
        }
        let (place, path) = (place?, path?);
        let settings = Settings { place, path, endpoint, region, account, path_style, credentials, token, shape, tls };
        let objects = Arc::new(Objects::of(settings));
        let batches = limits.map(|limits| Batches::of(Arc::clone(&objects), limits, context.concurrency));
        Some(Self { objects, batches })
    }
}

#[async_trait]
impl Sink for ObjectSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        if let Some(batches) = &self.batches {
            return result_of_one(batches.deliver(&[delivery]).await);
        }
        let settings = &self.objects.settings;
        self.objects.create(&name::of(settings, delivery)?, settings.shape.message(delivery)).await
    }

    async fn deliver_batch(&self, deliveries: &[&Delivery]) -> Vec<Result<(), DeliveryError>> {
        match &self.batches {
            Some(batches) => batches.deliver(deliveries).await,
            None => one_by_one(self, deliveries).await,
        }
    }

    fn batch_size(&self) -> usize {
        self.of_batches(1, |limits| limits.count)
    }

    /// Of one call the events with one name are in one object, in their order. Objects have no order.
    fn is_all_or_nothing(&self) -> bool {
        self.batches.is_some()
    }

    /// Each delivery may be in a call of its own that waits for the others of its batch.
    fn waiting_at_a_time(&self) -> usize {
        self.of_batches(0, |limits| limits.count)
    }

    fn hurry(&self) {
        self.batches.iter().for_each(Batches::hurry);
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        probe::place(&self.objects.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        if let Some(batches) = &self.batches {
            batches.finish().await;
        }
        self.objects.close().await;
        Ok(())
    }
}
