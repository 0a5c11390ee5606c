//! Tokens of OAuth 2: where one comes from, and until when it is used.
//!
//! **Invariants**
//! 1. No reason contains a token, an assertion, or a part of a key.
//! 2. A token is used until shortly before it expires, by a clock that does not jump.
//! 3. For a new token the file is read again.

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::service_account::ServiceAccount;
use crate::clock::Clock;
use crate::config::Section;
use crate::sinks::auth::{Auth, Method, TOKEN};
use crate::sinks::token_cache::TokenCache;
use crate::sinks::web_service::{self, Answer};
use crate::sinks::{DeliveryError, reason};

/// The key of a service account.
pub const SERVICE_ACCOUNT: Method = Method { name: None, secret: "service_account" };
/// What the table `auth` may have.
pub const METHODS: &[Method] = &[SERVICE_ACCOUNT, TOKEN];
/// How long before its end a token is used no more.
const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// A token lasts no longer, whatever is said: Google's last an hour.
const MAX_LIFETIME: i64 = 12 * 3600;
/// The path of a machine's own token.
const OF_THE_MACHINE: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

/// Where tokens come from.
#[derive(Clone)]
pub enum TokenSource {
    /// The table `auth`.
    Auth(Auth),
    /// The metadata server of a machine at Google.
    Machine(Url),
}

/// The tokens of one source.
pub struct Tokens {
    source: TokenSource,
    /// What they are good for.
    scope: &'static str,
    /// Whether a key may be shown to an address that is not encrypted.
    may_be_plain: bool,
    clock: Clock,
    cache: TokenCache<SecretString>,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    #[serde(default)]
    expires_in: i64,
}

/// What it answers if it grants none.
#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    error: String,
    #[serde(default)]
    error_description: String,
}

impl TokenSource {
    /// Reads the key of a machine's own token, and checks the table `auth` that was read. `None`: requests have no token.
    pub fn read(section: &mut Section<'_>, auth: Option<&Auth>) -> Option<Self> {
        let machine = section.read("metadata_server", web_service::endpoint("http://metadata.google.internal"));
        if section.has("metadata_server") && section.has("auth") {
            section.mistake("metadata_server", "found it beside auth, expected one of them");
        }
        let auth = auth.filter(|it| METHODS.contains(it.method()));
        if let Some(login) = auth.filter(|it| *it.method() == SERVICE_ACCOUNT).and_then(|it| it.login().ok())
            && let Err(wrong) = ServiceAccount::parse(&login.secret)
        {
            section.mistake("auth.service_account", wrong);
        }
        auth.cloned().map(Self::Auth).or(machine.map(Self::Machine))
    }
}

impl Tokens {
    /// Those of a source, of which none is known yet. `scope` is what they are good for, `endpoint` is the service's: if it
    /// is not encrypted, the token endpoint need not be either.
    pub fn of(source: TokenSource, scope: &'static str, endpoint: Option<&Url>, clock: Clock) -> Self {
        let may_be_plain = endpoint.is_some_and(|it| it.scheme() == "http");
        Self { source, scope, may_be_plain, cache: TokenCache::new(clock.clone()), clock }
    }

    /// A token that is good now. Others wait meanwhile, and then share it.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is none.
    pub async fn now(&self, http: &reqwest::Client) -> Result<SecretString, DeliveryError> {
        // The text of a token says nothing of its end: the file is read for each request.
        if let TokenSource::Auth(auth) = &self.source
            && *auth.method() == TOKEN
        {
            return Ok(auth.login()?.secret);
        }
        self.cache.token(async || self.ask(http).await).await
    }

    async fn ask(&self, http: &reqwest::Client) -> Result<(SecretString, SignedDuration), DeliveryError> {
        let granted = match &self.source {
            TokenSource::Auth(auth) => self.of_account(http, &auth.login()?.secret).await?,
            TokenSource::Machine(server) => of_machine(http, server).await?,
        };
        let lifetime = SignedDuration::from_secs(granted.expires_in.clamp(0, MAX_LIFETIME)) - MARGIN;
        Ok((granted.access_token, lifetime))
    }

    async fn of_account(&self, http: &reqwest::Client, key: &SecretString) -> Result<Granted, DeliveryError> {
        let failed = |wrong: String| reason::retry_all(&format!("auth.service_account: {wrong}"));
        let account = ServiceAccount::parse(key).map_err(failed)?;
        let endpoint = account.token_endpoint().filter(|url| url.scheme() == "https" || self.may_be_plain);
        let endpoint = endpoint.ok_or_else(|| failed("found no token_uri of \"https\", expected one".to_owned()))?;
        let assertion = account.assertion(self.scope, self.clock.now().as_second()).map_err(failed)?;
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion.expose_secret())
            .finish();
        let request = http.post(endpoint).header("content-type", "application/x-www-form-urlencoded");
        granted(&web_service::send(request.body(body)).await?)
    }
}

async fn of_machine(http: &reqwest::Client, server: &Url) -> Result<Granted, DeliveryError> {
    let mut url = server.clone();
    url.set_path(OF_THE_MACHINE);
    granted(&web_service::send(http.get(url).header("metadata-flavor", "Google")).await?)
}

fn granted(answer: &Answer) -> Result<Granted, DeliveryError> {
    let code = answer.status.as_u16();
    if !answer.status.is_success() {
        let Refused { error, error_description } = serde_json::from_slice(&answer.body).unwrap_or_default();
        return Err(reason::retry_all(&format!("no token: answered {code}: {error}: {error_description}")));
    }
    // The error's text may repeat a part of the token.
    serde_json::from_slice(&answer.body)
        .map_err(|_shown| reason::retry_all("no token: the answer is not one of a token endpoint"))
}
