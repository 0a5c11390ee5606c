//! Signed requests in the protocol AWS JSON 1.0.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Settings, failure};
use crate::clock::Clock;
use crate::sinks::connection::Connected;
use crate::sinks::{DeliveryError, reason, web_service};

/// The media type of the protocol.
const MEDIA_TYPE: &str = "application/x-amz-json-1.0";
/// The header that names what is asked for.
const TARGET: &str = "x-amz-target";

/// Who makes requests, with the credentials and the certificates as they were when it was made.
pub(super) struct Client {
    http: reqwest::Client,
    endpoint: Url,
    region: String,
    credentials: Option<Credentials>,
    clock: Clock,
}

impl Connected for Client {}

impl Client {
    /// Makes it. Nothing is sent yet.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let http = web_service::client(settings.tls.as_ref())?;
        let mut endpoint = settings.endpoint.clone().unwrap_or_else(|| settings.queue.clone());
        if settings.endpoint.is_none() {
            endpoint.set_path("/");
        }
        let credentials = match settings.credentials.login()? {
            Some(login) => {
                let token = settings.credentials.session_token()?.map(|token| token.expose_secret().to_owned());
                Some(Credentials::new(login.name, login.secret.expose_secret(), token, None, "reelhook"))
            }
            None => None,
        };
        Ok(Self { http, endpoint, region: settings.region.clone(), credentials, clock: settings.clock.clone() })
    }

    /// Asks for `action`, and reads the answer.
    ///
    /// # Errors
    /// Why it was not done, as far as is known.
    pub(super) async fn call<A: DeserializeOwned>(
        &self,
        action: &str,
        question: &impl Serialize,
    ) -> Result<A, DeliveryError> {
        let body = serde_json::to_vec(question).map_err(|error| reason::retry(&format!("no JSON: {error}")))?;
        let target = format!("AmazonSQS.{action}");
        let request = self.http.post(self.endpoint.clone()).header(CONTENT_TYPE, MEDIA_TYPE).header(TARGET, &target);
        let request = match &self.credentials {
            Some(credentials) => self.signed(request, credentials, (&target, &body))?,
            None => request,
        };
        let answer = web_service::send(request.body(body)).await?;
        if !answer.status.is_success() {
            return Err(failure::of(&answer));
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| reason::retry_all(&format!("the service's answer is not one of SQS: {error}")))
    }

    fn signed(
        &self,
        mut request: RequestBuilder,
        credentials: &Credentials,
        (target, body): (&str, &[u8]),
    ) -> Result<RequestBuilder, DeliveryError> {
        // The errors of the signer tell no secret.
        let failed = |error: &dyn std::fmt::Display| reason::retry_all(&format!("could not sign the request: {error}"));
        let identity = credentials.clone().into();
        let seconds = u64::try_from(self.clock.now().as_second()).unwrap_or_default();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("sqs")
            .time(UNIX_EPOCH + Duration::from_secs(seconds))
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| failed(&error))?
            .into();
        let headers = [(CONTENT_TYPE.as_str(), MEDIA_TYPE), (TARGET, target)];
        let signable =
            SignableRequest::new("POST", self.endpoint.as_str(), headers.into_iter(), SignableBody::Bytes(body));
        let signable = signable.map_err(|error| failed(&error))?;
        let (instructions, _signature) = sign(signable, &params).map_err(|error| failed(&error))?.into_parts();
        for (name, value) in instructions.headers() {
            let mut value = HeaderValue::from_str(value).map_err(|error| failed(&error))?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        Ok(request)
    }
}
