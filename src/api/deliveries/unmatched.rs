//! Unmatched events: they are kept, and can be routed again after the routes were corrected.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Body;
use super::dead_letters::{check_number_of, instant, since};
use super::shapes::EventShape;
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, Writer, resource};
use crate::domain::EventId;
use crate::operator::Bounds;
use crate::store::UnmatchedFilter;

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
    /// It begins after this event.
    #[schema(value_type = String)]
    after: Uuid,
    /// Events that were received later are left out.
    #[schema(value_type = String)]
    until: Timestamp,
}

/// Which events to route. The first round has no `from`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Round {
    /// These, at most 1000.
    #[schema(value_type = Option<Vec<String>>)]
    ids: Option<Vec<Uuid>>,
    /// Those that arrived from this instant on, or so long ago: `2h`.
    since: Option<String>,
    /// Those of this CloudEvents type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Count those that match a route now, and change nothing.
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    from: Option<Place>,
}

/// The result of a round.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutedSome {
    /// How many events it looked at.
    event_count: usize,
    /// How many of them matched a route.
    matched_count: usize,
    /// How many deliveries it made.
    delivery_count: usize,
    /// The `from` of the next round. Null: no events are left.
    next: Option<Place>,
}

/// A page of unmatched events, newest first, with the link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/unmatched",
    tag = "deliveries",
    operation_id = "listUnmatched",
    params(
        ("type" = Option<String>, Query, description = "Only events of this CloudEvents type"),
        ("since" = Option<String>, Query, description = "Only events that arrived from this instant on, or so long ago: 2h"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Events, newest first", body = List<EventShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<EventShape>>, ApiError> {
    let parameters =
        Parameters::read(request.query_string(), &["type", "since", "$top", pages::SKIPTOKEN])?.at(admin.clock.now());
    let since = instant(&parameters, "since", &admin)?;
    let which = UnmatchedFilter { kind: parameters.one("type")?.map(str::to_owned), since };
    let events = admin.operator.unmatched(&which, pages::asked(&parameters)?).await?;
    Ok(Json(List::page(&request, &parameters, &events)))
}

/// Applies the server's current routes to an unmatched event again.
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
        (status = 409, description = "No route matches the event, or it already has deliveries", body = Refusal),
    ),
)]
pub async fn replay(writer: Writer, admin: Data<Admin>, id: Path<String>) -> Result<Json<Routed>, ApiError> {
    let id: EventId = id.parse().map_err(|_error| ApiError::not_found())?;
    let deliveries = admin.operator.route_again(id, writer.0.name()).await?;
    Ok(Json(Routed { deliveries }))
}

/// Applies the server's current routes to a round of unmatched events, oldest first. Send the `next` of the answer as
/// `from`, until it is null.
#[utoipa::path(
    post,
    path = "/v1.0/unmatched/replay",
    tag = "deliveries",
    operation_id = "replayAllUnmatched",
    request_body = Option<Round>,
    responses(
        (status = 200, description = "The result of the round", body = RoutedSome),
    ),
)]
pub async fn replay_some(writer: Writer, admin: Data<Admin>, round: Body<Round>) -> Result<Json<RoutedSome>, ApiError> {
    let Round { ids, since: since_text, kind, dry_run, from } = round.0;
    let (operator, who) = (&admin.operator, writer.0.name());
    if let Some(ids) = ids {
        check_number_of(&ids)?;
        let ids: Vec<EventId> = ids.into_iter().map(EventId).collect();
        let routed = operator.route_these_again(&ids, who).await?;
        let (matched_count, delivery_count) = (routed.n_matched, routed.n_deliveries);
        return Ok(Json(RoutedSome { event_count: ids.len(), matched_count, delivery_count, next: None }));
    }
    let which = UnmatchedFilter { kind, since: since_text.map(|text| since(&text, &admin)).transpose()? };
    let until = from.map_or_else(|| admin.clock.now(), |from| from.until);
    let (after, bounds) = (from.map(|from| EventId(from.after)), Bounds::until(until));
    let routed = match dry_run {
        true => operator.count_some_again(&which, after, bounds).await?,
        false => operator.route_some_again(&which, after, bounds, who).await?,
    };
    Ok(Json(RoutedSome {
        event_count: routed.n_events,
        matched_count: routed.n_matched,
        delivery_count: routed.n_deliveries,
        next: routed.next.map(|after| Place { after: after.0, until }),
    }))
}
