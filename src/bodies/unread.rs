//! What is left of a body that is not read to its end.
//!
//! The web server reads on where a chunked body was let go before its end, for as long as the sender likes: a stranger
//! could hold a connection for good. A body that is still held makes it close the connection, so each is held until its
//! request is answered.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::Stream;

/// An answer, with what may be unread of the request's body.
pub struct Answer {
    body: BoxBody,
    _request_body: Rc<RefCell<Payload>>,
}

/// A request's body before anybody read it; among the request's extensions.
pub(super) struct Unread(Rc<RefCell<Payload>>);

/// Answers a request, and holds its body until then.
///
/// # Errors
/// Those of the handler.
pub async fn held(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<Answer>, Error> {
    let held = Rc::new(RefCell::new(request.take_payload()));
    request.extensions_mut().insert(Unread(Rc::clone(&held)));
    let answered = next.call(request).await?.map_into_boxed_body();
    Ok(answered.map_body(|_head, body| Answer { body, _request_body: held }))
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

impl MessageBody for Answer {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
