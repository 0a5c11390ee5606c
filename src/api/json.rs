//! A JSON object as a request's body, read within the limits of the admin listener.
//!
//! **Invariants**
//! 1. A property that occurs twice is refused, because it is unclear which value the client means.

use std::collections::btree_map::Entry;
use std::fmt;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Admin, ApiError};
use crate::bodies;
use crate::domain::Reason;
use crate::wording::untrusted_text::cut;

/// The most bytes of a body.
pub const MAX_BODY_BYTES: usize = 64 << 10;

/// A JSON object that a client sent.
#[derive(Debug)]
pub struct JsonObject(pub Map<String, Value>);

impl FromRequest for JsonObject {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let admin = request.app_data::<Data<Admin>>().ok_or_else(ApiError::unavailable)?;
            let body = bodies::read_as(&request, "application/json", &admin.bodies).await;
            let body = body.inspect_err(|reason| admin.turned_away(&request, *reason)).map_err(refused)?;
            parse(&body.bytes).map(Self)
        })
    }
}

fn refused(reason: Reason) -> ApiError {
    match reason {
        Reason::ContentEncoding | Reason::ContentType => ApiError::unsupported_media_type(),
        Reason::BodyTooLarge => ApiError::too_large(MAX_BODY_BYTES),
        Reason::BodyTimeout => ApiError::timeout(),
        Reason::Shed => ApiError::unavailable().closing(),
        _ => ApiError::bad_request("invalidRequest", "found the beginning of a body, expected all of it").closing(),
    }
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::from_slice(bytes) {
        Ok(Unique(Value::Object(object))) => Ok(object),
        Ok(_other) => Err(ApiError::bad_request("invalidRequest", "found JSON of another type, expected an object")),
        Err(error) => Err(ApiError::bad_request("invalidRequest", format!("the body is not JSON: {error}"))),
    }
}

/// A value in which no property occurs twice.
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
                    let key = cut(taken.key(), 64);
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
}
