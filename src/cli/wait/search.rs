//! Finds the operation that is waited for: by its client context, else by an id.

use serde_json::Value;
use url::Url;
use uuid::Uuid;

use crate::cli::event_stream::Events;
use crate::cli::remote::{Remote, Trouble};
use crate::domain::Proof;
use crate::odata::quoted;

/// The operations of a page, the most that there may be.
const PAGE: &str = "1000";

/// The events that may be about the operation.
pub struct News<'a> {
    of_context: Events<'a>,
    /// If the text may be an operation's id.
    of_operation: Option<Events<'a>>,
}

impl<'a> News<'a> {
    /// Opens them. When this returns, no later event is missed.
    ///
    /// # Errors
    /// They cannot be opened.
    pub async fn open(remote: &'a Remote, subject: &str) -> anyhow::Result<Self> {
        let of_context = Events::open(remote, &[("clientContext", subject)]).await?;
        let of_operation = match Uuid::try_parse(subject) {
            Ok(_id) => Some(Events::open(remote, &[("operation", subject)]).await?),
            Err(_no_id) => None,
        };
        Ok(Self { of_context, of_operation })
    }

    /// The next one.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn next(&mut self) -> anyhow::Result<String> {
        let Some(of_operation) = &mut self.of_operation else { return self.of_context.next().await };
        tokio::select! {
            event = self.of_context.next() => event,
            event = of_operation.next() => event,
        }
    }
}

/// What was found.
pub enum Found {
    /// The operation that has the id, or that the event of the id is about.
    Named(Value),
    /// The newest with the client context, if there is one.
    OfContext(Option<Value>),
}

/// The operation that is meant: that of a client context, else the one that an id names.
///
/// # Errors
/// See [`Trouble`].
pub async fn found(remote: &Remote, subject: &str) -> Result<Found, Trouble> {
    let of_context = newest(remote, subject).await?;
    if of_context.is_some() {
        return Ok(Found::OfContext(of_context));
    }
    let mut url = remote.at(&["v1.0", "explain"]);
    url.query_pairs_mut().append_pair("of", subject);
    let stories: Value = remote.get(url).await?;
    let named = stories["value"].as_array().into_iter().flatten().next_back();
    let Some(id) = named.and_then(|it| it["operationId"].as_str()) else { return Ok(Found::OfContext(None)) };
    let url = place(remote, id, named.and_then(|it| it["callId"].as_str()));
    match remote.get(url).await {
        Ok(operation) => Ok(Found::Named(operation)),
        // It was removed in between.
        Err(Trouble::Missing(_)) => Ok(Found::OfContext(None)),
        Err(trouble) => Err(trouble),
    }
}

/// Where an operation is. Where calls share its id, the call tells them apart.
pub fn place(remote: &Remote, id: &str, call: Option<&str>) -> Url {
    match call {
        Some(call) => remote.at(&["v1.0", "communications", "calls", call, "operations", id]),
        None => remote.at(&["v1.0", "communications", "recordOperations", id]),
    }
}

/// The newest operation with a client context of those that were announced or that a token proved; else of all.
async fn newest(remote: &Remote, client_context: &str) -> Result<Option<Value>, Trouble> {
    let mut url = remote.at(&["v1.0", "communications", "recordOperations"]);
    url.query_pairs_mut()
        .append_pair("$filter", &format!("clientContext eq {}", quoted(client_context)))
        .append_pair("$orderby", "createdDateTime desc")
        .append_pair("$top", PAGE);
    let mut weak = None;
    loop {
        let mut page: Value = remote.get(url.clone()).await?;
        for operation in page["value"].as_array_mut().into_iter().flatten() {
            if is_strong(operation) {
                return Ok(Some(operation.take()));
            }
            weak.get_or_insert_with(|| operation.take());
        }
        let next = page["@odata.nextLink"].as_str().and_then(|link| link.parse::<Url>().ok());
        let Some(next) = next else { return Ok(weak) };
        url.set_query(next.query());
    }
}

/// Whether its client announced it, or a token proved its word.
pub fn is_strong(operation: &Value) -> bool {
    let is_announced = operation["expectation"]["announcedAt"].is_string();
    is_announced || proof(operation).is_some_and(|proof| proof >= Proof::FOR_EXPECTATIONS)
}

/// By what its origin was verified.
pub fn proof(operation: &Value) -> Option<Proof> {
    operation["proof"].as_str().and_then(Proof::parse)
}
