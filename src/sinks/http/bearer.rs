//! A bearer token for each request: the table `oauth2`.
//!
//! **Invariant**: a token is asked for once, and used until shortly before it expires, or until the far side refuses it.

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;

use super::address::{self, Allowed};
use super::client;
use crate::clock::Clock;
use crate::config::Section;
use crate::config::value::text;
use crate::sinks::client_credentials::{ClientCredentials, Granted, TABLE};
use crate::sinks::token_cache::TokenCache;
use crate::sinks::{DeliveryError, reason};

/// Gets tokens.
pub(super) struct Bearer {
    client: Client,
    credentials: ClientCredentials,
    headers: TokenCache<HeaderValue>,
}

/// Reads the table `oauth2`. `None`: there is none, or a mistake was noted.
pub(super) fn read(section: &mut Section<'_>, headers: &HeaderMap, allowed: &Allowed) -> Option<Bearer> {
    let mut table = section.section(TABLE)?;
    if headers.contains_key(AUTHORIZATION) {
        section.mistake(TABLE, "found it beside headers.Authorization, expected one of the two");
    }
    let mut http = None;
    let credentials = ClientCredentials::read(&mut table, None, |table| {
        let text = table.read("token_url", text())?;
        let (url, guard) = address::reached(table, "token_url", &text, allowed)?;
        http = client(&guard).map_err(|error| table.mistake("token_url", error)).ok();
        Some(url)
    });
    Some(Bearer { client: http?, credentials: credentials?, headers: TokenCache::new(Clock::system()) })
}

impl Bearer {
    /// The header `Authorization` for a request. Others wait while one asks for the token.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is no token.
    pub(super) async fn header(&self) -> Result<HeaderValue, DeliveryError> {
        let ask = async || {
            let Granted { token, lasts } = self.credentials.ask(&self.client).await?;
            let header = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut header = header.map_err(|_shown| reason::retry_all("the token does not fit into a header"))?;
            header.set_sensitive(true);
            Ok((header, lasts))
        };
        self.headers.token(ask).await
    }

    /// The far side refused this token: the next request has another.
    pub(super) async fn refused(&self, header: &HeaderValue) {
        self.headers.refused(|held| held == header).await;
    }
}
