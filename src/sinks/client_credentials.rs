//! Tokens by OAuth 2.0's client credentials (<https://www.rfc-editor.org/rfc/rfc6749#section-4.4>): what the kinds share that
//! have a table `oauth2`.
//!
//! **Invariants**
//! 1. The client's secret is sent to the token endpoint only, and no text of an answer but a code is shown: it may repeat
//!    the secret.
//! 2. The secret is read again for each token.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{self, byte_serialize};

use super::{DeliveryError, reason};
use crate::config::value::{choice, text};
use crate::config::{RotatingSecret, Section};
use crate::web::answer::{self, Unread};

/// The table.
pub const TABLE: &str = "oauth2";
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

/// What the config says about the client.
pub struct ClientCredentials {
    endpoint: Url,
    client_id: String,
    secret: RotatingSecret,
    scope: Option<String>,
    proof: Proof,
}

/// A token, and how long it is to be used.
pub struct Granted {
    /// The token: visible characters of ASCII.
    pub token: SecretString,
    /// Less than the time until it expires.
    pub lasts: SignedDuration,
}

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Answer {
    access_token: SecretString,
    token_type: String,
    expires_in: Option<u32>,
}

/// Why it answers with no token.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl ClientCredentials {
    /// Reads the keys of the table, with this scope where it names none. `endpoint` reads `token_url`. `None`: a mistake was
    /// noted.
    pub fn read(
        table: &mut Section<'_>,
        scope: Option<&str>,
        endpoint: impl FnOnce(&mut Section<'_>) -> Option<Url>,
    ) -> Option<Self> {
        let endpoint = endpoint(table);
        let client_id = table.read("client_id", text());
        let secret = table.rotating_secret("client_secret");
        let scope = match scope {
            Some(usual) => Some(table.or("scope", usual.to_owned(), text())),
            None => table.read("scope", text()),
        };
        let proof = table.or("proof", Proof::Basic, choice(PROOFS));
        for key in NEEDED.iter().filter(|key| !table.has(key) && !table.report.is_description) {
            table.mistake(key, format!("found nothing, expected it: {TABLE} needs {}", NEEDED.join(", ")));
        }
        Some(Self { endpoint: endpoint?, client_id: client_id?, secret: secret?, scope, proof })
    }

    /// Asks for a token.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery: there is none.
    pub async fn ask(&self, http: &Client) -> Result<Granted, DeliveryError> {
        let broken = |error: reqwest::Error| failed(&reason::chain(&error.without_url()));
        let mut answer = self.question(http)?.send().await.map_err(broken)?;
        let status = answer.status();
        let body = answer::body(&mut answer, MAX_ANSWER_BYTES).await.map_err(|unread| match unread {
            Unread::Failed(error) => broken(error),
            Unread::TooLong => failed("the answer has more than 64 KiB"),
        })?;
        if !status.is_success() {
            let code = serde_json::from_slice(&body).ok().and_then(|it: Refusal| shown(it.error)).unwrap_or_default();
            return Err(failed(&format!("answered {} {code}", status.as_u16())));
        }
        let answer: Option<Answer> = serde_json::from_slice(&body).ok();
        let answer = answer.filter(Answer::is_token).ok_or_else(|| {
            failed("the answer is no token: expected JSON with access_token and token_type \"Bearer\"")
        })?;
        let lasts = answer.expires_in.map_or(UNKNOWN, |seconds| SignedDuration::from_secs(seconds.into()));
        Ok(Granted { token: answer.access_token, lasts: lasts - RESERVE.min(lasts / 10) })
    }

    fn question(&self, http: &Client) -> Result<RequestBuilder, DeliveryError> {
        let secret = self.secret.now().map_err(|error| reason::retry_all(&format!("{TABLE}: {error}")))?;
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("grant_type", "client_credentials");
        body.extend_pairs(self.scope.iter().map(|scope| ("scope", scope)));
        let mut request = http.post(self.endpoint.clone());
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

impl Answer {
    fn is_token(&self) -> bool {
        let token = self.access_token.expose_secret();
        let is_one = !token.is_empty() && token.bytes().all(|it| it.is_ascii_graphic());
        is_one && self.token_type.eq_ignore_ascii_case("bearer")
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
