//! Get, and wait for the end.
//!
//! **Invariants**
//! 1. Who waits is nobody's task and polls nothing: the request's own future sleeps until a change, its deadline or the
//!    server's stop.
//! 2. No change is missed: the waiter is registered before the state is read.

use std::pin::pin;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;

use super::super::{ApiError, Reader};
use super::asked::{Asked, invalid_parameter};
use super::{condition, duration};
use crate::config::Scope;
use crate::domain::Operation;
use crate::odata::Query;

/// How long a client waits that does not say how long.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest that a client may wait.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// One operation; with `waitFor=terminal` the answer comes when the operation ends, or as it stands at the timeout.
#[utoipa::path(
    get,
    path = "/v1.0/communications/recordOperations/{id}",
    tag = "operations",
    operation_id = "getRecordOperation",
    params(
        ("id" = String, Path, description = "The operation's id, or the one that its expectation had"),
        ("$select" = Option<String>, Query, description = "The properties to answer with, separated by commas"),
        ("waitFor" = Option<String>, Query, description = "`terminal`: answer when the operation has ended"),
        ("timeout" = Option<String>, Query, description = "The longest wait, as `PT30S` (the default); at most `PT10M`"),
        ("If-None-Match" = Option<String>, Header, description = "The `@odata.etag` that the client has"),
    ),
    responses(
        (status = 200, description = "The operation", body = super::schema::RecordOperation),
        (status = 304, description = "The client has it already"),
        (status = 404, description = "There is none with this id", body = super::schema::Refusal),
    ),
)]
pub async fn show(Reader(caller): Reader, asked: Asked) -> Result<HttpResponse, ApiError> {
    let query = asked.query_of_one(&["waitFor", "timeout"])?;
    let patience = patience(&query)?;
    let mut operation = asked.operation().await?;
    if let Some(patience) = patience {
        operation = ended(&asked, operation, patience).await?;
    }
    if condition::is_known(&asked.request, operation.version)? {
        let tag = condition::etag(operation.version);
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    Ok(asked.answer(StatusCode::OK, &operation, (&query.select, caller.may(Scope::Recordings))))
}

/// How long the client wants to wait; `None`: not at all.
fn patience(query: &Query) -> Result<Option<Duration>, ApiError> {
    let value = |wanted: &str| query.others().find_map(|(name, value)| (name == wanted).then_some(value));
    match (value("waitFor"), value("timeout")) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(invalid_parameter("timeout: expected waitFor=terminal beside it".into())),
        (Some("terminal"), None) => Ok(Some(DEFAULT_TIMEOUT)),
        (Some("terminal"), Some(text)) => {
            let timeout = duration::parse(text).and_then(|timeout| Duration::try_from(timeout).ok());
            let timeout = timeout.filter(|timeout| *timeout <= MAX_TIMEOUT);
            let wrong = || invalid_parameter("timeout: expected a duration as PT30S, at most PT10M".into());
            timeout.map(Some).ok_or_else(wrong)
        }
        (Some(_), _) => Err(invalid_parameter("waitFor: expected terminal".into())),
    }
}

/// The operation when it has ended, or as it stands when the patience does, or the server.
async fn ended(asked: &Asked, mut operation: Operation, patience: Duration) -> Result<Operation, ApiError> {
    let changes = asked.admin.operations.changes();
    let stopping = asked.admin.no_more_waiting.cancelled();
    let mut over = pin!(async {
        tokio::select! {
            () = tokio::time::sleep(patience) => {}
            () = stopping => {}
        }
    });
    while !operation.status.is_terminal() {
        let waiter = changes.of_operation(operation.number);
        let mut changed = pin!(waiter.changed());
        changed.as_mut().enable();
        operation = asked.operation().await?;
        if operation.status.is_terminal() {
            break;
        }
        tokio::select! {
            () = changed => {}
            () = &mut over => break,
        }
    }
    Ok(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Duration>, String> {
        patience(&Query::parse(text, &[]).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_wait_is_bounded() {
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("waitFor=terminal"), Ok(Some(DEFAULT_TIMEOUT)));
        assert_eq!(read("waitFor=terminal&timeout=PT10M"), Ok(Some(MAX_TIMEOUT)));
        assert_eq!(read("waitFor=terminal&timeout=PT0.2S"), Ok(Some(Duration::from_millis(200))));
        for bad in ["PT10M1S", "-PT1S", "30", "30s", "", "P1D", "PT1e9S"] {
            let refused = read(&format!("waitFor=terminal&timeout={bad}")).unwrap_err();
            assert!(refused.starts_with("timeout: expected a duration"), "{bad}: {refused}");
        }
        assert!(read("timeout=PT1S").is_err());
        assert!(read("waitFor=running").is_err());
    }
}
