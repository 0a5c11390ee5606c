//! `HEAD`, wherever `GET` works: the handler sees a `GET`, and the connection leaves the body out.
//!
//! **Invariants**
//! 1. Status and headers are those of the `GET`, also the length if it is known.
//! 2. A stream without an end is dropped at once.

use actix_web::Error;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::Next;

/// Has a `HEAD` answered as a `GET`. It must be the outermost middleware: nobody else may hold the request yet.
pub async fn as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let is_head = request.method() == Method::HEAD;
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let answer = next.call(request).await?.map_into_boxed_body();
    Ok(match answer.response().body().size() {
        BodySize::Stream if is_head => answer.map_body(|_head, _stream| BoxBody::new(())),
        _ => answer,
    })
}
