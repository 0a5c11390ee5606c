//! The `object` sink: stores each event as an object of its own, in a folder, S3, Azure Blob Storage or Google
//! Cloud Storage.
//!
//! **Invariants**
//! 1. An event is delivered when the service answered that it has the object; in a folder, when the file and its folder
//!    are synced to the disk.
//! 2. An object is created, and never overwritten. If one of the name is there and holds the same bytes, it is a repeat; if
//!    it holds others, the delivery is refused.
//! 3. Whatever an event contains, its object is below the prefix of the config.

#![cfg(feature = "object")]

mod bearer;
mod client;
mod failure;
mod name;
mod place;
mod probe;
mod service;
mod store;

use std::sync::Arc;

use async_trait::async_trait;

use self::place::Place;
use self::store::Store;
use super::connection::Shared;
use super::credentials::Credentials;
use super::google::TokenSource;
use super::tls::Tls;
use super::{Context, DeliveryError, FromConfig, Shape, Sink, Template, WITHOUT_HEADERS, result_of_one, web_service};
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
    settings: Settings,
    store: Shared<Store>,
}

impl FromConfig for ObjectSink {
    const KIND: &'static str = "object";
    const SUMMARY: &'static str =
        "an object for each event, in a folder, S3, Azure Blob Storage or Google Cloud Storage";
    const CONFIRMED: &'static str = "stored by the service; in a folder, synced to disk";
    const PAGE: &'static str = include_str!("../../../docs/sinks/object.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let place = section.need("url", "where objects are stored, as \"s3://bucket/prefix\"", place::reading());
        let default = Template::parse(name::DEFAULT).ok()?;
        let path = section.or("path", default, name::reading());
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
        let place = place?;
        let settings = Settings { place, path, endpoint, region, account, path_style, credentials, token, shape, tls };
        Some(Self { settings, store: Shared::default() })
    }
}

#[async_trait]
impl Sink for ObjectSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let name = name::of(&self.settings, delivery)?;
        let message = self.settings.shape.message(delivery);
        let open = async || Store::open(&self.settings);
        let create = async |store: Arc<Store>| vec![store.create(&name, message).await];
        result_of_one(self.store.attempt(1, open, create).await)
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        probe::place(&self.settings).await
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        // Every event that counts as delivered is stored: nothing is left to send.
        drop(self.store.close().await);
        Ok(())
    }
}
