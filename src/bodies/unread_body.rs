//! A body that has not been read.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::Stream;

/// A request's body before it is read. It is stored in the request's extensions.
pub(super) struct Unread(Payload);

/// Takes a request's body away before its handler sees the request.
///
/// # Errors
/// Those of the handler.
pub async fn held<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    match request.take_payload() {
        Payload::None => {}
        body => drop(request.extensions_mut().insert(Unread(body))),
    }
    next.call(request).await
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().0).poll_next(context)
    }
}
