//! Answers with one operation, at once or after a wait for its end.
//!
//! **Invariants**
//! 1. A waiting request needs no task: its own future sleeps until a change, the timeout or the server's stop. Every
//!    [`ASK_ANYWAY`] it also reads the store, since the hint of a change may be lost.
//! 2. No change is missed: the waiter is registered before the state is read.
//! 3. The waiting ends when the operation is lost, unless the client asks otherwise; a header says why it ended.

use std::pin::pin;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, HeaderName, HeaderValue};

use super::super::refusal::Refusal;
use super::super::{ApiError, Reader};
use super::request::{OperationRequest, invalid_parameter};
use super::{condition, duration};
use crate::config::Scope;
use crate::domain::{ExpectationState, Operation};
use crate::odata::Query;
use crate::store::process::ASK_ANYWAY;

/// The default timeout.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest timeout.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);
/// The header with the reason why the waiting ended: see [`Waited`].
pub const WAITED: HeaderName = HeaderName::from_static("reelhook-waited");

/// How a client waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    /// The longest time to wait.
    patience: Duration,
    /// Whether the wait continues after the operation was lost.
    past_lost: bool,
}

/// Why the wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// The operation has ended.
    Terminal,
    /// The operation is lost.
    Lost,
    /// The time is up, or the server is stopping.
    Timeout,
}

impl Waited {
    fn as_str(self) -> &'static str {
        match self {
            Self::Terminal => "terminal",
            Self::Lost => "lost",
            Self::Timeout => "timeout",
        }
    }
}

/// One operation. With `waitFor=terminal` the server answers when the operation ends, when it is lost, or at the
/// timeout. The header `reelhook-waited` says which: `terminal`, `lost` or `timeout`.
#[utoipa::path(
    get,
    path = "/v1.0/communications/recordOperations/{id}",
    tag = "operations",
    operation_id = "getRecordOperation",
    params(
        ("id" = String, Path, description = "The operation's id, or its expectation's id"),
        ("$select" = Option<String>, Query, description = "The properties to answer with, separated by commas"),
        ("waitFor" = Option<String>, Query, description = "`terminal`: answer when the operation ends or is lost"),
        ("pastLost" = Option<bool>, Query, description = "`true`: do not answer when the operation is lost, because it may still end"),
        ("timeout" = Option<String>, Query, description = "The longest wait, as `PT30S` (the default); at most `PT10M`"),
        ("If-None-Match" = Option<String>, Header, description = "The `@odata.etag` of the version that the client has"),
    ),
    responses(
        (status = 200, description = "The operation", body = super::schema::RecordOperation,
            headers(("reelhook-waited" = String, description = "Why the wait ended: `terminal`, `lost` or `timeout`"))),
        (status = 304, description = "The client already has this version"),
        (status = 404, description = "No operation has this id", body = Refusal),
    ),
)]
pub async fn show(Reader(caller): Reader, asked: OperationRequest) -> Result<HttpResponse, ApiError> {
    let query = asked.query_of_one(&["waitFor", "timeout", "pastLost"])?;
    let wait = wait(&query)?;
    let mut operation = asked.operation().await?;
    let mut waited = None;
    if let Some(wait) = wait {
        let (after, why) = ended(&asked, operation, wait).await?;
        (operation, waited) = (after, Some(why));
    }
    let mut answer = if condition::is_known(&asked.request, operation.version)? {
        HttpResponse::NotModified().insert_header((ETAG, condition::etag(operation.version))).finish()
    } else {
        asked.answer(StatusCode::OK, &operation, (&query.select, caller.may(Scope::Recordings)))
    };
    if let Some(waited) = waited {
        answer.headers_mut().insert(WAITED, HeaderValue::from_static(waited.as_str()));
    }
    Ok(answer)
}

/// How the client wants to wait; `None`: it does not wait.
fn wait(query: &Query) -> Result<Option<Wait>, ApiError> {
    let value = |wanted: &str| query.others().find_map(|(name, value)| (name == wanted).then_some(value));
    let wrong = |text: &str| Err(invalid_parameter(text.to_owned()));
    match value("waitFor") {
        Some("terminal") => {}
        Some(_) => return wrong("waitFor: expected terminal"),
        None => {
            return match ["timeout", "pastLost"].into_iter().find(|name| value(name).is_some()) {
                Some(name) => wrong(&format!("{name}: found it without waitFor, expected waitFor=terminal as well")),
                None => Ok(None),
            };
        }
    }
    let past_lost = match value("pastLost") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return wrong("pastLost: expected true or false"),
    };
    let Some(text) = value("timeout") else { return Ok(Some(Wait { patience: DEFAULT_TIMEOUT, past_lost })) };
    let timeout = duration::parse(text).and_then(|timeout| Duration::try_from(timeout).ok());
    match timeout.filter(|timeout| *timeout <= MAX_TIMEOUT) {
        Some(patience) => Ok(Some(Wait { patience, past_lost })),
        None => wrong("timeout: expected a duration such as PT30S, at most PT10M"),
    }
}

/// Whether the wait is over, and why.
fn reached(operation: &Operation, wait: Wait) -> Option<Waited> {
    let is_lost = operation.expectation.as_ref().is_some_and(|it| it.state == ExpectationState::Lost);
    match operation.status.is_terminal() {
        true => Some(Waited::Terminal),
        false => (is_lost && !wait.past_lost).then_some(Waited::Lost),
    }
}

/// The operation when it has ended or is lost, or its state at the timeout or at the server's stop.
async fn ended(
    asked: &OperationRequest,
    mut operation: Operation,
    wait: Wait,
) -> Result<(Operation, Waited), ApiError> {
    let changes = &asked.admin.changes;
    let stopping = asked.admin.no_more_waiting.cancelled();
    let mut over = pin!(async {
        tokio::select! {
            () = tokio::time::sleep(wait.patience) => {}
            () = stopping => {}
        }
    });
    loop {
        if let Some(waited) = reached(&operation, wait) {
            return Ok((operation, waited));
        }
        let waiter = changes.of_operation(operation.number);
        let mut changed = pin!(waiter.changed());
        changed.as_mut().enable();
        operation = asked.operation().await?;
        if let Some(waited) = reached(&operation, wait) {
            return Ok((operation, waited));
        }
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(ASK_ANYWAY) => {}
            () = &mut over => return Ok((operation, Waited::Timeout)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Wait>, String> {
        wait(&Query::parse(text, &[]).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_wait_is_bounded() {
        let of = |patience| Ok(Some(Wait { patience, past_lost: false }));
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("waitFor=terminal"), of(DEFAULT_TIMEOUT));
        assert_eq!(read("waitFor=terminal&timeout=PT10M"), of(MAX_TIMEOUT));
        assert_eq!(read("waitFor=terminal&timeout=PT0.2S"), of(Duration::from_millis(200)));
        for bad in ["PT10M1S", "-PT1S", "30", "30s", "", "P1D", "PT1e9S"] {
            let refused = read(&format!("waitFor=terminal&timeout={bad}")).unwrap_err();
            assert!(refused.starts_with("timeout: expected a duration"), "{bad}: {refused}");
        }
        assert!(read("timeout=PT1S").is_err());
        assert!(read("waitFor=running").is_err());
    }

    #[test]
    fn who_waits_past_lost_says_so() {
        let past_lost = |text| read(text).unwrap().unwrap().past_lost;
        assert!(past_lost("waitFor=terminal&pastLost=true"));
        assert!(!past_lost("waitFor=terminal&pastLost=false"));
        assert_eq!(read("waitFor=terminal&pastLost=yes").unwrap_err(), "pastLost: expected true or false");
        assert_eq!(
            read("pastLost=true").unwrap_err(),
            "pastLost: found it without waitFor, expected waitFor=terminal as well"
        );
    }
}
