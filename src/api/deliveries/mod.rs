//! What became of each event on its way to the sinks, and what an operator does about it: deliveries, dead letters, the
//! quarantine, sinks, and what no route matched.
//!
//! **Invariants**
//! 1. What an operator changes is logged with the name of the token.

mod body;
mod dead_letters;
mod quarantine;
mod shapes;
mod sinks;
mod unmatched;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::Serialize;

use self::shapes::{DeliveryShape, EventShape, List};
use super::parameters::Parameters;
use super::{Admin, ApiError, Reader, resource};
use crate::domain::GraphId;

/// The routes of this room.
pub fn routes(config: &mut ServiceConfig) {
    let of_operation = [(Method::GET, web::get().to(of_operation))];
    config.service(resource("/communications/recordOperations/{id}/deliveries", of_operation));
    dead_letters::routes(config);
    quarantine::routes(config);
    sinks::routes(config);
    unmatched::routes(config);
}

/// A delivery with the event that it delivers.
#[derive(Debug, Serialize)]
struct EventDelivery {
    #[serde(flatten)]
    delivery: DeliveryShape,
    event: EventShape,
}

/// The deliveries of an operation, by either of its ids, in the order of its events.
async fn of_operation(
    _reader: Reader,
    admin: Data<Admin>,
    (id, request): (Path<String>, HttpRequest),
) -> Result<Json<List<EventDelivery>>, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    let id = GraphId::new(&id).ok_or_else(ApiError::not_found)?;
    let known = admin.operations.get(&id, None).await?.ok_or_else(ApiError::not_found)?;
    let views = admin.store.operations(&known.id).await?;
    let events = views.iter().flat_map(|operation| &operation.events);
    let value = events.flat_map(|event| {
        let shown =
            move |delivery| EventDelivery { delivery: DeliveryShape::from(delivery), event: EventShape::from(event) };
        event.deliveries.iter().map(shown)
    });
    Ok(Json(List { value: value.collect() }))
}
