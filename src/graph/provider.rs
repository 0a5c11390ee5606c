//! A key provider: its OpenID configuration and the key document that this names, fetched with care.
//!
//! **Invariants**
//! 1. Nothing in a token decides from where keys are fetched.
//! 2. Documents are fetched over https (http only between loopback addresses), without redirects and proxies, with
//!    limits in size and time. The key document may be on another host than the configuration, as Microsoft's is.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::jwks::KeySet;
use crate::tls;
use crate::web::answer::{self, Unread};
use crate::web::loopback;

/// The longest time for one fetch of both documents.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of one document.
const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// Why keys could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Keys must not be fetched from this address. Correct the config, or the provider's document.
    #[error("{0}: keys are fetched over https (http only from and to loopback addresses)")]
    Address(String),
    /// No HTTP client could be built; the caller can do nothing about it.
    #[error("cannot build an HTTP client: {0}")]
    Client(String),
    /// The provider could not be reached, or did not answer 200 in time. Retrying is safe.
    #[error("{url}: {why}; retrying is safe")]
    Unreachable {
        /// What was fetched.
        url: String,
        /// What went wrong.
        why: String,
    },
    /// The provider's answer contains no keys.
    #[error("{url}: {why}")]
    Invalid {
        /// What was fetched.
        url: String,
        /// What was found.
        why: String,
    },
}

/// A provider of signing keys.
pub(super) struct Provider {
    url: Url,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Configuration {
    jwks_uri: String,
    issuer: Option<String>,
}

impl Provider {
    /// The provider whose OpenID configuration is at `url`. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`KeysError::Address`] or [`KeysError::Client`].
    pub(super) fn new(url: Url) -> Result<Self, KeysError> {
        check_address(&url, true)?;
        let tls = tls::client_config().map_err(|error| KeysError::Client(error.to_string()))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| KeysError::Client(error.to_string()))?;
        Ok(Self { url, client })
    }

    /// Fetches the keys.
    ///
    /// # Errors
    /// Why they could not be fetched.
    pub(super) async fn fetch(&self) -> Result<KeySet, KeysError> {
        let fetch = async {
            let configuration = self.document(&self.url).await?;
            let configuration: Configuration = serde_json::from_slice(&configuration)
                .map_err(|_other| invalid(&self.url, "found no OpenID configuration with a `jwks_uri`"))?;
            let address = Url::parse(&configuration.jwks_uri)
                .map_err(|_other| invalid(&self.url, "its `jwks_uri` is not a valid URL"))?;
            check_address(&address, loopback::is_in(&self.url))?;
            let document = self.document(&address).await?;
            KeySet::read(&document, configuration.issuer).map_err(|why| invalid(&address, why))
        };
        let late = |_elapsed| unreachable(&self.url, format!("no keys within {FETCH_TIMEOUT:?}"));
        tokio::time::timeout(FETCH_TIMEOUT, fetch).await.map_err(late)?
    }

    async fn document(&self, url: &Url) -> Result<Vec<u8>, KeysError> {
        let failed = |error: reqwest::Error| unreachable(url, chain(&error.without_url()));
        let mut answer = self.client.get(url.clone()).send().await.map_err(failed)?;
        if answer.status().as_u16() != 200 {
            return Err(unreachable(url, format!("answered {}, expected 200", answer.status())));
        }
        answer::body(&mut answer, MAX_DOCUMENT_BYTES).await.map_err(|unread| match unread {
            Unread::Failed(error) => failed(error),
            Unread::TooLong => invalid(url, "it is larger than 1 MiB"),
        })
    }
}

fn check_address(url: &Url, may_be_loopback: bool) -> Result<(), KeysError> {
    let is_allowed = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => may_be_loopback && loopback::is_in(url),
        _ => false,
    };
    if is_allowed { Ok(()) } else { Err(KeysError::Address(url.to_string())) }
}

fn invalid(url: &Url, why: &str) -> KeysError {
    KeysError::Invalid { url: url.to_string(), why: why.to_owned() }
}

fn unreachable(url: &Url, why: String) -> KeysError {
    KeysError::Unreachable { url: url.to_string(), why }
}

/// An error with its causes; reqwest's own text leaves the causes out.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
