//! Requests of an operator's command to the server that it asks.
//!
//! **Invariants**
//! 1. A request is given up after [`PATIENCE`]: a suspended server holds up no command for ever.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use url::Url;

use super::print::remark;
use super::remote::{Posted, Remote, Trouble};

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a command waits without a word.
const QUIET: Duration = Duration::from_secs(2);
/// The most rows of a page.
const MAX_PAGE: usize = 1000;

/// A way to a server.
pub struct Session {
    remote: Remote,
    is_offline: bool,
}

/// The server took a request and did not answer it in time.
#[derive(Debug)]
pub struct Silent(String);

impl fmt::Display for Silent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Silent {}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

impl Session {
    /// To a running server.
    pub fn with(remote: Remote) -> Self {
        Self { remote, is_offline: false }
    }

    /// To a store that no server uses.
    pub fn offline(remote: Remote) -> Self {
        Self { remote, is_offline: true }
    }

    /// Whether no server runs.
    pub fn is_offline(&self) -> bool {
        self.is_offline
    }

    /// When deliveries that are due are attempted.
    pub fn when(&self) -> &'static str {
        if self.is_offline { "when the server starts" } else { "now" }
    }

    /// Asks for a resource, by the segments of its path below the version.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Trouble> {
        self.patiently(self.remote.get(self.url(path, query))).await
    }

    /// Asks for an action.
    ///
    /// # Errors
    /// See [`Trouble`]; after a silence it may have been done all the same.
    pub async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &Value) -> Result<T, Trouble> {
        self.patiently(self.remote.post(self.url(path, &[]), body)).await
    }

    /// Asks for an action that the server may refuse because of its current state.
    ///
    /// # Errors
    /// See [`Trouble`]; after a silence it may have been done all the same.
    pub async fn try_post(&self, path: &[&str]) -> Result<Posted, Trouble> {
        self.patiently(self.remote.try_post(self.url(path, &[]))).await
    }

    /// Asks for at most `limit` members of a list, page by page.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<T>, Trouble> {
        let mut found = Vec::new();
        let top = limit.min(MAX_PAGE).to_string();
        let mut url = self.url(path, &[query, &[("$top", &top)]].concat());
        while found.len() < limit {
            let page: Page<T> = self.patiently(self.remote.get(url.clone())).await?;
            found.extend(page.value);
            let Some(next) = page.next_link else { break };
            url.set_query(next.split_once('?').map(|(_, query)| query));
        }
        found.truncate(limit);
        Ok(found)
    }

    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.remote.at(&[&["v1.0"], path].concat());
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    async fn patiently<T>(&self, request: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
        let hint = async {
            sleep(QUIET).await;
            remark!("waiting for the server to answer");
            std::future::pending().await
        };
        let answer = async {
            tokio::select! {
                answer = request => answer,
                never = hint => never,
            }
        };
        timeout(PATIENCE, answer).await.unwrap_or_else(|_elapsed| {
            let told = format!(
                "{:#}; the action may still be done later: check before you repeat the command",
                self.remote.silent(PATIENCE)
            );
            Err(Trouble::Refused(Silent(told).into()))
        })
    }
}
