//! Dead letters: deliveries that failed for good.
//!
//! **Invariants**
//! 1. Several are replayed only if the caller sends their number. So a filter that matches more than intended changes
//!    nothing.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::body::Body;
use super::shapes::{DeliveryShape, EventShape};
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::domain::{DeliveryId, SinkName};
use crate::operator::{self, DeliveryOfEvent};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/deadLetters", [(Method::GET, web::get().to(list))]))
        .service(resource("/deadLetters/$count", [(Method::GET, web::get().to(count))]))
        .service(resource("/deadLetters/replay", [(Method::POST, web::post().to(replay_many))]))
        .service(resource("/deadLetters/{id}", [(Method::GET, web::get().to(show))]))
        .service(resource("/deadLetters/{id}/replay", [(Method::POST, web::post().to(replay_one))]));
}

/// A delivery with its event.
#[derive(Serialize, ToSchema)]
pub struct DetailedDelivery {
    #[serde(flatten)]
    delivery: DeliveryShape,
    /// What happened to it, line by line.
    story: Vec<String>,
    event: Option<EventShape>,
    /// The event's data, as sinks get it, but without the recording's token. Null if the data cannot be decrypted.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
}

impl DetailedDelivery {
    /// Shows a delivery and what happened to it until `now`.
    pub fn of(found: DeliveryOfEvent, now: Timestamp) -> Self {
        Self {
            delivery: DeliveryShape::from(&found.delivery),
            story: operator::explain::of_delivery(&found.delivery, now),
            event: found.event.as_ref().map(EventShape::from),
            data: found.event.and_then(|event| RawValue::from_string(event.data).ok()),
        }
    }
}

/// How many deliveries are due again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    replayed: u64,
}

/// Which dead letters to replay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Many {
    /// The sink; absent: all sinks.
    sink: Option<String>,
    /// How many you expect, from `/deadLetters/$count`. If the number differs, nothing is replayed.
    count: u64,
}

/// A page of dead letters, newest first, with the link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters",
    tag = "deliveries",
    operation_id = "listDeadLetters",
    params(
        ("sink" = Option<String>, Query, description = "Only dead letters of this sink"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Dead letters, newest first", body = List<DeliveryShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<DeliveryShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["sink", "$top", pages::SKIPTOKEN])?;
    let sink = parameters.one("sink")?.map(SinkName::new);
    let dead = admin.operator.dead_letters(sink.as_ref(), pages::asked(&parameters)?).await?;
    List::page((&request, &parameters), &dead, |row| row.id).map(Json)
}

/// The number of dead letters.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters/$count",
    tag = "deliveries",
    operation_id = "countDeadLetters",
    params(
        ("sink" = Option<String>, Query, description = "Only dead letters of this sink"),
    ),
    responses(
        (status = 200, description = "The number of dead letters", body = String, content_type = "text/plain"),
    ),
)]
pub async fn count(_reader: Reader, admin: Data<Admin>, request: HttpRequest) -> Result<String, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["sink"])?;
    let sink = parameters.one("sink")?.map(SinkName::new);
    Ok(admin.operator.n_dead_letters(sink.as_ref()).await?.to_string())
}

/// A dead letter with its event.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters/{id}",
    tag = "deliveries",
    operation_id = "getDeadLetter",
    params(
        ("id" = String, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The dead letter, with every attempt and its event", body = DetailedDelivery),
        (status = 404, description = "No dead letter has this id", body = Refusal),
    ),
)]
pub async fn show(
    _reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<DetailedDelivery>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let found = admin.operator.dead_letter(delivery_id(&id)?).await?;
    Ok(Json(DetailedDelivery::of(found, admin.clock.now())))
}

/// Makes a dead letter due again. It keeps its delivery id.
#[utoipa::path(
    post,
    path = "/v1.0/deadLetters/{id}/replay",
    tag = "deliveries",
    operation_id = "replayDeadLetter",
    params(
        ("id" = String, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The delivery is due again", body = Replayed),
        (status = 404, description = "No delivery has this id", body = Refusal),
        (status = 409, description = "The delivery is not a dead letter (any more)", body = Refusal),
    ),
)]
pub async fn replay_one(writer: Writer, admin: Data<Admin>, id: Path<String>) -> Result<Json<Replayed>, ApiError> {
    admin.operator.replay_one(delivery_id(&id)?, writer.0.name()).await?;
    Ok(Json(Replayed { replayed: 1 }))
}

/// Makes all dead letters due again, or those of one sink, if the caller sends their number.
#[utoipa::path(
    post,
    path = "/v1.0/deadLetters/replay",
    tag = "deliveries",
    operation_id = "replayDeadLetters",
    request_body = Many,
    responses(
        (status = 200, description = "The deliveries are due again", body = Replayed),
        (status = 409, description = "The number is wrong. The message has the right one. Nothing was replayed", body = Refusal),
    ),
)]
pub async fn replay_many(writer: Writer, admin: Data<Admin>, many: Body<Many>) -> Result<Json<Replayed>, ApiError> {
    let Many { sink, count } = many.0;
    let sink = sink.as_deref().map(SinkName::new);
    let replayed = admin.operator.replay_all(sink, Some(count), writer.0.name()).await?;
    Ok(Json(Replayed { replayed }))
}

/// Reads a delivery's id from a path.
///
/// # Errors
/// The text is not a delivery's id.
pub fn delivery_id(text: &str) -> Result<DeliveryId, ApiError> {
    text.parse().map_err(|_error| ApiError::not_found())
}
