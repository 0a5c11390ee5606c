//! Requests to the service, with a token where the config says so.

use reqwest::RequestBuilder;
use reqwest::header::CONTENT_TYPE;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Settings, failure};
use crate::sinks::connection::Connected;
use crate::sinks::google::{TokenSource, Tokens};
use crate::sinks::web_service::Answer;
use crate::sinks::{DeliveryError, reason, web_service};

/// What a token is good for.
const SCOPE: &str = "https://www.googleapis.com/auth/pubsub";

/// Who makes requests, with the certificates as they were when it was made.
pub(super) struct Client {
    http: reqwest::Client,
    tokens: Option<Tokens>,
}

impl Connected for Client {}

impl Client {
    /// Makes it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let http = web_service::client(settings.tls.as_ref())?;
        let (endpoint, clock) = (&settings.endpoint, &settings.clock);
        let tokens = |source: &TokenSource| Tokens::of(source.clone(), SCOPE, Some(endpoint), clock.clone());
        let tokens = settings.token.as_ref().map(tokens);
        Ok(Self { http, tokens })
    }

    /// Gets a token, where the config says so.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is none.
    pub(super) async fn check_token(&self) -> Result<(), DeliveryError> {
        match &self.tokens {
            Some(tokens) => tokens.now(&self.http).await.map(drop),
            None => Ok(()),
        }
    }

    /// Asks a question that changes nothing.
    ///
    /// # Errors
    /// Why there is no such answer.
    pub(super) async fn get<A: DeserializeOwned>(&self, url: Url) -> Result<A, DeliveryError> {
        read(&self.send(self.http.get(url)).await?)
    }

    /// Sends `body`.
    ///
    /// # Errors
    /// Why it was not done, as far as is known.
    pub(super) async fn post<A: DeserializeOwned>(&self, url: Url, body: &impl Serialize) -> Result<A, DeliveryError> {
        let body = serde_json::to_vec(body).map_err(|error| reason::retry(&format!("no JSON: {error}")))?;
        let request = self.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        read(&self.send(request).await?)
    }

    async fn send(&self, mut request: RequestBuilder) -> Result<Answer, DeliveryError> {
        if let Some(tokens) = &self.tokens {
            request = request.bearer_auth(tokens.now(&self.http).await?.expose_secret());
        }
        web_service::send(request).await
    }
}

fn read<A: DeserializeOwned>(answer: &Answer) -> Result<A, DeliveryError> {
    if !answer.status.is_success() {
        return Err(failure::of(answer));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| reason::retry_all(&format!("the service's answer is not one of Pub/Sub: {error}")))
}
