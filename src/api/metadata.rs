//! `/$metadata`: OData's description of the operations. The context of an answer leads here.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::OpenApi;

use super::parameters::Parameters;
use super::{ApiError, Reader, resource};

/// The description (<https://docs.oasis-open.org/odata/odata-csdl-xml/v4.01/odata-csdl-xml-v4.01.html>).
const DESCRIPTION: &str = include_str!("metadata.xml");

/// The routes of this room, under a version.
pub fn routes(config: &mut ServiceConfig) {
    config.service(resource("/$metadata", [(Method::GET, web::get().to(show))]));
}

#[derive(OpenApi)]
#[openapi(paths(show))]
struct Described;

/// The part of `/openapi.json` for this path.
pub fn described() -> utoipa::openapi::OpenApi {
    Described::openapi()
}

/// The types and collections of operations, as OData describes them (CSDL in XML). The other paths are not part of it.
#[utoipa::path(
    get,
    path = "/v1.0/$metadata",
    tag = "operations",
    operation_id = "getMetadata",
    responses(
        (status = 200, description = "The description", body = String, content_type = "application/xml"),
    ),
)]
pub async fn show(_reader: Reader, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Parameters::read(request.query_string(), &[])?;
    Ok(HttpResponse::Ok().content_type("application/xml").body(DESCRIPTION))
}

#[cfg(test)]
mod tests {
    use super::DESCRIPTION;
    use crate::api::operations::properties;

    #[test]
    fn every_property_of_an_operation_is_described_and_no_other() {
        let (_, of_operation) = DESCRIPTION.split_once("<EntityType Name=\"recordOperation\">").unwrap();
        let (of_operation, _) = of_operation.split_once("</EntityType>").unwrap();
        let named = of_operation.split("<Property Name=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert!(named.eq(properties().iter().copied()), "{:?}", properties());
    }
}
