//! Reading a request's body within bounds: its size, its time, and the memory that all bodies hold together.

use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::Payload;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::Reason;

/// What bodies may cost.
#[derive(Clone)]
pub struct BodyLimits {
    /// The most bytes of one body.
    pub max_bytes: usize,
    /// The longest that one body may take.
    pub timeout: Duration,
    /// Bytes of memory that are left for bodies, over all requests.
    pub memory: Arc<Semaphore>,
}

/// A body, with its share of the memory: dropped together.
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    _memory: Option<OwnedSemaphorePermit>,
}

/// What is demanded of the headers.
pub fn check_headers(request: &HttpRequest) -> Result<(), Reason> {
    let headers = request.headers();
    let encodings = headers.get_all(CONTENT_ENCODING);
    if encodings.into_iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Reason::ContentEncoding);
    }
    let mut types = headers.get_all(CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(value), None) if is_json(value.as_bytes()) => Ok(()),
        _ => Err(Reason::ContentType),
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/json")
}

/// Reads the body.
///
/// # Errors
/// [`Reason::BodyTooLarge`] as soon as the limit is crossed, [`Reason::BodyTimeout`], [`Reason::Shed`] where the memory
/// for bodies is used up, [`Reason::BadRequest`] where the connection broke the protocol.
pub async fn read(request: &HttpRequest, payload: Payload, limits: &BodyLimits) -> Result<Body, Reason> {
    let announced = match request.headers().get(CONTENT_LENGTH) {
        None => 0,
        Some(value) => value.to_str().ok().and_then(|text| text.parse().ok()).ok_or(Reason::BadRequest)?,
    };
    if announced > limits.max_bytes {
        return Err(Reason::BodyTooLarge);
    }
    match tokio::time::timeout(limits.timeout, collect(payload, announced, limits)).await {
        Ok(read) => read,
        Err(_elapsed) => Err(Reason::BodyTimeout),
    }
}

async fn collect(mut payload: Payload, announced: usize, limits: &BodyLimits) -> Result<Body, Reason> {
    // Most notifications come in one piece: that is not copied.
    let (mut first, mut bytes) = (Bytes::new(), BytesMut::new());
    let mut memory: Option<OwnedSemaphorePermit> = None;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_broken| Reason::BadRequest)?;
        if first.len() + bytes.len() + chunk.len() > limits.max_bytes {
            return Err(Reason::BodyTooLarge);
        }
        let n = u32::try_from(chunk.len()).map_err(|_too_long| Reason::BodyTooLarge)?;
        // Taken as the bytes come, never waited for: a sender that announces much and sends little holds little.
        let share = Arc::clone(&limits.memory).try_acquire_many_owned(n).map_err(|_none_left| Reason::Shed)?;
        match &mut memory {
            Some(memory) => memory.merge(share),
            None => memory = Some(share),
        }
        if first.is_empty() && bytes.is_empty() {
            first = chunk;
            continue;
        }
        if bytes.is_empty() {
            // Room that is not written to yet costs nothing; growing by doubling would cost the double.
            bytes.reserve(announced);
            bytes.extend_from_slice(&std::mem::take(&mut first));
        }
        bytes.extend_from_slice(&chunk);
    }
    let bytes = if bytes.is_empty() { first } else { bytes.freeze() };
    Ok(Body { bytes, _memory: memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_with_its_parameters_and_nothing_else_is() {
        for good in ["application/json", "Application/JSON; charset=utf-8"] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in ["", "text/plain", "application/jsonp", "application/json+x", "text/json"] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
