//! Creates an operation from an announcement: a client context, or the answer of `recordResponse`.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::json::JsonObject;
use super::super::refusal::Refusal;
use super::super::{ApiError, Writer};
use super::request::OperationRequest;
use super::{fields, names};
use crate::config::Scope;
use crate::domain::{GraphId, SinkName, Status};
use crate::odata::Select;
use crate::store::operations::{Created, NewOperation};
use crate::web::address::encoded;
use crate::web::link;

/// Further properties of `recordResponse`'s answer (<https://learn.microsoft.com/graph/api/call-record>). They are
/// accepted and ignored.
const PASSED_OVER: [&str; 4] = ["resultInfo", "completionReason", "recordingLocation", "recordingAccessToken"];
/// Properties that come from an answer of `recordResponse`; an announcement without one has no use for them.
const FROM_GRAPH: [&str; 2] = ["id", "status"];

/// Announces an operation: from now on reelhook expects its notifications. Sending the same announcement again changes
/// nothing. A token without the scope `read` gets only the id.
#[utoipa::path(
    post,
    path = "/v1.0/communications/recordOperations",
    tag = "operations",
    operation_id = "createRecordOperation",
    request_body = super::schema::Announcement,
    responses(
        (status = 201, description = "A new operation was created", body = super::schema::RecordOperation,
            headers(("Location" = String, description = "The operation's URL"))),
        (status = 200, description = "The operation existed already", body = super::schema::RecordOperation),
        (status = 400, description = "A property is wrong or unknown; the message names it", body = Refusal),
        (status = 409, description = "An operation of another call that has not ended has this client context", body = Refusal),
        (status = 413, description = "The body is larger than 64 KiB", body = Refusal),
        (status = 415, description = "The body is not JSON", body = Refusal),
        (status = 503, description = "This cannot be done now. Retrying later is safe", body = Refusal),
    ),
)]
pub async fn create(
    Writer(caller): Writer,
    asked: OperationRequest,
    body: JsonObject,
) -> Result<HttpResponse, ApiError> {
    asked.query_of_one(&[])?;
    let admin = &asked.admin;
    let setup = admin.operator.running.now();
    let (sinks, within) = (setup.sink_names(), setup.config.expectations.default_within);
    let around = Around { sinks: &sinks, now: admin.clock.now(), within };
    let new = announced(&body.0, asked.call_id.as_ref(), &around)?;
    let may_read = caller.may(Scope::Read);
    let (status, operation) = match admin.operations.create(new).await? {
        Created::New(operation) => (StatusCode::CREATED, operation),
        Created::Same(operation) => (StatusCode::OK, operation),
        Created::Taken(other) => {
            let which =
                if may_read { format!("the open operation {:?}", other.id) } else { "an open operation".into() };
            let message = format!(
                "clientContext: {which} of another call has it: end or delete that operation, or send \"allowDuplicate\": true"
            );
            return Err(ApiError::conflict("nameAlreadyExists", message));
        }
    };
    tracing::info!(
        caller = caller.name(),
        operation = operation.id,
        is_new = status.as_u16() == 201,
        "an operation was announced"
    );
    // A token that may only announce must not see what others announced about the same operation.
    let shown = if may_read { Select::default() } else { Select::only(&["id"]) };
    let mut answer = asked.answer(status, &operation, (&shown, false));
    let location = format!("{}/{}", link::of(&asked.request), encoded(&operation.id));
    if let Ok(location) = location.parse() {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}

/// What an announcement is read against: the config's sinks and deadline, and the time.
struct Around<'a> {
    sinks: &'a [SinkName],
    now: Timestamp,
    /// The deadline of announcements that have none.
    within: Option<Duration>,
}

/// Reads an announcement; `of_call` is the call in the request's path.
fn announced(
    body: &Map<String, Value>,
    of_call: Option<&GraphId>,
    around: &Around<'_>,
) -> Result<NewOperation, ApiError> {
    refuse_unknown(body)?;
    let value = |name: &str| body.get(name).unwrap_or(&Value::Null);
    let named_call = fields::graph_id("callId", value("callId"))?;
    if let (Some(named), Some(of_call)) = (&named_call, of_call)
        && named != of_call
    {
        return Err(fields::wrong("callId", "no callId, or the call in the path"));
    }
    let new = NewOperation {
        id: fields::graph_id("id", value("id"))?,
        call_id: named_call.or_else(|| of_call.cloned()),
        tenant_id: fields::graph_id("tenantId", value("tenantId"))?.map(|id| id.as_str().to_owned()),
        client_context: fields::client_context(value("clientContext"))?,
        status: status(value("status"))?,
        metadata: fields::metadata(value("metadata"))?,
        sinks: fields::sinks(value("sinks"), around.sinks)?,
        expected_by: fields::deadline(body, around.now)?
            .unwrap_or_else(|| around.within.and_then(|within| around.now.checked_add(within).ok())),
        allow_duplicate: fields::flag("allowDuplicate", value("allowDuplicate"))?,
    };
    if new.client_context.is_none() && new.id.is_none() {
        let expected = "a clientContext, or the id from the answer of recordResponse: reelhook recognises notifications by one of them";
        return Err(fields::wrong("clientContext", expected));
    }
    Ok(new)
}

fn refuse_unknown(body: &Map<String, Value>) -> Result<(), ApiError> {
    let is_known = |name: &str| {
        names::of_announcement().any(|known| known == name) || PASSED_OVER.contains(&name) || name.contains('@')
    };
    let unknown: Vec<&str> = body.keys().map(String::as_str).filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let own: Vec<&str> = names::of_announcement().filter(|name| !FROM_GRAPH.contains(name)).collect();
    let message = format!("found {}, expected some of {}", fields::shown(unknown), own.join(", "));
    Err(ApiError::bad_request("invalidRequest", message))
}

fn status(value: &Value) -> Result<Status, ApiError> {
    let expected = "notStarted or running (an operation that has ended needs no announcement)";
    let text = match value {
        Value::Null => "",
        Value::String(text) => text,
        _ => return Err(fields::wrong("status", expected)),
    };
    match Status::parse(text) {
        Status::Unknown(_) => Ok(Status::Running),
        ended if ended.is_terminal() => Err(fields::wrong("status", expected)),
        status => Ok(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ClientContext;
    use serde_json::json;

    const WITHIN: Option<Duration> = Some(Duration::from_secs(900));

    fn read(body: Value) -> Result<NewOperation, String> {
        let now = "2026-11-24T08:00:00Z".parse().unwrap();
        let of_call = GraphId::new("57DAB8B1894C409AB240BD8BEAE78896");
        let around = Around { sinks: &[SinkName::new("crm")], now, within: WITHIN };
        let announced = announced(body.as_object().unwrap(), of_call.as_ref(), &around);
        announced.map_err(|error| error.to_string())
    }

    #[test]
    fn an_announcement_that_names_no_deadline_has_the_default_one() {
        let expected_by = |body| read(body).unwrap().expected_by.map(|at| at.to_string());
        assert_eq!(expected_by(json!({ "clientContext": "ctx" })).as_deref(), Some("2026-11-24T08:15:00Z"));
        assert_eq!(expected_by(json!({ "clientContext": "ctx", "expectWithin": null })), None);
    }

    #[test]
    fn an_announcement_is_read_whole() {
        let new = read(json!({
            "clientContext": "ctx", "metadata": { "a": 1 }, "sinks": ["crm"], "expectWithin": "PT3M", "allowDuplicate": true,
            "callId": "57dab8b1-894c-409a-b240-bd8beae78896", "tenantId": "1FDD12D0-4620-44ED-BAEC-459B611F84B2",
        }));
        let new = new.unwrap();
        assert_eq!(new.client_context, ClientContext::new("ctx"));
        assert_eq!(new.call_id, GraphId::new("57dab8b1-894c-409a-b240-bd8beae78896"));
        assert_eq!(new.tenant_id.as_deref(), Some("1fdd12d0-4620-44ed-baec-459b611f84b2"));
        assert_eq!((new.status, new.metadata.as_deref()), (Status::NotStarted, Some(r#"{"a":1}"#)));
        assert_eq!(new.expected_by, "2026-11-24T08:03:00Z".parse().ok());
        assert!(new.allow_duplicate && new.id.is_none());
    }

    #[test]
    fn what_record_response_answered_with_is_an_announcement() {
        let new = read(json!({
            "@odata.context": "x", "@odata.type": "#microsoft.graph.recordOperation", "id": "op-1", "status": "running",
            "clientContext": "ctx", "resultInfo": null, "completionReason": null, "recordingLocation": null,
            "recordingAccessToken": null,
        }));
        let new = new.unwrap();
        assert_eq!((new.id, new.status), (GraphId::new("op-1"), Status::Running));
        let of_other_versions =
            read(json!({ "id": "op-1", "status": "unknownFutureValue", "clientContext": "" })).unwrap();
        assert_eq!((of_other_versions.status, of_other_versions.client_context), (Status::Running, None));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_name() {
        for (body, expected) in [
            (json!({ "clientContext": "x", "clientcontext": "y", "a": 1 }), r#"found "a", "clientcontext", expected"#),
            (json!({}), "clientContext: expected a clientContext, or the id"),
            (json!({ "clientContext": "", "metadata": {} }), "clientContext: expected a clientContext, or the id"),
            (
                json!({ "clientContext": "x", "callId": "another" }),
                "callId: expected no callId, or the call in the path",
            ),
            (json!({ "clientContext": "x", "callId": 1 }), "callId: expected one of Graph's ids"),
            (json!({ "id": "a\u{0}" }), "id: expected one of Graph's ids"),
            (json!({ "id": "a".repeat(257) }), "id: expected one of Graph's ids"),
            (json!({ "id": "op-1", "status": "completed" }), "status: expected notStarted or running"),
            (json!({ "id": "op-1", "status": "FAILED" }), "status: expected notStarted or running"),
            (json!({ "id": "op-1", "status": 1 }), "status: expected notStarted or running"),
            (json!({ "id": "op-1", "allowDuplicate": "yes" }), "allowDuplicate: expected true or false"),
        ] {
            let error = read(body.clone()).unwrap_err();
            assert!(error.starts_with(expected), "{body}: {error}");
        }
    }
}
