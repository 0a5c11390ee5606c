//! Resends: successful deliveries are made again.

use actix_web::http::Method;
use actix_web::web::{self, Data, Json, Path, ServiceConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::Body;
use super::dead_letters::delivery_id;
use crate::api::parameters::wrong;
use crate::api::refusal::Refusal;
use crate::api::{Admin, ApiError, Writer, resource};
use crate::domain::{DeliveryId, RouteName, SinkName};
use crate::operator::{self, Bounds, Resend};

pub fn routes(config: &mut ServiceConfig) {
    config
        .service(resource("/deliveries/resend", [(Method::POST, web::post().to(many))]))
        .service(resource("/deliveries/{id}/resend", [(Method::POST, web::post().to(one))]));
}

/// The sink that gets the event.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendTo {
    /// A sink of the config. Absent: the sink that received it.
    to: Option<String>,
}

/// The new delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resent {
    /// The id of the new delivery.
    id: String,
    /// The delivery that was asked for.
    resend_of: String,
}

/// Which successful deliveries to make again. Resends are not among them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ResendMany {
    /// Those of events that arrived from this instant on, such as `2026-11-24T08:00:00Z`; or how long ago, such as `2h`.
    since: String,
    /// Those to this sink. Absent: to any sink of the config.
    sink: Option<String>,
    /// Those that were made because of this route.
    route: Option<String>,
    /// Those of events of this CloudEvents type.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The sink that gets the events. Absent: the sink that received them. Needs `sink`.
    to: Option<String>,
    /// What was delivered after this instant is left out: with `until` of a dry run, what it counted is made again. Absent:
    /// now.
    #[schema(value_type = Option<String>)]
    until: Option<Timestamp>,
    /// Count, and change nothing.
    #[serde(default)]
    dry_run: bool,
    /// `next` of the round before. Absent: the first round.
    from: Option<ResendFrom>,
}

/// Where a round begins.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendFrom {
    /// Behind this delivery.
    #[schema(value_type = String)]
    after: Uuid,
    /// What was delivered later is left out.
    #[schema(value_type = String)]
    until: Timestamp,
}

/// What a round did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResendRoundShape {
    /// How many deliveries it looked at.
    seen_count: u64,
    /// How many of them match.
    matched_count: u64,
    /// How many deliveries it makes again. 0 in a dry run.
    resent_count: u64,
    /// What was delivered later was left out.
    #[schema(value_type = String)]
    until: Timestamp,
    /// Send it as `from` for the next round. Null: it was the last round.
    next: Option<ResendFrom>,
}

/// Makes one successful delivery again. The new delivery has an id of its own; the attribute `resendof` of its event has the id of the first delivery.
#[utoipa::path(
    post,
    path = "/v1.0/deliveries/{id}/resend",
    tag = "deliveries",
    operation_id = "resendDelivery",
    params(
        ("id" = String, Path, description = "The id of a delivered delivery"),
    ),
    request_body = Option<ResendTo>,
    responses(
        (status = 200, description = "The delivery is made again", body = Resent),
        (status = 404, description = "No delivery has this id", body = Refusal),
        (status = 409, description = "The delivery is not delivered, or the config does not have the sink", body = Refusal),
    ),
)]
pub async fn one(
    writer: Writer,
    admin: Data<Admin>,
    (id, to): (Path<String>, Body<ResendTo>),
) -> Result<Json<Resent>, ApiError> {
    let of = delivery_id(&id)?;
    let to = to.0.to.as_deref().map(SinkName::new);
    let new = admin.operator.resend_one(of, to, writer.0.name()).await?;
    Ok(Json(Resent { id: new.to_string(), resend_of: of.to_string() }))
}

/// Makes successful deliveries again, in rounds: repeat the request with `from` until `next` is null. Those of one operation keep
/// their order. With `dryRun` it only counts.
#[utoipa::path(
    post,
    path = "/v1.0/deliveries/resend",
    tag = "deliveries",
    operation_id = "resendDeliveries",
    request_body = ResendMany,
    responses(
        (status = 200, description = "What this round did", body = ResendRoundShape),
        (status = 400, description = "The selection is not valid", body = Refusal),
        (status = 409, description = "The config does not have the sink", body = Refusal),
    ),
)]
pub async fn many(
    writer: Writer,
    admin: Data<Admin>,
    body: Body<ResendMany>,
) -> Result<Json<ResendRoundShape>, ApiError> {
    let ResendMany { since, sink, route, kind, to, until, dry_run, from } = body.0;
    if to.is_some() && sink.is_none() {
        return Err(ApiError::bad_request(
            "invalidRequest",
            "to: expected sink as well, since each event goes there once",
        ));
    }
    let which = Resend {
        sink: sink.as_deref().map(SinkName::new),
        route: route.as_deref().map(RouteName::new),
        kind,
        since: operator::since(&since, admin.clock.now()).map_err(|expected| wrong("since", &since, &expected))?,
        to: to.as_deref().map(SinkName::new),
    };
    let now = admin.clock.now();
    let until = from.as_ref().map(|from| from.until).or(until).unwrap_or(now);
    let (after, bounds) = (from.map(|from| DeliveryId(from.after)), Bounds::until(until));
    let round = match dry_run {
        true => admin.operator.resend_count(&which, after, bounds).await?,
        false => admin.operator.resend_round(&which, after, bounds, writer.0.name()).await?,
    };
    Ok(Json(ResendRoundShape {
        seen_count: round.n_seen,
        matched_count: round.n_found,
        resent_count: round.n_resent,
        until,
        next: round.next.map(|after| ResendFrom { after: after.0, until }),
    }))
}
