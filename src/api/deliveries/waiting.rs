//! The waiting deliveries, and any delivery by its id.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};

use super::dead_letters::{DetailedDelivery, delivery_id};
use super::shapes::DeliveryShape;
use crate::api::pages::{self, List};
use crate::api::parameters::Parameters;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Reader, resource};
use crate::domain::SinkName;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/deliveries", [(Method::GET, web::get().to(list))]))
        .service(resource("/deliveries/{id}", [(Method::GET, web::get().to(show))]));
}

/// A page of waiting deliveries, newest first, with the link to the next page. A delivery waits until it is delivered
/// or a dead letter.
#[utoipa::path(
    get,
    path = "/v1.0/deliveries",
    tag = "deliveries",
    operation_id = "listWaitingDeliveries",
    params(
        ("sink" = Option<String>, Query, description = "Only deliveries to this sink"),
        ("$top" = Option<u16>, Query, description = "The most entries of a page; 100 by default", minimum = 1, maximum = 1000),
        ("$skiptoken" = Option<String>, Query, description = "Where the page begins. Use it only as part of an @odata.nextLink"),
    ),
    responses(
        (status = 200, description = "Waiting deliveries, newest first", body = List<DeliveryShape>),
    ),
)]
pub async fn list(
    _reader: Reader,
    admin: Data<Admin>,
    request: HttpRequest,
) -> Result<Json<List<DeliveryShape>>, ApiError> {
    let parameters = Parameters::read(request.query_string(), &["sink", "$top", pages::SKIPTOKEN])?;
    let sink = parameters.one("sink")?.map(SinkName::new);
    let waiting = admin.operator.waiting(sink.as_ref(), pages::asked(&parameters)?).await?;
    List::page((&request, &parameters), &waiting, |row| row.id).map(Json)
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
    Ok(Json(DetailedDelivery::of(found, admin.clock.now())))
}
