//! What happened to an operation or an event, in lines of text.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::shapes::EventShape;
use crate::api::pages::List;
use crate::api::parameters::{Parameters, wrong};
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, resource};
use crate::domain::EventId;
use crate::operator;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/explain", [(Method::GET, web::get().to(explain))]))
        .service(resource("/events/{id}", [(Method::GET, web::get().to(event))]));
}

/// What happened to an operation or an event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryShape {
    /// The operation's id. Null for an event that belongs to no operation.
    operation_id: Option<String>,
    /// The operation's call, if it is known.
    call_id: Option<String>,
    /// What happened, line by line. Text from outside is not escaped.
    story: Vec<String>,
}

/// An event with its data.
#[derive(Serialize, ToSchema)]
pub struct DetailedEvent {
    #[serde(flatten)]
    event: EventShape,
    /// What happened to it, line by line: what it reported, and where it was delivered.
    story: Vec<String>,
    /// The event's data, as sinks get it, but without the recording's token. Null if the data cannot be decrypted.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
}

/// Explains operations. `of` is an operation's id (with or without dashes, any case), a client context (newest
/// operations first), or an event's id.
#[utoipa::path(
    get,
    path = "/v1.0/explain",
    tag = "deliveries",
    operation_id = "explain",
    params(
        ("of" = String, Query, description = "An operation's id (with or without dashes, any case), a client context, or an event's id"),
    ),
    responses(
        (status = 200, description = "What happened to each operation. Empty if nothing is found", body = List<StoryShape>),
    ),
)]
pub async fn explain(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<StoryShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["of"])?;
    let of = parameters.one("of")?.filter(|of| !of.is_empty());
    let of = of.ok_or_else(|| wrong("of", "", "an operation's id, a client context, or an event's id"))?;
    let stories = admin.operator.explain(of).await?.into_iter();
    let stories = stories.map(|it| StoryShape { operation_id: it.operation, call_id: it.call, story: it.lines });
    Ok(Json(List::whole(stories.collect())))
}

/// One event with its data, and what happened to it.
#[utoipa::path(
    get,
    path = "/v1.0/events/{id}",
    tag = "deliveries",
    operation_id = "getEvent",
    params(
        ("id" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 200, description = "The event", body = DetailedEvent),
        (status = 404, description = "No event has this id", body = Refusal),
    ),
)]
pub async fn event(
    _reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<DetailedEvent>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let id: EventId = id.parse().map_err(|_error| ApiError::not_found())?;
    let event = admin.operator.event(id).await?;
    Ok(Json(DetailedEvent {
        event: EventShape::from(&event),
        story: operator::explain::of_event(&event, &admin.operator.present()),
        data: RawValue::from_string(event.data).ok(),
    }))
}
