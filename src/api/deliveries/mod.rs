//! Deliveries to sinks, and an operator's actions on them: dead letters, the quarantine, sinks and unmatched events.
//!
//! **Invariants**
//! 1. Each change by an operator is logged with the name of the token.

mod attempts;
mod body;
mod dead_letters;
mod event_log;
mod exchanges;
mod explain;
mod log;
mod quarantine;
mod resends;
mod shapes;
mod sinks;
mod unmatched;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, ServiceConfig};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use self::shapes::{DeliveryShape, EventShape};
use super::collections::{COLLECTIONS, also_at};
use super::pages::List;
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::{Admin, ApiError, Reader, resource};
use crate::domain::GraphId;

/// The routes of this room, under a version.
pub fn routes(config: &mut ServiceConfig) {
    for path in COLLECTIONS {
        config.service(resource(&format!("{path}/{{id}}/deliveries"), [(Method::GET, web::get().to(of_operation))]));
    }
    attempts::routes(config);
    dead_letters::routes(config);
    quarantine::routes(config);
    sinks::routes(config);
    unmatched::routes(config);
    resends::routes(config);
    log::routes(config);
    event_log::routes(config);
    explain::routes(config);
}

#[derive(OpenApi)]
#[openapi(
    paths(
        of_operation,
        attempts::all,
        attempts::one,
        dead_letters::list,
        dead_letters::count,
        dead_letters::show,
        dead_letters::replay_one,
        dead_letters::replay_many,
        quarantine::list,
        quarantine::show,
        quarantine::replay,
        quarantine::replay_many,
        resends::one,
        resends::many,
        sinks::list,
        sinks::pause,
        sinks::resume,
        sinks::move_waiting,
        sinks::drop_waiting,
        unmatched::list,
        unmatched::replay,
        unmatched::replay_some,
        log::list,
        log::show,
        event_log::list,
        explain::explain,
        explain::event,
    ),
    tags((name = "deliveries", description = "Deliveries, dead letters, the quarantine, sinks and unmatched events")),
)]
struct Described;

/// The part of `/openapi.json` for these paths.
pub fn described() -> utoipa::openapi::OpenApi {
    also_at(Described::openapi(), COLLECTIONS, "callId")
}

/// A delivery with the event that it delivers.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventDelivery {
    #[serde(flatten)]
    delivery: DeliveryShape,
    event: EventShape,
}

/// The deliveries of an operation, in the order of its events. The id is Graph's or the announcement's. If operations
/// of several calls have the id and the path names no call, the deliveries of all of them.
#[utoipa::path(
    get,
    path = "/v1.0/communications/recordOperations/{id}/deliveries",
    tag = "deliveries",
    operation_id = "listDeliveriesOfRecordOperation",
    params(
        ("id" = String, Path, description = "The operation's id, or its expectation's id"),
    ),
    responses(
        (status = 200, description = "The deliveries with every attempt, in the order of the operation's events", body = List<EventDelivery>),
        (status = 404, description = "No operation has this id", body = Refusal),
    ),
)]
pub async fn of_operation(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<EventDelivery>>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let segment = |name| request.match_info().get(name).map(|text| GraphId::new(text).ok_or_else(ApiError::not_found));
    let id = segment("id").unwrap_or_else(|| Err(ApiError::not_found()))?;
    let call = segment("callId").transpose()?;
    let operations = admin.operator.operations_with_events(&id, call.as_ref()).await?;
    let events = operations.iter().flat_map(|operation| &operation.events);
    let now = admin.clock.now();
    let value = events.flat_map(|event| {
        let shown = move |delivery| EventDelivery {
            delivery: DeliveryShape::of(delivery, now),
            event: EventShape::from(event),
        };
        event.deliveries.iter().map(shown)
    });
    Ok(Json(List::whole(value.collect())))
}
