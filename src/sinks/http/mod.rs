//! The `http` sink: one POST for each event, signed as Standard Webhooks 1.0.0 says
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! **Invariants**
//! 1. No redirect is followed, no proxy is used, nothing is decompressed, and a bounded part of an answer is read.
//! 2. A private address is reached only where `allow_private` names its network: see [`guard`].
//! 3. Every attempt sends the same id and the same event; only the time of sending, and a token that was wiped
//!    meanwhile, differ.

#![cfg(feature = "sink-http")]

mod answer;
pub mod guard;
mod probe;
mod settings;
mod signature;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::redirect;
use url::Url;

use super::{DeliveryError, FromConfig, Sink, cloud_event, reason};
use crate::clock::Clock;
use crate::config::Section;
use crate::domain::Delivery;
use guard::{Guard, GuardedResolver};
use settings::Settings;
use signature::Signer;

const USER_AGENT: &str = concat!("reelhook/", env!("CARGO_PKG_VERSION"));

/// Posts events to an address.
pub struct HttpSink {
    /// `None` once it is closed: its idle connections are closed with it.
    client: RwLock<Option<reqwest::Client>>,
    clock: Clock,
    url: Url,
    /// Static headers of the config.
    headers: HeaderMap,
    signer: Signer,
    guard: Arc<Guard>,
    include_access_token: bool,
    /// Whether the server's text may be shown: it was sent no secret that it could repeat.
    shows_answers: bool,
}

impl FromConfig for HttpSink {
    const KIND: &'static str = "http";
    const SUMMARY: &'static str = "a signed POST for each event (Standard Webhooks, CloudEvents)";

    fn read(section: &mut Section<'_>) -> Option<Self> {
        let settings = Settings::read(section)?;
        let client = match client(&settings.guard) {
            Ok(client) => client,
            Err(error) => {
                section.mistake("url", error);
                return None;
            }
        };
        Some(Self {
            client: RwLock::new(Some(client)),
            clock: Clock::system(),
            shows_answers: !settings.sends_secrets,
            url: settings.url,
            headers: settings.headers,
            signer: settings.signer,
            guard: settings.guard,
            include_access_token: settings.include_access_token,
        })
    }
}

fn client(guard: &Arc<Guard>) -> Result<reqwest::Client, String> {
    let tls = crate::tls::client_config().map_err(|error| format!("found no usable TLS: {error}"))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(GuardedResolver(Arc::clone(guard)))
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .user_agent(USER_AGENT)
        .build();
    client.map_err(|error| format!("found no usable HTTP client: {error}"))
}

#[async_trait]
impl Sink for HttpSink {
    async fn deliver(&self, delivery: &Delivery) -> Result<(), DeliveryError> {
        let mut body = Vec::new();
        cloud_event::write(delivery, self.include_access_token, &mut body);
        let (id, timestamp) = (delivery.id.to_string(), self.clock.now().as_second());
        let client = self.client.read().clone();
        let Some(client) = client else { return Err(reason::retry("the sink is closed")) };
        let mut request = client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, cloud_event::CONTENT_TYPE)
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp);
        if let Some(signature) = self.signer.sign(&id, timestamp, &body) {
            request = request.header("webhook-signature", signature);
        }
        match request.body(body).send().await {
            Ok(response) => answer::judge(response, self.clock.now(), self.shows_answers).await,
            Err(error) => Err(answer::no_answer(&error)),
        }
    }

    async fn probe(&self) -> Result<(), DeliveryError> {
        probe::connect(&self.url, &self.guard).await.map_err(|error| reason::retry(&error.to_string()))
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        drop(self.client.write().take());
        Ok(())
    }
}
