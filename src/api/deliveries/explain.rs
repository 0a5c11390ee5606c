//! Stories in words: of an operation, of an event.

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

/// A story.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoryShape {
    /// The operation's id; null where the event is about none.
    operation_id: Option<String>,
    /// The operation's call, where it is known.
    call_id: Option<String>,
    /// The story, line by line. Text from outside is in it as it came.
    story: Vec<String>,
}

/// An event with its data.
#[derive(Serialize, ToSchema)]
pub struct DetailedEvent {
    #[serde(flatten)]
    event: EventShape,
    /// Its story in words, line by line: what it told, and where it went.
    story: Vec<String>,
    /// The event's data, as sinks get it; never with a token. Null where it cannot be opened any more.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
}

/// The stories of the operations that `of` names: by an operation's id in any spelling, a client context (the newest first),
/// or an event's id.
#[utoipa::path(
    get,
    path = "/v1.0/explain",
    tag = "deliveries",
    operation_id = "explain",
    params(
        ("of" = String, Query, description = "An operation's id in any spelling, a client context, or an event's id"),
    ),
    responses(
        (status = 200, description = "Their stories; none where nothing is known", body = List<StoryShape>),
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

/// One event with its data, and its story in words.
#[utoipa::path(
    get,
    path = "/v1.0/events/{id}",
    tag = "deliveries",
    operation_id = "getEvent",
    params(
        ("id" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 200, description = "It", body = DetailedEvent),
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
        story: operator::explain::of_event(&event, admin.clock.now()),
        data: RawValue::from_string(event.data).ok(),
    }))
}
