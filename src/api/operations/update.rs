//! Changes the properties of an operation that an announcement set.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::json::JsonObject;
use super::super::refusal::Refusal;
use super::super::{ApiError, Writer, preferences};
use super::condition::{self, Demanded};
use super::request::OperationRequest;
use super::{fields, names};
use crate::config::Scope;
use crate::domain::SinkName;
use crate::odata::Select;
use crate::store::operations::{Change, Updated};

/// Changes what an announcement can set: metadata, deadline, sinks, and until the operation starts also the client
/// context.
#[utoipa::path(
    patch,
    path = "/v1.0/communications/recordOperations/{id}",
    tag = "operations",
    operation_id = "updateRecordOperation",
    params(
        ("id" = String, Path, description = "The operation's id, or its expectation's id"),
        ("If-Match" = Option<String>, Header, description = "The `@odata.etag` of the version to change"),
        ("Prefer" = Option<String>, Header, description = "`return=minimal`: 204 without a body"),
    ),
    request_body = super::schema::Changes,
    responses(
        (status = 200, description = "The operation as it is now", body = super::schema::RecordOperation),
        (status = 204, description = "Done: the client prefers minimal, or the token does not have the scope `read`"),
        (status = 400, description = "Properties are wrong, unknown or read-only; the message names them", body = Refusal),
        (status = 404, description = "No operation has this id", body = Refusal),
        (status = 409, description = "The operation has started, or another operation has the client context", body = Refusal),
        (status = 412, description = "The operation was changed after the etag was read", body = Refusal),
    ),
)]
pub async fn update(
    Writer(caller): Writer,
    asked: OperationRequest,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    asked.query_of_one(&[])?;
    let demanded = Demanded::of(&asked.request)?;
    let change = change(&body.0, &asked.admin.operator.running.now().sink_names(), asked.admin.clock.now())?;
    let known = asked.operation().await?;
    let version = demanded.version(known.version)?;
    let operation = match asked.admin.operations.update(known.number, version, change).await? {
        Updated::Done(operation) => operation,
        Updated::Stale(_version) => return Err(ApiError::stale()),
        Updated::Missing => return Err(ApiError::not_found()),
        Updated::Started => {
            let message = "clientContext: found an operation that has started, expected one that has not: its notifications carry the old one";
            return Err(ApiError::conflict("notAllowed", message).with_finer("propertyNotUpdateable"));
        }
        Updated::Taken => {
            let message = "clientContext: another open operation has it";
            return Err(ApiError::conflict("nameAlreadyExists", message));
        }
    };
    tracing::info!(caller = caller.name(), operation = operation.id, "an operation was changed over the API");
    // A token that may only change an operation must not see it.
    if preferences::wants_no_body(asked.request.headers()) || !caller.may(Scope::Read) {
        let tag = condition::etag(operation.version);
        let granted = ("preference-applied", "return=minimal");
        return Ok(HttpResponse::NoContent().insert_header((ETAG, tag)).insert_header(granted).finish());
    }
    Ok(asked.answer(StatusCode::OK, &operation, (&Select::default(), false)))
}

fn change(body: &Map<String, Value>, sinks: &[SinkName], now: Timestamp) -> Result<Change, ApiError> {
    refuse_others(body)?;
    let client_context = match body.get("clientContext") {
        None => None,
        Some(value) => {
            let context = fields::client_context(value)?;
            Some(context.ok_or_else(|| fields::wrong("clientContext", "text that is not empty"))?)
        }
    };
    Ok(Change {
        client_context,
        metadata: body.get("metadata").map(fields::metadata).transpose()?,
        expected_by: fields::deadline(body, now)?,
        sinks: body.get("sinks").map(|value| fields::sinks(value, sinks)).transpose()?,
    })
}

/// All mistakes in one message, so that the developer corrects the request once.
fn refuse_others(body: &Map<String, Value>) -> Result<(), ApiError> {
    let is_own = |name: &str| names::of_changes().any(|own| own == name);
    let others = body.keys().map(String::as_str).filter(|name| !name.contains('@') && !is_own(name));
    let (read_only, unknown): (Vec<&str>, Vec<&str>) = others.partition(|name| names::of_operation().contains(name));
    if read_only.is_empty() && unknown.is_empty() {
        return Ok(());
    }
    let mut found = Vec::new();
    if !read_only.is_empty() {
        found.push(format!("found {}, which cannot be changed", fields::shown(read_only.iter().copied())));
    }
    if !unknown.is_empty() {
        found.push(format!("found {}, which is no property of an operation", fields::shown(unknown)));
    }
    let finer = if read_only.is_empty() { "invalidRequest" } else { "propertyNotUpdateable" };
    let own: Vec<&str> = names::of_changes().collect();
    Err(ApiError::bad_request(finer, format!("{}; expected some of {}", found.join("; "), own.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ClientContext;
    use serde_json::json;

    fn read(body: Value) -> Result<Change, String> {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        change(body.as_object().unwrap(), &[SinkName::new("crm")], now).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_named_stays_and_null_takes_away() {
        let nothing = read(json!({ "@odata.type": "#microsoft.graph.recordOperation" })).unwrap();
        assert!(nothing.client_context.is_none() && nothing.metadata.is_none());
        assert!(nothing.expected_by.is_none() && nothing.sinks.is_none());
        let away = read(json!({ "metadata": null, "expectedBy": null, "sinks": [] })).unwrap();
        assert_eq!((away.metadata, away.expected_by, away.sinks), (Some(None), Some(None), Some(vec![])));
        let change = read(json!({ "clientContext": "new", "sinks": ["crm"], "metadata": {} })).unwrap();
        assert_eq!(change.client_context, ClientContext::new("new"));
        assert_eq!(change.metadata, Some(Some("{}".into())));
    }

    #[test]
    fn all_that_cannot_be_changed_is_named_at_once() {
        let error = read(json!({ "status": "failed", "id": "x", "metadata": {}, "colour": 1 })).unwrap_err();
        assert_eq!(
            error,
            "found \"id\", \"status\", which cannot be changed; found \"colour\", which is no property of an operation; \
             expected some of clientContext, metadata, sinks, expectWithin, expectedBy"
        );
        for name in names::of_operation().iter().filter(|name| names::of_changes().all(|own| own != **name)) {
            let error = read(json!({ *name: null })).unwrap_err();
            assert!(error.starts_with(&format!("found \"{name}\", which cannot be changed")), "{error}");
        }
        for bad in [json!(null), json!("")] {
            let error = read(json!({ "clientContext": bad })).unwrap_err();
            assert_eq!(error, "clientContext: expected text that is not empty");
        }
    }
}
