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
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage};
use bytes::Bytes;
use futures_util::{Stream, stream};

/// An answer, with what may be unread of the request's body.
pub struct Answer {
    body: BoxBody,
    _request_body: Rc<RefCell<Payload>>,
}

/// Answers a request, and holds its body until then.
pub async fn held(mut request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse<Answer>, Error> {
    let held = Rc::new(RefCell::new(request.take_payload()));
    let read = Rc::clone(&held);
    let payload = Box::pin(stream::poll_fn(move |context| Pin::new(&mut *read.borrow_mut()).poll_next(context)));
    request.set_payload(Payload::Stream { payload });
    let answered = next.call(request).await?;
    Ok(answered.map_body(|_head, body| Answer { body, _request_body: held }))
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
