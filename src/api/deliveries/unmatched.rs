//! Unmatched events: they are kept, and routed again after the routes were fixed.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Body;
use super::shapes::EventShape;
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::domain::EventId;
use crate::operator;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/unmatched", [(Method::GET, web::get().to(list))]))
        .service(resource("/unmatched/replay", [(Method::POST, web::post().to(replay_some))]))
        .service(resource("/unmatched/{id}/replay", [(Method::POST, web::post().to(replay))]));
}

/// The result of routing an event again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Routed {
    /// The number of new deliveries.
    deliveries: usize,
}

/// Where a round begins.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// After this event.
    #[schema(value_type = String)]
    after: Uuid,
    /// Events that were received later are left.
    #[schema(value_type = String)]
    until: Timestamp,
}

/// Which round to route; without `from`, the first.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Round {
    #[serde(default)]
    from: Option<Place>,
}

/// What a round came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutedSome {
    /// How many events were looked at.
    event_count: usize,
    /// How many of them matched a route.
    matched_count: usize,
    /// How many deliveries are due.
    delivery_count: usize,
    /// The `from` of the next round; null: all are done.
    next: Option<Place>,
}

/// A page, the newest first, with the link to the next one.
#[utoipa::path(
    get,
    path = "/v1.0/unmatched",
    tag = "deliveries",
    operation_id = "listUnmatched",
    params(
        ("$top" = Option<u16>, Query, description = "The most entries of a page, the newest first; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "The place where the page begins; taken from an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Events, the newest first", body = List<EventShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<EventShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["$top", pages::SKIPTOKEN])?;
    let events = admin.operator.unmatched(pages::asked(&parameters)?).await?;
    List::page((&request, &parameters), &events, |row| row.id).map(Json)
}

/// Routes an event again, by the running server's config.
#[utoipa::path(
    post,
    path = "/v1.0/unmatched/{id}/replay",
    tag = "deliveries",
    operation_id = "replayUnmatched",
    params(
        ("id" = String, Path, description = "The event's id"),
    ),
    responses(
        (status = 200, description = "The event has deliveries now", body = Routed),
        (status = 404, description = "No event has this id", body = Refusal),
        (status = 409, description = "No route matches the event, or it was routed before", body = Refusal),
    ),
)]
pub async fn replay(writer: Writer, admin: Data<Admin>, id: Path<String>) -> Result<Json<Routed>, ApiError> {
    let id: EventId = id.parse().map_err(|_error| ApiError::not_found())?;
    let deliveries = admin.operator.route_again(id, writer.0.name()).await?;
    Ok(Json(Routed { deliveries }))
}

/// Routes a round of unmatched events by the config that the server runs with, the oldest first. Ask again with the `next`
/// of the answer as `from`, until it is null.
#[utoipa::path(
    post,
    path = "/v1.0/unmatched/replay",
    tag = "deliveries",
    operation_id = "replayAllUnmatched",
    request_body = Round,
    responses(
        (status = 200, description = "What the round came to", body = RoutedSome),
    ),
)]
pub async fn replay_some(writer: Writer, admin: Data<Admin>, round: Body<Round>) -> Result<Json<RoutedSome>, ApiError> {
    let from = round.0.from.map(|from| operator::Place { after: EventId(from.after), until: from.until });
    let routed = admin.operator.route_some_again(from, writer.0.name()).await?;
    Ok(Json(RoutedSome {
        event_count: routed.n_events,
        matched_count: routed.n_matched,
        delivery_count: routed.n_deliveries,
        next: routed.next.map(|next| Place { after: next.after.0, until: next.until }),
    }))
}
