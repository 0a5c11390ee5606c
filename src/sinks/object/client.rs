//! The HTTP client of the services, as the library wants one.

use std::error::Error;

use async_trait::async_trait;
use http_body_util::BodyExt;
use hyper::header::AUTHORIZATION;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
};

use crate::sinks::tls::Tls;
use crate::sinks::{DeliveryError, web_service};

/// The login of a request without one.
const NO_TOKEN: &str = "Bearer ";

/// A client, and what makes copies of it.
#[derive(Clone, Debug)]
pub(super) struct Client(reqwest::Client);

impl Client {
    /// A client that trusts whom the config names.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) fn new(tls: Option<&Tls>) -> Result<Self, DeliveryError> {
        web_service::client(tls).map(Self)
    }

    /// The client itself.
    pub(super) fn http(&self) -> &reqwest::Client {
        &self.0
    }
}

impl HttpConnector for Client {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Client {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut parts, body) = request.into_parts();
        // For Google the library always writes a token, also where there is none.
        if parts.headers.get(AUTHORIZATION).is_some_and(|it| it == NO_TOKEN) {
            parts.headers.remove(AUTHORIZATION);
        }
        let body = body.collect().await?.to_bytes();
        let url = parts.uri.to_string();
        let sent = self.0.request(parts.method, url).headers(parts.headers).body(body).send().await;
        let answer = hyper::Response::<reqwest::Body>::from(sent.map_err(failed)?);
        let (parts, body) = answer.into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failed))))
    }
}

fn failed(error: reqwest::Error) -> HttpError {
    let kind = if error.is_connect() { HttpErrorKind::Connect } else { HttpErrorKind::Request };
    // The address may hold a signature.
    let boxed: Box<dyn Error + Send + Sync> = Box::new(error.without_url());
    HttpError::new_boxed(kind, boxed)
}
