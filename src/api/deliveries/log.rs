//! The delivery log, and any delivery by its id.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};

use super::dead_letters::{DetailedDelivery, delivery_id, instant};
use super::shapes::DeliveryShape;
use crate::api::pages::{self, List};
use crate::api::parameters::{Parameters, wrong};
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, resource};
use crate::domain::SinkName;
use crate::store::{DeliveryFilter, Phase};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/deliveries", [(Method::GET, web::get().to(list))]))
        .service(resource("/deliveries/{id}", [(Method::GET, web::get().to(show))]));
}

/// The query parameters of the delivery log.
const PARAMETERS: [&str; 8] = ["sink", "state", "type", "since", "until", "text", "$top", pages::SKIPTOKEN];
/// The value of `state` for deliveries in any state.
const ANY: &str = "any";

/// A page of deliveries, those of the newest event first, with the link to the next page. Without `state` they are those
/// that are neither delivered nor dead letters. A page looks at a limited number of deliveries: it may have no entries, and
/// a link to the next page.
#[utoipa::path(
    get,
    path = "/v1.0/deliveries",
    tag = "deliveries",
    operation_id = "listDeliveries",
    params(
        ("sink" = Option<String>, Query, description = "Only deliveries to this sink"),
        ("state" = Option<String>, Query, description = "Only deliveries in this state: `unsettled` (the default: `waiting` or `underWay`), `waiting`, `underWay`, `delivered`, `dead`, or `any`"),
        ("type" = Option<String>, Query, description = "Only deliveries of events of this CloudEvents type"),
        ("since" = Option<String>, Query, description = "Only deliveries of events that arrived from this instant on, or so long ago: 2h"),
        ("until" = Option<String>, Query, description = "Only deliveries of events that arrived until this instant, or so long ago: 1h"),
        ("text" = Option<String>, Query, description = "The id of a delivery, an event, an operation or a call, in any spelling; or a part of a client context or of a failure's reason, in any case"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Deliveries, those of the newest event first", body = List<DeliveryShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<DeliveryShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &PARAMETERS)?.at(admin.clock.now());
    let at = |name| instant(&parameters, name, &admin);
    let phase = match parameters.one("state")? {
        None => Some(Phase::Unsettled),
        Some(ANY) => None,
        Some(name) => Some(Phase::parse(name).ok_or_else(|| {
            let names: Vec<&str> = Phase::ALL.into_iter().map(Phase::as_str).collect();
            wrong("state", name, &format!("{}, or {ANY}", names.join(", ")))
        })?),
    };
    let which = DeliveryFilter {
        sink: parameters.one("sink")?.map(SinkName::new),
        phase,
        kind: parameters.text("type")?,
        since: at("since")?,
        until: at("until")?,
        text: parameters.text("text")?,
    };
    let deliveries = admin.operator.delivery_log(&which, pages::asked(&parameters)?).await?;
    let now = admin.clock.now();
    Ok(Json(List::shown(&request, &parameters, &deliveries, |row| DeliveryShape::of(&row.delivery, now))))
}

/// One delivery in any state, with its event.
#[utoipa::path(
    get,
    path = "/v1.0/deliveries/{id}",
    tag = "deliveries",
    operation_id = "getDelivery",
    params(
        ("id" = String, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The delivery, with every attempt, its exchange, and the event", body = DetailedDelivery),
        (status = 404, description = "No delivery has this id", body = Refusal),
    ),
)]
pub async fn show(
    _reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<DetailedDelivery>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let found = admin.operator.delivery(delivery_id(&id)?).await?;
    Ok(Json(DetailedDelivery::of(found, &admin.operator.present())))
}
