//! A running server, reached over its admin listener, for the commands that need one.
//!
//! **Invariants**
//! 1. The bearer token follows no redirect.
//! 2. What the server says is told as text: it cannot move the terminal's cursor.

use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::text;
use crate::web::answer::{self, Unread};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server sends something at least every 15 s on a stream, and answers a wait within 30 s.
const SILENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer: a page of operations is far smaller.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The most bytes of an error's body.
const MAX_SAID_BYTES: usize = 64 << 10;

/// A running server.
pub struct Remote {
    client: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

/// What a server answers to what it was asked to do.
#[derive(Debug)]
pub enum Posted {
    /// It is done.
    Done(Value),
    /// The server cannot do it as things are (422), for this reason.
    Refused(String),
}

/// Why there is no usable answer.
#[derive(Debug)]
pub enum Trouble {
    /// The server is away or too busy; it may answer later.
    Away(anyhow::Error),
    /// It refuses, and will refuse again.
    Refused(anyhow::Error),
    /// It has nothing with this id or name.
    Missing(anyhow::Error),
    /// What it has does not allow it: nothing was changed.
    Conflict(anyhow::Error),
}

impl From<Trouble> for anyhow::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(error) | Trouble::Refused(error) | Trouble::Missing(error) | Trouble::Conflict(error) => {
                error
            }
        }
    }
}

impl Remote {
    /// The server at an address.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(base: Url, authorization: Option<HeaderValue>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::tls::client_config()?)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, base, authorization })
    }

    /// A resource's address, by the segments of its path.
    pub fn at(&self, path: &[&str]) -> Url {
        below(&self.base, path)
    }

    /// The error for a server that did not answer in time.
    pub fn silent(&self, time: Duration) -> anyhow::Error {
        let time = text::duration(time);
        anyhow!("no answer from {} in {time} (it is running, but busy or suspended)", self.base)
    }

    /// Asks for a JSON document.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, Trouble> {
        read(self.send(self.client.get(url)).await?).await
    }

    /// Asks for an action, which a JSON document describes.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn post<T: DeserializeOwned>(&self, url: Url, body: &Value) -> Result<T, Trouble> {
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string());
        read(self.send(request).await?).await
    }

    /// Asks for an action that the server may be unable to do as things are.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn try_post(&self, url: Url) -> Result<Posted, Trouble> {
        let answer = self.answer(self.client.post(url)).await?;
        let is_refused = answer.status() == StatusCode::UNPROCESSABLE_ENTITY;
        let answer = if is_refused { answer } else { self.checked(answer).await? };
        let body = body(answer, MAX_ANSWER_BYTES).await?;
        let read: Value = serde_json::from_slice(&body)
            .context("the server answered with something else than JSON")
            .map_err(Trouble::Refused)?;
        let message = read["error"]["message"].as_str().unwrap_or_default();
        Ok(if is_refused { Posted::Refused(message.to_owned()) } else { Posted::Done(read) })
    }

    /// Opens the stream of events, after the event with this id if one is given.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn open_events(&self, url: Url, last_event_id: Option<&str>) -> Result<Response, Trouble> {
        let mut request = self.client.get(url).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        self.send(request).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        self.checked(self.answer(request).await?).await
    }

    async fn answer(&self, mut request: RequestBuilder) -> Result<Response, Trouble> {
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        request.send().await.map_err(|error| {
            let at = &self.base;
            let hint = if error.is_connect() {
                " (is it running? --url sets its address; some commands can use the store of a stopped server: --offline)"
            } else {
                ""
            };
            Trouble::Away(anyhow::Error::from(error.without_url()).context(format!("no answer from {at}{hint}")))
        })
    }

    async fn checked(&self, answer: Response) -> Result<Response, Trouble> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let read = serde_json::from_slice::<Value>(&body(answer, MAX_SAID_BYTES).await.unwrap_or_default());
        let read = read.unwrap_or_default();
        let (code, message) = (&read["error"]["code"], read["error"]["message"].as_str().unwrap_or_default());
        Err(match status {
            StatusCode::NOT_FOUND if code == "itemNotFound" => Trouble::Missing(self.said(status, message)),
            StatusCode::CONFLICT if !message.is_empty() => Trouble::Conflict(anyhow!(text::safe(message, 1000))),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Trouble::Away(self.said(status, message))
            }
            status => Trouble::Refused(self.said(status, message)),
        })
    }

    /// What the server said instead of an answer.
    fn said(&self, status: StatusCode, message: &str) -> anyhow::Error {
        let hint = match status {
            StatusCode::UNAUTHORIZED if self.authorization.is_none() => {
                "; it requires a token: set REELHOOK_TOKEN, name another variable with --token-env or a file with \
                 --token-file, or set admin.command_token in the config"
            }
            StatusCode::UNAUTHORIZED => "; it does not know the token",
            StatusCode::FORBIDDEN => "; the token's scopes or the host name do not allow it",
            _ => "",
        };
        let colon = if message.is_empty() { "" } else { ": " };
        anyhow!("{} answered {status}{colon}{}{hint}", self.base, text::safe(message, 1000))
    }
}

/// Reads an answer that is a JSON document; one without content reads as `null`.
async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Trouble> {
    let is_empty = answer.status() == StatusCode::NO_CONTENT;
    let body = if is_empty { b"null".to_vec() } else { body(answer, MAX_ANSWER_BYTES).await? };
    let read = serde_json::from_slice(&body).context("the server answered with something else than was expected");
    read.map_err(Trouble::Refused)
}

/// Reads a body, as far as it may go: a server that is not ours must not fill the memory.
async fn body(mut answer: Response, max_bytes: usize) -> Result<Vec<u8>, Trouble> {
    answer::body(&mut answer, max_bytes).await.map_err(|unread| match unread {
        Unread::Failed(error) => Trouble::Away(error.into()),
        Unread::TooLong => {
            let told = format!("found an answer of more than {max_bytes} bytes, expected one of reelhook's");
            Trouble::Refused(anyhow!(told))
        }
    })
}

/// The address of a resource, by the segments of its path below `base`.
pub fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Only a URL without a host has no segments, and `http_url` accepts none.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// Reads an argument that is a server's address.
///
/// # Errors
/// It is none, or holds a secret.
pub fn http_url(text: &str) -> Result<Url, String> {
    let url: Url = text.parse().map_err(|error| format!("expected a URL such as http://127.0.0.1:8081: {error}"))?;
    let is_http = matches!(url.scheme(), "http" | "https");
    if !is_http || url.query().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err("expected a URL such as http://127.0.0.1:8081, without user and query".into());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::loopback;

    #[test]
    fn a_path_is_put_behind_the_servers_own_and_its_parts_stay_parts() {
        let base = http_url("https://ops.example/reelhook/").unwrap();
        let url = below(&base, &["v1.0", "a/b?c", "d"]);
        assert_eq!(url.as_str(), "https://ops.example/reelhook/v1.0/a%2Fb%3Fc/d");
    }

    #[test]
    fn a_url_that_holds_a_secret_or_is_no_web_address_is_refused() {
        for text in ["ftp://x", "http://me:secret@x", "http://x?token=1", "127.0.0.1:8081", ""] {
            assert!(http_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (url, expected) in [
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://127.9.9.9", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(loopback::is_in(&http_url(url).unwrap()), expected, "{url}");
        }
    }
}
