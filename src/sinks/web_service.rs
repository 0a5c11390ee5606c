//! HTTP to a service of a cloud: what the kinds share whose far side is one. The client is reelhook's own, so that `tls`
//! means the same for every kind.
//!
//! **Invariants**
//! 1. A request is made once: the dispatcher makes another attempt, not the client.
//! 2. Of an answer no more than [`MAX_ANSWER_BYTES`] are read.
//! 3. An error tells no address: it may hold a secret.
//! 4. Nobody stands between: the environment's proxies are not used.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use reqwest::{Client, RequestBuilder, StatusCode};
use url::Url;

use super::address::address;
use super::tls::Tls;
use super::{DeliveryError, reason};
use crate::config::{Reading, Section};
use crate::tls::client_config;
use crate::web::answer::{self, Unread};

/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its body.
    pub body: Vec<u8>,
}

/// A client that trusts whom the config names.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery.
pub fn client(tls: Option<&Tls>) -> Result<Client, DeliveryError> {
    let config = match tls {
        Some(tls) => tls.client_config()?,
        None => client_config().map_err(|error| reason::retry_all(&format!("tls: {error}")))?,
    };
    let client = Client::builder()
        .tls_backend_preconfigured(config)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build();
    client.map_err(|error| reason::retry_all(&format!("tls: {}", reason::chain(&error))))
}

/// Sends a request, and reads the whole answer.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery: there is no answer.
pub async fn send(request: RequestBuilder) -> Result<Answer, DeliveryError> {
    let failed = |error: reqwest::Error| {
        reason::retry_all(&format!("the service was not reached: {}", reason::chain(&error.without_url())))
    };
    let mut response = request.send().await.map_err(failed)?;
    let body = answer::body(&mut response, MAX_ANSWER_BYTES).await.map_err(|unread| match unread {
        Unread::Failed(error) => failed(error),
        Unread::TooLong => reason::retry_all("the service's answer has more than 1 MiB"),
    })?;
    Ok(Answer { status: response.status(), body })
}

/// Reads the address of a service other than the usual one.
pub fn endpoint(example: &str) -> Reading<Url> {
    address(&["http", "https"], example)
}

/// Reads the table `tls`, beside the `endpoint` that is configured.
pub fn tls(section: &mut Section<'_>, endpoint: Option<&Url>) -> Option<Tls> {
    let tls = Tls::read(section);
    if section.has("tls.server_name") {
        section
            .mistake("tls.server_name", "found a name, expected none: the name of the endpoint is the one that counts");
    }
    if tls.is_some() && endpoint.is_some_and(|it| it.scheme() == "http") {
        section.mistake(
            "tls",
            "found it beside an endpoint of \"http\", expected one of \"https\": nothing is encrypted there",
        );
    }
    tls
}
