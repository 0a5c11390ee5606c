//! A JSON object as a request's body, read within bounds: its size, its time, and the memory that all bodies hold
//! together.
//!
//! **Invariants**
//! 1. A property that stands there twice is refused: nobody can say which of the two was meant.

use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::ApiError;

/// The most bytes of a body.
const MAX_BODY_BYTES: usize = 64 << 10;
/// The longest that a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// So many bodies are read at once: 8 MiB in all.
const MAX_BODIES: usize = 128;

/// A JSON object that a client sent.
#[derive(Debug)]
pub struct JsonObject(pub Map<String, Value>);

/// The room for bodies that are being read.
#[derive(Clone, Debug)]
pub struct BodyRoom(Arc<Semaphore>);

impl Default for BodyRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_BODIES)))
    }
}

impl FromRequest for JsonObject {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let checked = check_headers(request.headers());
        let room = request.app_data::<Data<BodyRoom>>().cloned();
        let payload = payload.take();
        Box::pin(async move {
            checked?;
            let room = room.ok_or_else(ApiError::unavailable)?;
            let _share = room.0.try_acquire().map_err(|_none_left| ApiError::unavailable().closing())?;
            let read = tokio::time::timeout(BODY_TIMEOUT, collect(payload)).await;
            let bytes = read.map_err(|_elapsed| ApiError::timeout())??;
            parse(&bytes).map(Self)
        })
    }
}

fn check_headers(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut encodings = headers.get_all(CONTENT_ENCODING);
    if encodings.any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ApiError::unsupported_media_type());
    }
    let mut types = headers.get_all(CONTENT_TYPE);
    match (types.next(), types.next()) {
        (Some(value), None) if is_json(value.as_bytes()) => {}
        _ => return Err(ApiError::unsupported_media_type()),
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|n_bytes| n_bytes > MAX_BODY_BYTES) {
        return Err(ApiError::too_large(MAX_BODY_BYTES));
    }
    Ok(())
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    essence.eq_ignore_ascii_case(b"application/json")
}

async fn collect(mut payload: Payload) -> Result<BytesMut, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let broken = |_broken| ApiError::bad_request("invalidRequest", "the body ended before its time").closing();
        let chunk = chunk.map_err(broken)?;
        if bytes.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(ApiError::too_large(MAX_BODY_BYTES));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(Unique(Value::Object(object))) => Ok(object),
        Ok(_other) => Err(ApiError::bad_request("invalidRequest", "found other JSON, expected an object")),
        Err(error) => Err(ApiError::bad_request("invalidRequest", format!("the body is no JSON: {error}"))),
    }
}

/// A value in which no property stands twice.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(value)) = members.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut seen = std::collections::BTreeMap::new();
        while let Some((key, Unique(value))) = members.next_entry::<String, Unique>()? {
            match seen.entry(key) {
                Entry::Vacant(free) => drop(free.insert(value)),
                Entry::Occupied(taken) => {
                    let key: String = taken.key().chars().take(64).collect();
                    return Err(de::Error::custom(format!("found the property {key:?} twice, expected it once")));
                }
            }
        }
        Ok(Value::Object(seen.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_and_nothing_else_is() {
        let object = parse(br#"{"a":[1,-2,0.5,true,null,"x"],"b":{"a":1}}"#).unwrap();
        assert_eq!(Value::Object(object), serde_json::json!({ "a": [1, -2, 0.5, true, null, "x"], "b": { "a": 1 } }));
        for bad in ["", "[]", "1", "{", r#"{"a":1}}"#, "\u{0}", &"[".repeat(10_000)] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_property_that_stands_there_twice_is_refused_however_it_is_spelt() {
        for twice in [r#"{"a":1,"a":1}"#, r#"{"x":{"a":1,"\u0061":2}}"#] {
            let error = parse(twice.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(r#"found the property "a" twice"#), "{error}");
        }
    }

    #[test]
    fn json_is_recognised_with_its_parameters_and_nothing_else_is() {
        assert!(is_json(b"application/json") && is_json(b"Application/JSON; charset=utf-8"));
        assert!(!is_json(b"") && !is_json(b"text/plain") && !is_json(b"application/jsonp"));
    }
}
