//! Reads a request's body within limits: its size, its time, and the memory of all bodies together.
//!
//! [`held`] takes each body away before a handler sees the request, and [`read`] is the only way to get it. So no
//! extractor of the web framework, which has no time limit, can wait for a body that never arrives: it finds an empty
//! one.
//!
//! **Invariants**
//! 1. Both listeners, the API and the console read bodies here and nowhere else.
//! 2. The rest of a body that was given up is not read, and its connection is closed.

mod room;
mod unread_body;

use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::{HttpMessage, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::OwnedSemaphorePermit;

use crate::connections;
use crate::domain::Reason;

use self::room::Share;
use self::unread_body::Unread;

pub use self::room::Room;
pub use self::unread_body::held;

/// The limits for the bodies of one path or listener.
#[derive(Clone, Debug)]
pub struct BodyLimits {
    /// The most bytes of one body.
    pub max_bytes: usize,
    /// The longest time for one body.
    pub timeout: Duration,
    /// The memory for all of these bodies.
    pub room: Room,
}

/// A body and its share of the memory. Both are freed together.
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// Checks the headers: no content encoding, and this media type.
///
/// # Errors
/// [`Reason::ContentEncoding`] or [`Reason::ContentType`].
pub fn check_headers(headers: &HeaderMap, media_type: &str) -> Result<(), Reason> {
    let encodings = headers.get_all(CONTENT_ENCODING);
    if encodings.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Reason::ContentEncoding);
    }
    let mut types = headers.get_all(CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(value), None) if is_of(media_type, value.as_bytes()) => Ok(()),
        _ => Err(Reason::ContentType),
    }
}

fn is_of(media_type: &str, content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(media_type.as_bytes())
}

/// Reads the body of a request that must be of one media type. It can be read once.
///
/// # Errors
/// Those of [`check_headers`] and [`read`].
pub async fn read_as(request: &HttpRequest, media_type: &str, limits: &BodyLimits) -> Result<Body, Reason> {
    check_headers(request.headers(), media_type)?;
    read(request, limits).await
}

/// Reads the body of a request. It can be read once.
///
/// # Errors
/// [`Reason::BodyTooLarge`] as soon as the limit is exceeded, [`Reason::BodyTimeout`], [`Reason::Shed`] if it had to
/// give its memory or its place to others, [`Reason::BadRequest`] if the connection broke the protocol.
pub async fn read(request: &HttpRequest, limits: &BodyLimits) -> Result<Body, Reason> {
    let announced = match request.headers().get(CONTENT_LENGTH) {
        None => 0,
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()).ok_or(Reason::BadRequest)?,
    };
    if announced > limits.max_bytes {
        return Err(Reason::BodyTooLarge);
    }
    // If no body is held, there is none, or it was read before.
    let unread = request.extensions_mut().remove::<Unread>();
    let Some(unread) = unread else { return Ok(Body { bytes: Bytes::new(), _memory: None }) };
    match tokio::time::timeout(limits.timeout, collect(unread, announced, limits)).await {
        Ok(Err(Reason::BadRequest)) if connections::gave_way(request) => Err(Reason::Shed),
        Ok(read) => read,
        Err(_elapsed) => Err(Reason::BodyTimeout),
    }
}

async fn collect(mut unread: Unread, announced: usize, limits: &BodyLimits) -> Result<Body, Reason> {
    // Most bodies arrive in one piece, which is not copied.
    let (mut first, mut bytes) = (Bytes::new(), BytesMut::new());
    let mut share = limits.room.share();
    while let Some(chunk) = next(&mut unread, &mut share, (first.len() + bytes.len(), announced)).await? {
        if first.len() + bytes.len() + chunk.len() > limits.max_bytes {
            return Err(Reason::BodyTooLarge);
        }
        // Memory is taken as the bytes arrive, not in advance: a sender that announces much and sends little holds
        // little.
        share.add(chunk.len())?;
        if first.is_empty() && bytes.is_empty() {
            first = chunk;
            continue;
        }
        if bytes.is_empty() {
            // Reserved memory that is not written to costs nothing yet. Growing by doubling would cost twice as much.
            bytes.reserve(announced);
            bytes.extend_from_slice(&std::mem::take(&mut first));
        }
        bytes.extend_from_slice(&chunk);
    }
    let bytes = if bytes.is_empty() { first } else { bytes.freeze() };
    Ok(Body { bytes, _memory: share.whole()? })
}

/// The next piece of a body, unless the body has to give way before it arrives.
async fn next(
    unread: &mut Unread,
    share: &mut Share,
    (n_here, announced): (usize, usize),
) -> Result<Option<Bytes>, Reason> {
    // Nothing is held yet, or everything that was announced is here, so it is not held for long.
    let next = if n_here == 0 || n_here == announced {
        unread.next().await
    } else {
        tokio::select! {
            biased;
            next = unread.next() => next,
            () = share.gives_way() => return Err(Reason::Shed),
        }
    };
    next.transpose().map_err(|_broken| Reason::BadRequest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::{TestRequest, call_and_read_body, init_service};
    use actix_web::{App, middleware::from_fn, web};

    #[test]
    fn json_is_recognised_with_its_parameters_and_nothing_else_is() {
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(is_of("application/json", good.as_bytes()), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonp", "application/json+x", "text/json"] {
            assert!(!is_of("application/json", bad.as_bytes()), "{bad}");
        }
    }

    #[actix_web::test]
    async fn the_frameworks_own_extractors_find_an_empty_body_and_this_reader_the_whole() {
        let limits = BodyLimits { max_bytes: 9, timeout: Duration::from_secs(5), room: Room::new(9) };
        let ours = move |request: HttpRequest| {
            let limits = limits.clone();
            async move { read(&request, &limits).await.map_or_else(|it| it.as_str().into(), |body| body.bytes) }
        };
        let app = App::new()
            .wrap(from_fn(held))
            .route("/theirs", web::post().to(async |body: Bytes| body))
            .route("/ours", web::post().to(ours));
        let app = init_service(app).await;
        let post = |path, body| TestRequest::post().uri(path).set_payload(body).to_request();
        assert_eq!(call_and_read_body(&app, post("/theirs", "nine byte")).await, "");
        assert_eq!(call_and_read_body(&app, post("/ours", "nine byte")).await, "nine byte");
        assert_eq!(call_and_read_body(&app, post("/ours", "ten bytes!")).await, Reason::BodyTooLarge.as_str());
        assert_eq!(call_and_read_body(&app, post("/ours", "nine byte")).await, "nine byte", "the memory is free again");
    }
}
