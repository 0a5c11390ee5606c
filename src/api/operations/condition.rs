//! `If-Match` and `If-None-Match`: conditions on the version of an operation.
//!
//! **Invariants**
//! 1. Tags are compared weakly, as OData does; all of reelhook's tags are weak.

use actix_web::HttpRequest;
use actix_web::http::header::{EntityTag, Header, IfMatch, IfNoneMatch};

use super::super::ApiError;

/// The tag of a version: `W/"7"`.
pub fn etag(version: i64) -> EntityTag {
    EntityTag::new_weak(version.to_string())
}

/// The condition of `If-Match`.
#[derive(Debug, PartialEq, Eq)]
pub enum Demanded {
    /// No condition: there is no such header, or it accepts any version.
    Any,
    /// One of these versions.
    OneOf(Vec<String>),
}

impl Demanded {
    /// Reads the header.
    ///
    /// # Errors
    /// The header contains no tag.
    pub fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        if !request.headers().contains_key("if-match") {
            return Ok(Self::Any);
        }
        match IfMatch::parse(request) {
            Ok(IfMatch::Any) => Ok(Self::Any),
            Ok(IfMatch::Items(tags)) if !tags.is_empty() => {
                Ok(Self::OneOf(tags.iter().map(|tag| tag.tag().to_owned()).collect()))
            }
            _ => Err(malformed("If-Match")),
        }
    }

    /// The version that a change requires, given the present one; `None`: any version.
    ///
    /// # Errors
    /// The present version is not one of those in the header.
    pub fn version(&self, version: i64) -> Result<Option<i64>, ApiError> {
        match self {
            Self::Any => Ok(None),
            Self::OneOf(tags) if tags.contains(&version.to_string()) => Ok(Some(version)),
            Self::OneOf(_) => Err(ApiError::stale()),
        }
    }
}

/// Whether the client has this version already.
///
/// # Errors
/// `If-None-Match` contains no tag.
pub fn is_known(request: &HttpRequest, version: i64) -> Result<bool, ApiError> {
    if !request.headers().contains_key("if-none-match") {
        return Ok(false);
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => Ok(true),
        Ok(IfNoneMatch::Items(tags)) if !tags.is_empty() => Ok(tags.iter().any(|tag| tag.weak_eq(&etag(version)))),
        _ => Err(malformed("If-None-Match")),
    }
}

fn malformed(header: &str) -> ApiError {
    ApiError::bad_request(
        "malformedEntityTag",
        format!("{header}: expected the @odata.etag of an answer, as W/\"7\", or *"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn with(name: &'static str, value: &str) -> HttpRequest {
        TestRequest::default().insert_header((name, value)).to_http_request()
    }

    #[test]
    fn a_change_is_held_to_the_version_that_its_client_read() {
        for (value, expected) in [(r#"W/"7""#, Some(7)), (r#""7""#, Some(7)), (r#"W/"6", W/"7""#, Some(7)), ("*", None)]
        {
            assert_eq!(Demanded::of(&with("if-match", value)).unwrap().version(7).unwrap(), expected, "{value}");
        }
        assert!(Demanded::of(&with("if-match", r#"W/"6""#)).unwrap().version(7).is_err());
        assert_eq!(Demanded::of(&TestRequest::default().to_http_request()).unwrap(), Demanded::Any);
        for bad in ["7", "W/7", "", "\"7"] {
            assert!(Demanded::of(&with("if-match", bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        assert!(is_known(&with("if-none-match", r#"W/"7""#), 7).unwrap());
        assert!(is_known(&with("if-none-match", "*"), 7).unwrap());
        assert!(!is_known(&with("if-none-match", r#"W/"6""#), 7).unwrap());
        assert!(!is_known(&TestRequest::default().to_http_request(), 7).unwrap());
        assert!(is_known(&with("if-none-match", "7"), 7).is_err());
    }
}
