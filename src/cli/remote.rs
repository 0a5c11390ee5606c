//! A running server, reached over its admin listener, for the commands that need one.
//!
//! **Invariants**
//! 1. The bearer token comes only from the environment (everybody on the machine can read arguments), and is not sent
//!    along a redirect.
//! 2. Texts of the server are escaped, so they cannot move the terminal's cursor.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::print::remark;
use super::{load, text};
use crate::web::loopback;

/// The config that is used if none is named.
const USUAL_CONFIG: &str = "config/reelhook.toml";
/// The address of the admin listener if nothing else is configured.
const USUAL_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8081);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The server sends something at least every 15 s on a stream, and answers a wait within 30 s.
const SILENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer: a page of operations is far smaller.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// The most bytes of an error's body.
const MAX_SAID_BYTES: usize = 64 << 10;

/// The server and the token.
#[derive(Debug, clap::Args)]
pub struct RemoteArgs {
    /// The URL of the admin listener [default: admin.listen of the config, or http://127.0.0.1:8081]
    #[arg(long, value_name = "URL", value_parser = http_url)]
    url: Option<Url>,
    /// The config file whose admin.listen is used
    #[arg(long, value_name = "FILE", env = "REELHOOK_CONFIG")]
    config: Option<PathBuf>,
    /// The environment variable that holds the bearer token
    #[arg(long, value_name = "NAME", default_value = "REELHOOK_TOKEN")]
    token_env: String,
}

/// A running server.
pub struct Remote {
    client: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

/// Why there is no usable answer.
#[derive(Debug)]
pub enum Trouble {
    /// The server is away or too busy; it may answer later.
    Away(anyhow::Error),
    /// It refuses, and will refuse again.
    Refused(anyhow::Error),
}

impl From<Trouble> for anyhow::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(error) | Trouble::Refused(error) => error,
        }
    }
}

impl RemoteArgs {
    /// The server. `Err` is the exit code for a config with mistakes, which were reported.
    ///
    /// # Errors
    /// The variable holds no valid token, or TLS cannot be set up.
    pub fn server(&self) -> anyhow::Result<Result<Remote, ExitCode>> {
        let base = match self.base() {
            Ok(base) => base?,
            Err(code) => return Ok(Err(code)),
        };
        let authorization = self.authorization()?;
        if authorization.is_some() && base.scheme() == "http" && !loopback::is_in(&base) {
            remark!("warning: the token goes to {base} unencrypted; https keeps it secret");
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::tls::client_config()?)
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Ok(Remote { client, base, authorization }))
    }

    fn base(&self) -> Result<anyhow::Result<Url>, ExitCode> {
        if let Some(url) = &self.url {
            return Ok(Ok(url.clone()));
        }
        let usual = Path::new(USUAL_CONFIG);
        let address = match self.config.as_deref().or_else(|| usual.exists().then_some(usual)) {
            Some(path) => reachable(load::config(path)?.admin.listen),
            None => USUAL_ADDRESS,
        };
        Ok(Url::parse(&format!("http://{address}/")).context("the admin listener's address"))
    }

    fn authorization(&self) -> anyhow::Result<Option<HeaderValue>> {
        let Some(token) = std::env::var_os(&self.token_env).filter(|token| !token.is_empty()) else { return Ok(None) };
        let wrong =
            || anyhow!("{}: found a value with spaces or control characters, expected a bearer token", self.token_env);
        let token = token.into_string().map_err(|_bytes| wrong())?;
        let mut value = HeaderValue::try_from(format!("Bearer {}", token.trim())).map_err(|_error| wrong())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }
}

impl Remote {
    /// The URL of a resource, from the segments of its path.
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
    pub async fn get(&self, url: Url) -> Result<Value, Trouble> {
        let answer = self.send(self.client.get(url)).await?;
        let body = body(answer, MAX_ANSWER_BYTES).await?;
        let read = serde_json::from_slice(&body).context("found an answer that is no JSON, expected one of reelhook's");
        read.map_err(Trouble::Refused)
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

    async fn send(&self, mut request: RequestBuilder) -> Result<Response, Trouble> {
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let answer = request.send().await.map_err(|error| {
            let at = &self.base;
            let hint = if error.is_connect() { " (is it running? --url sets its address)" } else { "" };
            Trouble::Away(anyhow::Error::from(error.without_url()).context(format!("no answer from {at}{hint}")))
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let said = self.said(status, &body(answer, MAX_SAID_BYTES).await.unwrap_or_default());
        let may_pass = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Err(if may_pass { Trouble::Away(said) } else { Trouble::Refused(said) })
    }

    /// The error for an answer that is not a success.
    fn said(&self, status: StatusCode, body: &[u8]) -> anyhow::Error {
        let read = serde_json::from_slice::<Value>(body).ok();
        let message = read.as_ref().and_then(|body| body["error"]["message"].as_str()).unwrap_or_default();
        let hint = match status {
            StatusCode::UNAUTHORIZED if self.authorization.is_none() => {
                "; it requires a token: set REELHOOK_TOKEN, or name another variable with --token-env"
            }
            StatusCode::UNAUTHORIZED => "; it does not know the token",
            StatusCode::FORBIDDEN => "; the token's scopes or the host name do not allow it",
            _ => "",
        };
        let colon = if message.is_empty() { "" } else { ": " };
        anyhow!("{} answered {status}{colon}{}{hint}", self.base, text::safe(message, 1000))
    }
}

/// Reads a body up to a limit, so that a foreign server cannot fill the memory.
async fn body(mut answer: Response, max_bytes: usize) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| Trouble::Away(error.without_url().into()))? {
        if body.len() + chunk.len() > max_bytes {
            let told = format!("found an answer of more than {max_bytes} bytes, expected one of reelhook's");
            return Err(Trouble::Refused(anyhow!(told)));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // Only a URL without a host has no segments, and `http_url` accepts none.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// The address to connect to if the server listens on all addresses.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

fn http_url(text: &str) -> Result<Url, String> {
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
