//! A request's body, read as the type that the handler asks for.

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::api::ApiError;
use crate::api::json::JsonObject;
use crate::wording::untrusted_text::cut;

/// How many characters of an error about a body the answer contains.
const MAX_TOLD_CHARS: usize = 200;

/// A JSON body; a missing body counts as an object without properties.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let is_empty = headers.get(CONTENT_LENGTH).is_none_or(|length| length.as_bytes() == b"0")
            && !headers.contains_key(TRANSFER_ENCODING);
        let object = (!is_empty).then(|| JsonObject::from_request(request, payload));
        Box::pin(async move {
            let object = match object {
                Some(object) => object.await?.0,
                None => Map::new(),
            };
            let read = serde_json::from_value(Value::Object(object));
            read.map(Self).map_err(|error| {
                let told = error.to_string();
                ApiError::bad_request("invalidRequest", format!("the body: {}", cut(&told, MAX_TOLD_CHARS)))
            })
        })
    }
}
