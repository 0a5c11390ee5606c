//! Attempts now, instead of when the schedule says.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use serde::Serialize;
use utoipa::ToSchema;

use super::dead_letters::delivery_id;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Writer, resource};
use crate::domain::SinkName;

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/sinks/{name}/attempt", [(Method::POST, web::post().to(all))]))
        .service(resource("/deliveries/{id}/attempt", [(Method::POST, web::post().to(one))]));
}

/// All that waits for a sink is due.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AllDue {
    /// How many deliveries are due now: those that waited for their next attempt, and those that were due already.
    due_count: u64,
    /// How many deliveries wait, including those under way and those behind an earlier delivery.
    open_count: u64,
    /// Whether an operator paused the sink. Then nothing is attempted before somebody resumes it.
    is_paused: bool,
}

/// A delivery is due.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OneDue {
    /// The delivery that is due: the requested one, or the earlier delivery of its operation that it waits for.
    first_id: String,
    /// Whether an operator paused the sink. Then nothing is attempted before somebody resumes it.
    is_paused: bool,
}

/// Attempts now all that waits for a sink. A pause that the destination asked for ends; a pause of an operator stays.
/// Attempts go on being counted, and the deliveries of an operation keep their order.
#[utoipa::path(
    post,
    path = "/v1.0/sinks/{name}/attempt",
    tag = "deliveries",
    operation_id = "attemptDeliveriesOfSink",
    params(
        ("name" = String, Path, description = "The sink's name"),
    ),
    responses(
        (status = 200, description = "All that waits is due", body = AllDue),
        (status = 404, description = "There is no such sink", body = Refusal),
        (status = 409, description = "The config does not have the sink any more", body = Refusal),
    ),
)]
pub async fn all(writer: Writer, admin: Data<Admin>, name: Path<String>) -> Result<Json<AllDue>, ApiError> {
    let due = admin.operator.attempt_all(&SinkName::new(&name), writer.0.name()).await?;
    Ok(Json(AllDue { due_count: due.n_due, open_count: due.n_waiting, is_paused: due.is_paused }))
}

/// Attempts one waiting delivery now. If it waits for an earlier delivery of its operation, that one is attempted first.
#[utoipa::path(
    post,
    path = "/v1.0/deliveries/{id}/attempt",
    tag = "deliveries",
    operation_id = "attemptDelivery",
    params(
        ("id" = String, Path, description = "The delivery's id"),
    ),
    responses(
        (status = 200, description = "The delivery is due", body = OneDue),
        (status = 404, description = "No delivery has this id", body = Refusal),
        (status = 409, description = "It is being attempted, it is delivered or a dead letter, or the config does not have its sink", body = Refusal),
    ),
)]
pub async fn one(writer: Writer, admin: Data<Admin>, id: Path<String>) -> Result<Json<OneDue>, ApiError> {
    let due = admin.operator.attempt_one(delivery_id(&id)?, writer.0.name()).await?;
    Ok(Json(OneDue { first_id: due.first.to_string(), is_paused: due.is_paused }))
}
