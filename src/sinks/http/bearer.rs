//! A bearer token for each request, by OAuth 2.0's client credentials
//! (<https://www.rfc-editor.org/rfc/rfc6749#section-4.4>): the table `oauth2`.
//!
//! **Invariants**
//! 1. A token is asked for once, and used until shortly before it expires, or until the far side refuses it.
//! 2. The client's secret is sent to the token endpoint only, and no text of an answer but a code is shown: it may repeat
//!    the secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret;
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

use super::address::{self, Allowed};
use super::client;
use crate::clock::Clock;
use crate::config::value::{choice, text};
use crate::config::{RotatingSecret, Section};
use crate::sinks::token_cache::TokenCache;
use crate::sinks::{DeliveryError, reason};
use crate::web::answer::{self, Unread};

/// What is read of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How long a token is used of which nobody says when it expires.
const UNKNOWN: SignedDuration = SignedDuration::from_secs(300);
/// A token is used no longer than this before it expires, and not for its last tenth: requests take time, clocks differ.
const RESERVE: SignedDuration = SignedDuration::from_secs(60);
/// The longest error code that is shown.
const MAX_CODE_CHARS: usize = 64;

/// How the client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// In the header `Authorization`, which every server must take.
    Basic,
    /// In the body.
    Post,
}

const NEEDED: [&str; 3] = ["token_url", "client_id", "client_secret"];
const PROOFS: &[(&str, Proof)] = &[("basic", Proof::Basic), ("post", Proof::Post)];

/// Gets tokens.
pub(super) struct Bearer {
    client: Client,
    endpoint: Url,
    client_id: String,
    secret: RotatingSecret,
    scope: Option<String>,
    proof: Proof,
    headers: TokenCache<HeaderValue>,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: String,
    expires_in: Option<u32>,
}

/// Why it answers with no token.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Reads the table `oauth2`. `None`: there is none, or a mistake was noted.
pub(super) fn read(section: &mut Section<'_>, headers: &HeaderMap, allowed: &Allowed) -> Option<Bearer> {
    let mut table = section.section("oauth2")?;
    if headers.contains_key(AUTHORIZATION) {
        section.mistake("oauth2", "found it beside headers.Authorization, expected one of the two");
    }
    let endpoint = table.read("token_url", text());
    let client_id = table.read("client_id", text());
    let secret = table.rotating_secret("client_secret");
    let scope = table.read("scope", text());
    let proof = table.or("proof", Proof::Basic, choice(PROOFS));
    for key in NEEDED.iter().filter(|key| !table.has(key) && !table.report.is_description) {
        table.mistake(key, format!("found nothing, expected it: oauth2 needs {}", NEEDED.join(", ")));
    }
    let (endpoint, guard) = address::reached(&table, "token_url", &endpoint?, allowed)?;
    let client = client(&guard).map_err(|error| table.mistake("token_url", error)).ok()?;
    let headers = TokenCache::new(Clock::system());
    Some(Bearer { client, endpoint, client_id: client_id?, secret: secret?, scope, proof, headers })
}

impl Bearer {
    /// The header `Authorization` for a request. Others wait while one asks for the token.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is no token.
    pub(super) async fn header(&self) -> Result<HeaderValue, DeliveryError> {
        self.headers.token(async || self.ask().await).await
    }

    /// The far side refused this token: the next request has another.
    pub(super) async fn refused(&self, header: &HeaderValue) {
        self.headers.refused(|held| held == header).await;
    }

    async fn ask(&self) -> Result<(HeaderValue, SignedDuration), DeliveryError> {
        let broken = |error: reqwest::Error| failed(&reason::chain(&error.without_url()));
        let mut answer = self.question()?.send().await.map_err(broken)?;
        let status = answer.status();
        let body = answer::body(&mut answer, MAX_ANSWER_BYTES).await.map_err(|unread| match unread {
            Unread::Failed(error) => broken(error),
            Unread::TooLong => failed("the answer has more than 64 KiB"),
        })?;
        if !status.is_success() {
            let code = serde_json::from_slice(&body).ok().and_then(|it: Refusal| shown(it.error)).unwrap_or_default();
            return Err(failed(&format!("answered {} {code}", status.as_u16())));
        }
        let wrong = || failed("the answer is no token: expected JSON with access_token and token_type \"Bearer\"");
        let answer: Answer = serde_json::from_slice(&body).map_err(|_shown| wrong())?;
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return Err(wrong());
        }
        let header = HeaderValue::from_str(&format!("Bearer {}", answer.access_token));
        let mut header = header.map_err(|_shown| wrong())?;
        header.set_sensitive(true);
        let lasts = answer.expires_in.map_or(UNKNOWN, |seconds| SignedDuration::from_secs(seconds.into()));
        Ok((header, lasts - RESERVE.min(lasts / 10)))
    }

    fn question(&self) -> Result<RequestBuilder, DeliveryError> {
        let secret = self.secret.now().map_err(|error| reason::retry_all(&format!("oauth2: {error}")))?;
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        body.extend_pairs(self.scope.iter().map(|scope| ("scope", scope)));
        let mut request = self.client.post(self.endpoint.clone());
        match self.proof {
            Proof::Basic => {
                // Both are encoded as in a form first: RFC 6749, section 2.3.1.
                let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
                let both = format!("{}:{}", encoded(&self.client_id), encoded(secret.expose_secret()));
                request = request.header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(both)));
            }
            Proof::Post => {
                body.append_pair("client_id", &self.client_id).append_pair("client_secret", secret.expose_secret());
            }
        }
        Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.finish()))
    }
}

/// A code is shown only if it looks like one: RFC 6749, section 5.2.
fn shown(code: String) -> Option<String> {
    let is_code = code.len() <= MAX_CODE_CHARS && code.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    is_code.then_some(code)
}

fn failed(why: &str) -> DeliveryError {
    reason::retry_all(&format!("no token from the token endpoint: {why}"))
}
