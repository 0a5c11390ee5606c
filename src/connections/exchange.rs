//! A request and its answer, as far as their connection needs to know about them.
//!
//! If a handler drops a chunked body before its end, actix goes on reading it for as long as the sender likes, so a
//! stranger could hold a connection for good. If the body is still held when the request is answered, actix closes the
//! connection. So each body is held until then.
//!
//! **Invariants**
//! 1. The connection is notified when a request begins, waits for its body, has it, and is answered; also if the
//!    request ends in another way.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::header::{HeaderValue, RETRY_AFTER};
use actix_http::{ConnectionType, Payload, Request, Response, StatusCode};
use actix_web::dev::{Service, ServiceResponse};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::Serving;
use super::progress::Progress;
use crate::domain::Reason;
use crate::telemetry::ConnectionEnd;

/// Seconds after which a sender may retry.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("10");

/// An answer, with the possibly unread part of its request's body.
pub struct Answer {
    body: BoxBody,
    _exchange: Exchange,
}

/// A request that is not answered yet.
struct Exchange {
    progress: Option<Rc<Progress>>,
    _body: Option<Rc<RefCell<Payload>>>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if let Some(progress) = &self.progress {
            progress.rests();
        }
    }
}

impl Exchange {
    fn begin(request: &mut Request) -> Self {
        let progress = request.conn_data::<Rc<Progress>>().cloned();
        let body = match request.take_payload() {
            Payload::None => None,
            body => Some(Rc::new(RefCell::new(body))),
        };
        if let Some(progress) = &progress {
            progress.begins(body.is_some());
        }
        if let Some(body) = &body {
            let (body, progress) = (Rc::clone(body), progress.clone());
            let read = stream::poll_fn(move |context| read(&body, progress.as_deref(), context));
            *request.payload() = Payload::Stream { payload: Box::pin(read) };
        }
        Self { progress, _body: body }
    }

    /// Whether there is a place for it.
    fn has_place(&self, path: &str, serving: &Serving) -> bool {
        self.progress.as_ref().is_none_or(|progress| !progress.is_one_too_many()) || serving.probes.contains(&path)
    }

    fn answered(self, response: Response<BoxBody>) -> Response<Answer> {
        if let Some(progress) = &self.progress {
            let is_last = response.head().connection_type() == ConnectionType::Close;
            progress.answers(response.status().is_client_error(), is_last);
        }
        response.map_body(|_head, body| Answer { body, _exchange: self })
    }

    /// 503: every place has a request at work.
    fn turned_away(self, serving: &Serving) -> Response<Answer> {
        serving.refused(Reason::Shed);
        if let Some(progress) = &self.progress {
            progress.ends(ConnectionEnd::Busy);
        }
        let mut response = Response::with_body(StatusCode::SERVICE_UNAVAILABLE, BoxBody::new(()));
        response.head_mut().set_connection_type(ConnectionType::Close);
        response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        self.answered(response)
    }
}

fn read(
    body: &RefCell<Payload>,
    progress: Option<&Progress>,
    context: &mut Context<'_>,
) -> Poll<Option<<Payload as Stream>::Item>> {
    let polled = Pin::new(&mut *body.borrow_mut()).poll_next(context);
    if let Some(progress) = progress {
        match &polled {
            Poll::Pending => progress.wants_body(),
            Poll::Ready(Some(Ok(_piece))) => {}
            Poll::Ready(Some(Err(_broken))) => progress.has_body(false),
            Poll::Ready(None) => progress.has_body(true),
        }
    }
    polled
}

/// Lets `app` answer a request, and notifies its connection.
pub(super) fn exchange<A, B>(
    mut request: Request,
    (app, serving): (&A, &Serving),
) -> impl Future<Output = Result<Response<Answer>, A::Error>> + use<A, B>
where
    A: Service<Request, Response = ServiceResponse<B>>,
    B: MessageBody + 'static,
{
    let exchange = Exchange::begin(&mut request);
    let begun = if exchange.has_place(request.path(), serving) {
        Ok((app.call(request), exchange))
    } else {
        Err(exchange.turned_away(serving))
    };
    async move {
        match begun {
            Ok((answering, exchange)) => {
                let response: Response<B> = answering.await?.into();
                Ok(exchange.answered(response.map_body(|_head, body| body.boxed())))
            }
            Err(turned_away) => Ok(turned_away),
        }
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
