//! Dead letters: deliveries that reelhook gave up.
//!
//! **Invariants**
//! 1. Several are replayed only if the caller sends their number: a filter that matches more than intended changes
//!    nothing.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Body;
use super::shapes::{DeliveryShape, EventShape};
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::domain::{DeliveryId, SinkName};
use crate::store::{DeadLetters, DeliveryState, DeliveryView};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/deadLetters", [(Method::GET, web::get().to(list))]))
        .service(resource("/deadLetters/$count", [(Method::GET, web::get().to(count))]))
        .service(resource("/deadLetters/replay", [(Method::POST, web::post().to(replay_many))]))
        .service(resource("/deadLetters/{id}", [(Method::GET, web::get().to(show))]))
        .service(resource("/deadLetters/{id}/replay", [(Method::POST, web::post().to(replay_one))]));
}

/// A dead letter with its event.
#[derive(Serialize, ToSchema)]
pub struct DeadLetter {
    #[serde(flatten)]
    delivery: DeliveryShape,
    event: Option<EventShape>,
    /// The event's data, as sinks get it, never with a token. Null if it cannot be opened any more.
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
}

/// The number of deliveries that are due again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    replayed: u64,
}

/// The dead letters to replay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Many {
    /// The sink; absent: all sinks.
    sink: Option<String>,
    /// Their number, from `/deadLetters/$count`.
    count: u64,
}

/// A page of dead letters, the newest first, with the link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters",
    tag = "deliveries",
    operation_id = "listDeadLetters",
    params(
        ("sink" = Option<String>, Query, description = "Only those of this sink"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page, the newest first; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "The place where the page begins; taken from an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Dead letters, the newest first", body = List<DeliveryShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<DeliveryShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["sink", "$top", pages::SKIPTOKEN])?;
    let sink = parameters.one("sink")?.map(SinkName::new);
    let dead = admin.store.deliveries(DeliveryState::Dead, sink.as_ref(), pages::asked(&parameters)?).await?;
    List::page((&request, &parameters), &dead, |row| row.id).map(Json)
}

/// The number of dead letters.
#[utoipa::path(
    get,
    path = "/v1.0/deadLetters/$count",
    tag = "deliveries",
    operation_id = "countDeadLetters",
    params(
        ("sink" = Option<String>, Query, description = "Only those of this sink"),
    ),
    responses(
        (status = 200, description = "The number", body = String, content_type = "text/plain"),
    ),
)]
pub async fn count(_reader: Reader, admin: Data<Admin>, request: HttpRequest) -> Result<String, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["sink"])?;
    let sink = parameters.one("sink")?.map(SinkName::new);
    Ok(n_dead(&admin, sink.as_ref()).await?.to_string())
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
        (status = 200, description = "The dead letter, with every attempt and its event", body = DeadLetter),
        (status = 404, description = "No dead letter has this id", body = Refusal),
    ),
)]
pub async fn show(
    _reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<DeadLetter>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let letter = delivery(&admin, &id).await?;
    if letter.state != DeliveryState::Dead {
        return Err(ApiError::not_found());
    }
    let event = admin.store.event(letter.event).await?;
    Ok(Json(DeadLetter {
        delivery: DeliveryShape::from(&letter),
        event: event.as_ref().map(EventShape::from),
        data: event.and_then(|event| RawValue::from_string(event.data).ok()),
    }))
}

/// Makes a dead letter due again, with its old id.
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
    let letter = delivery(&admin, &id).await?;
    let replayed = admin.store.replay_dead(DeadLetters::One(letter.id)).await?;
    if replayed == 0 {
        return Err(ApiError::conflict("notDead", "the delivery is not a dead letter (any more): nothing to replay"));
    }
    tracing::info!(caller = writer.0.name(), delivery = %letter.id, sink = %letter.sink, "a dead letter is replayed");
    Ok(Json(Replayed { replayed }))
}

/// Makes all dead letters due again, or all of a sink, if the caller sends their number.
#[utoipa::path(
    post,
    path = "/v1.0/deadLetters/replay",
    tag = "deliveries",
    operation_id = "replayDeadLetters",
    request_body = Many,
    responses(
        (status = 200, description = "The deliveries are due again", body = Replayed),
        (status = 409, description = "The number is wrong; the message has the right one. Nothing was replayed", body = Refusal),
    ),
)]
pub async fn replay_many(writer: Writer, admin: Data<Admin>, many: Body<Many>) -> Result<Json<Replayed>, ApiError> {
    let Many { sink, count } = many.0;
    let sink = sink.as_deref().map(SinkName::new);
    let n = n_dead(&admin, sink.as_ref()).await?;
    if n != count {
        let message = format!("count: found {count}, expected {n}, the present number; nothing was replayed");
        return Err(ApiError::conflict("countDiffers", message));
    }
    let which = sink.map_or(DeadLetters::All, DeadLetters::OfSink);
    let replayed = admin.store.replay_dead(which.clone()).await?;
    tracing::info!(caller = writer.0.name(), ?which, replayed, "dead letters are replayed");
    Ok(Json(Replayed { replayed }))
}

async fn delivery(admin: &Admin, id: &str) -> Result<DeliveryView, ApiError> {
    let id = Uuid::try_parse(id).map_err(|_error| ApiError::not_found())?;
    admin.store.delivery(DeliveryId(id)).await?.ok_or_else(ApiError::not_found)
}

/// The number of dead letters, of a sink or in all.
async fn n_dead(admin: &Admin, sink: Option<&SinkName>) -> Result<u64, ApiError> {
    let backlogs = admin.store.backlog().await?;
    let wanted = backlogs.iter().filter(|(name, _)| sink.is_none_or(|sink| sink == *name));
    Ok(wanted.map(|(_, backlog)| backlog.n_dead).sum())
}
