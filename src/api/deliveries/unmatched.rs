//! Unmatched events: they are kept, and routed again after the routes were fixed.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::shapes::EventShape;
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::domain::EventId;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/unmatched", [(Method::GET, web::get().to(list))]))
        .service(resource("/unmatched/{id}/replay", [(Method::POST, web::post().to(replay))]));
}

/// The result of routing an event again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Routed {
    /// The number of new deliveries.
    deliveries: usize,
}

/// A page of unmatched events, the newest first, with the link to the next page.
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
    let events = admin.store.unmatched(pages::asked(&parameters)?).await?;
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
    let id = Uuid::try_parse(&id).map_err(|_error| ApiError::not_found())?;
    let event = admin.store.event(EventId(id)).await?.ok_or_else(ApiError::not_found)?;
    let deliveries = admin.routes.matches(&event.routing_key());
    if deliveries.is_empty() {
        return Err(ApiError::conflict(
            "noRouteMatches",
            "no route matches the event: fix the routes and restart the server",
        ));
    }
    let deliveries = admin.store.route_again(event.id, deliveries).await?;
    if deliveries == 0 {
        return Err(ApiError::conflict("alreadyRouted", "the event was routed before: see its deliveries"));
    }
    tracing::info!(caller = writer.0.name(), event = %event.id, deliveries, "an unmatched event is routed");
    Ok(Json(Routed { deliveries }))
}
