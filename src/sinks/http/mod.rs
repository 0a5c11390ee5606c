//! The `http` sink: one POST for each event, or for several together, signed as Standard Webhooks 1.0.0 says
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! **Invariants**
//! 1. No redirect is followed, no proxy is used, nothing is decompressed, and a bounded part of an answer is read.
//! 2. A private address is reached only where `allow_private` names its network: see [`guard`].
//! 3. No secret is in an exchange that is noted: see `wire`.
//! 4. Every attempt sends the same id and the same event; only the time of sending, and a token that was wiped
//!    meanwhile, differ.

#![cfg(feature = "http")]

mod address;
mod answer;
mod batch;
mod bearer;
pub mod guard;
mod hidden;
mod probe;
mod settings;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::RwLock;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, redirect};
use url::Url;

use super::signature::{self, Signer};
use super::{Context, DeliveryError, FromConfig, Note, Shape, Sink, cloud_event, reason};
use crate::clock::Clock;
use crate::config::Section;
use crate::domain::{Delivery, Event};
use batch::Outgoing;
use bearer::Bearer;
use guard::{Guard, GuardedResolver};
use hidden::Hidden;
use settings::Settings;
use wire::{USER_AGENT, Wire};

/// Posts events to an address.
pub struct HttpSink {
    /// `None` once it is closed: its idle connections are closed with it.
    client: RwLock<Option<reqwest::Client>>,
    clock: Clock,
    url: Url,
    /// Static headers of the config.
    headers: HeaderMap,
    bearer: Option<Bearer>,
    signer: Signer,
    guard: Arc<Guard>,
    shape: Shape,
    /// Whether several events are sent in one request.
    batch: bool,
    hidden: Arc<Hidden>,
    /// Whether the server's text may be shown: it was sent no secret that it could repeat.
    shows_answers: bool,
}

impl FromConfig for HttpSink {
    const KIND: &'static str = "http";
    const SUMMARY: &'static str = "a POST for each event, signed if `secret` is set (Standard Webhooks, CloudEvents)";
    const CONFIRMED: &'static str = "answered with 2xx";
    const PAGE: &'static str = include_str!("../../../docs/sinks/http.md");

    fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let settings = Settings::read(section, context)?;
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
            bearer: settings.bearer,
            signer: settings.signer,
            guard: settings.guard,
            shape: settings.shape,
            batch: settings.batch,
            hidden: Arc::new(settings.hidden),
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
        self.alone(delivery, &Note::default()).await
    }

    async fn deliver_noting(&self, deliveries: &[&Delivery], notes: &[Note]) -> Vec<Result<(), DeliveryError>> {
        if self.batch {
            return self.together(deliveries, notes).await;
        }
        let mut results = Vec::with_capacity(deliveries.len());
        for (delivery, note) in deliveries.iter().zip(notes) {
            results.push(self.alone(delivery, note).await);
        }
        results
    }

    fn batch_size(&self) -> usize {
        if self.batch { batch::MAX_EVENTS } else { 1 }
    }

    async fn probe(&self) -> Result<Vec<String>, DeliveryError> {
        let connected = probe::connect(&self.url, &self.guard).await;
        connected.map_err(|error| reason::retry(&error.to_string()))?;
        self.token().await?;
        Ok(Vec::new())
    }

    async fn close(&self) -> Result<(), DeliveryError> {
        drop(self.client.write().take());
        Ok(())
    }
}

impl HttpSink {
    async fn alone(&self, delivery: &Delivery, note: &Note) -> Result<(), DeliveryError> {
        let with_secrets_of = self.shape.includes_access_token().then(|| Arc::clone(&delivery.event));
        self.post(batch::single(&self.shape, delivery), with_secrets_of, &[note]).await
    }

    /// One answer is for all that its request had. But one event must not cost others: what is refused for good together
    /// is sent one by one.
    async fn together(&self, deliveries: &[&Delivery], notes: &[Note]) -> Vec<Result<(), DeliveryError>> {
        let (mut results, notes) = (Vec::with_capacity(deliveries.len()), notes.iter().collect::<Vec<_>>());
        for outgoing in batch::several(&self.shape, deliveries) {
            let these = results.len()..results.len() + outgoing.n;
            let (n, together) = (outgoing.n, self.post(outgoing, None, &notes[these.clone()]).await);
            if n == 1 || !matches!(together, Err(DeliveryError::Reject { .. })) {
                results.extend(std::iter::repeat_n(together, n));
                continue;
            }
            for (delivery, note) in deliveries[these.clone()].iter().zip(&notes[these]) {
                results.push(self.post(batch::one(&self.shape, delivery), None, &[note]).await);
            }
        }
        results
    }

    async fn post(
        &self,
        outgoing: Outgoing,
        with_secrets_of: Option<Arc<Event>>,
        notes: &[&Note],
    ) -> Result<(), DeliveryError> {
        let client = self.client.read().clone();
        let Some(client) = client else { return Err(reason::retry("the sink is closed")) };
        let mut request = self.request(&client, outgoing).map_err(|error| answer::no_answer(&error))?;
        let token = self.token().await?;
        if let Some(token) = &token {
            request.headers_mut().insert(AUTHORIZATION, token.clone());
        }
        let wire = Arc::new(Wire::of(Arc::clone(&self.hidden), &request, with_secrets_of));
        for note in notes {
            note.begin(Arc::clone(&wire) as _);
        }
        match client.execute(request).await {
            Ok(response) => {
                if let (StatusCode::UNAUTHORIZED, Some(bearer), Some(token)) = (response.status(), &self.bearer, &token)
                {
                    bearer.refused(token).await;
                }
                answer::judge(response, &wire, self.clock.now(), self.shows_answers).await
            }
            Err(error) => Err(answer::no_answer(&error)),
        }
    }

    async fn token(&self) -> Result<Option<HeaderValue>, DeliveryError> {
        match &self.bearer {
            Some(bearer) => bearer.header().await.map(Some),
            None => Ok(None),
        }
    }

    fn request(&self, client: &reqwest::Client, outgoing: Outgoing) -> reqwest::Result<reqwest::Request> {
        let Outgoing { id, message, .. } = outgoing;
        let timestamp = self.clock.now().as_second();
        let mut request = client
            .post(self.url.clone())
            .headers(self.headers.clone())
            .header(CONTENT_TYPE, message.content_type)
            .header("webhook-id", &id)
            .header("webhook-timestamp", timestamp);
        for (name, value) in message.attributes {
            request = request.header(format!("ce-{name}"), cloud_event::in_header(&value));
        }
        let signature = self.signer.sign(&id, timestamp, &message.body);
        if let Some(mut signature) = signature.and_then(|text| HeaderValue::try_from(text).ok()) {
            signature.set_sensitive(true);
            request = request.header(signature::HEADER, signature);
        }
        request.body(message.body).build()
    }
}
