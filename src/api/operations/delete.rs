//! Deletes an operation.

use actix_web::HttpResponse;

use super::super::refusal::Refusal;
use super::super::{ApiError, Writer};
use super::condition::Demanded;
use super::request::{OperationRequest, invalid_parameter};
use crate::odata::Query;
use crate::store::operations::Deleted;

/// Removes an operation with its events. If Graph sends another notification of it, that makes a new operation.
#[utoipa::path(
    delete,
    path = "/v1.0/communications/recordOperations/{id}",
    tag = "operations",
    operation_id = "deleteRecordOperation",
    params(
        ("id" = String, Path, description = "The operation's id, or its expectation's id"),
        ("force" = Option<bool>, Query, description = "`true`: remove it even if deliveries still wait"),
        ("If-Match" = Option<String>, Header, description = "The `@odata.etag` of the version to remove"),
    ),
    responses(
        (status = 204, description = "The operation was removed"),
        (status = 404, description = "No operation has this id", body = Refusal),
        (status = 409, description = "Deliveries of the operation still wait", body = Refusal),
        (status = 412, description = "The operation was changed after the etag was read", body = Refusal),
    ),
)]
pub async fn delete(Writer(caller): Writer, asked: OperationRequest) -> Result<HttpResponse, ApiError> {
    let force = force(&asked.query_of_one(&["force"])?)?;
    let demanded = Demanded::of(&asked.request)?;
    let known = asked.operation().await?;
    let version = demanded.version(known.version)?;
    match asked.admin.operations.delete(known.number, version, force).await? {
        Deleted::Done => {
            tracing::info!(
                caller = caller.name(),
                operation = known.id,
                force,
                "an operation was deleted over the API"
            );
            Ok(HttpResponse::NoContent().finish())
        }
        Deleted::Stale(_version) => Err(ApiError::stale()),
        Deleted::Missing => Err(ApiError::not_found()),
        Deleted::Open(n) => {
            let message =
                format!("{n} of its deliveries are open: delete it after they are settled, or with ?force=true");
            Err(ApiError::conflict("notAllowed", message))
        }
    }
}

fn force(query: &Query) -> Result<bool, ApiError> {
    match query.others().find(|(name, _value)| *name == "force") {
        None | Some((_, "false")) => Ok(false),
        Some((_, "true")) => Ok(true),
        Some(_) => Err(invalid_parameter("force: expected true or false".into())),
    }
}
