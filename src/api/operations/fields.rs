//! The properties that a request may set, each read strictly.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::super::ApiError;
use super::duration;
use crate::domain::{ClientContext, GraphId, SinkName};
use crate::wording::untrusted_text::cut;

/// The most bytes of an expectation's metadata, as JSON.
const MAX_METADATA_BYTES: usize = 16 << 10;
/// The most characters of an id from outside.
const MAX_ID_CHARS: usize = 256;
/// The latest deadline, counted from now.
const MAX_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `name: expected ..`
pub fn wrong(name: &str, expected: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request("invalidParameterFormat", format!("{name}: expected {expected}"))
}

/// Names from outside, as text for an error.
pub fn shown<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let shorten = |name: &str| format!("{:?}", cut(name, 64));
    names.into_iter().take(20).map(shorten).collect::<Vec<_>>().join(", ")
}

/// A text. `null`, and the empty text that Graph sends instead, mean that there is none.
fn text<'a>(name: &str, value: &'a Value, expected: &str) -> Result<Option<&'a str>, ApiError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        _ => Err(wrong(name, expected)),
    }
}

/// `clientContext`
pub fn client_context(value: &Value) -> Result<Option<ClientContext>, ApiError> {
    let Some(text) = text("clientContext", value, "text of at most 256 characters")? else { return Ok(None) };
    let too_long = || {
        ApiError::bad_request(
            "parameterIsTooLong",
            "clientContext: found more than 256 characters, expected at most 256",
        )
    };
    ClientContext::new(text).map(Some).ok_or_else(too_long)
}

/// `id` and `callId`
pub fn graph_id(name: &str, value: &Value) -> Result<Option<GraphId>, ApiError> {
    let expected = "one of Graph's ids: text of at most 256 characters without control characters";
    let Some(text) = text(name, value, expected)? else { return Ok(None) };
    if text.chars().count() > MAX_ID_CHARS || text.chars().any(char::is_control) {
        return Err(wrong(name, expected));
    }
    Ok(GraphId::new(text))
}

/// `metadata`: an object, as text.
pub fn metadata(value: &Value) -> Result<Option<String>, ApiError> {
    match value {
        Value::Null => Ok(None),
        Value::Object(_) => {
            let json = value.to_string();
            if json.len() <= MAX_METADATA_BYTES {
                return Ok(Some(json));
            }
            let n = json.len();
            let message = format!("metadata: found {n} bytes of JSON, expected at most {MAX_METADATA_BYTES}");
            Err(ApiError::bad_request("parameterIsTooLong", message))
        }
        _ => Err(wrong("metadata", "an object")),
    }
}

/// `sinks`: names of configured sinks, each once.
pub fn sinks(value: &Value, configured: &[SinkName]) -> Result<Vec<SinkName>, ApiError> {
    let known = || format!("names of configured sinks: {}", shown(configured.iter().map(SinkName::as_str)));
    let names = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(names) => names,
        _ => return Err(wrong("sinks", known())),
    };
    let mut sinks: Vec<SinkName> = Vec::new();
    for name in names {
        let sink = name.as_str().and_then(|name| configured.iter().find(|sink| sink.as_str() == name));
        let sink = sink.ok_or_else(|| wrong("sinks", known()))?;
        if !sinks.contains(sink) {
            sinks.push(sink.clone());
        }
    }
    Ok(sinks)
}

/// `true` or `false`; `null` is `false`.
pub fn flag(name: &str, value: &Value) -> Result<bool, ApiError> {
    match value {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(*flag),
        _ => Err(wrong(name, "true or false")),
    }
}

/// The deadline: `expectWithin` from now, or `expectedBy`. `Some(None)` if one of them is `null`.
pub fn deadline(object: &Map<String, Value>, now: Timestamp) -> Result<Option<Option<Timestamp>>, ApiError> {
    match (object.get("expectWithin"), object.get("expectedBy")) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(wrong("expectWithin", "either expectWithin or expectedBy, not both")),
        (Some(Value::Null), None) | (None, Some(Value::Null)) => Ok(Some(None)),
        (Some(within), None) => {
            let within = within.as_str().and_then(duration::parse);
            let within = within.filter(|within| within.is_positive() && *within <= MAX_WITHIN);
            let by = within.and_then(|within| now.checked_add(within).ok());
            let wrong = || wrong("expectWithin", "a duration such as PT3M, above zero and at most P7D");
            by.map(|by| Some(Some(by))).ok_or_else(wrong)
        }
        (None, Some(by)) => {
            let by = by.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            let by = by.filter(|by| *by > now && by.duration_since(now) <= MAX_WITHIN);
            let wrong = || wrong("expectedBy", "a time such as 2026-01-31T12:00:00Z, later than now and within P7D");
            by.map(|by| Some(Some(by))).ok_or_else(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_client_context_has_graphs_bound() {
        assert_eq!(client_context(&json!("é".repeat(256))).unwrap(), ClientContext::new("é".repeat(256)));
        assert_eq!(client_context(&json!(null)).unwrap(), None);
        assert_eq!(client_context(&json!("")).unwrap(), None);
        assert!(refused(client_context(&json!("x".repeat(257)))).starts_with("clientContext: found more than 256"));
        assert!(refused(client_context(&json!(7))).starts_with("clientContext: expected text"));
    }

    #[test]
    fn metadata_is_an_object_of_bounded_size() {
        assert_eq!(metadata(&json!({ "a": [1] })).unwrap().as_deref(), Some(r#"{"a":[1]}"#));
        assert_eq!(metadata(&json!(null)).unwrap(), None);
        let exact = json!({ "a": "x".repeat(MAX_METADATA_BYTES - 8) });
        assert_eq!(metadata(&exact).unwrap().unwrap().len(), MAX_METADATA_BYTES);
        assert!(
            refused(metadata(&json!({ "a": "x".repeat(MAX_METADATA_BYTES - 7) }))).starts_with("metadata: found 16385")
        );
        for bad in [json!("x"), json!([1]), json!(1)] {
            assert_eq!(refused(metadata(&bad)), "metadata: expected an object");
        }
    }

    #[test]
    fn only_configured_sinks_are_taken() {
        let configured = [SinkName::new("crm"), SinkName::new("log")];
        assert_eq!(
            sinks(&json!(["log", "crm", "log"]), &configured).unwrap(),
            [configured[1].clone(), configured[0].clone()]
        );
        for bad in [json!(["nope"]), json!("crm"), json!([1]), json!({})] {
            let text = refused(sinks(&bad, &configured));
            assert_eq!(text, r#"sinks: expected names of configured sinks: "crm", "log""#);
        }
    }

    #[test]
    fn a_deadline_is_after_now_and_within_a_week() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        let read = |value: Value| deadline(value.as_object().unwrap(), now);
        let by = |text: &str| Some(Some(text.parse().unwrap()));
        assert_eq!(read(json!({})).unwrap(), None);
        assert_eq!(read(json!({ "expectWithin": null })).unwrap(), Some(None));
        assert_eq!(read(json!({ "expectWithin": "PT3M" })).unwrap(), by("2026-11-24T08:03:00Z"));
        assert_eq!(read(json!({ "expectWithin": "P7D" })).unwrap(), by("2026-12-01T08:00:00Z"));
        assert_eq!(read(json!({ "expectedBy": "2026-11-24T10:00:00+01:00" })).unwrap(), by("2026-11-24T09:00:00Z"));
        for bad in ["PT0S", "-PT3M", "P7DT1S", "P1M", "3m", ""] {
            assert!(refused(read(json!({ "expectWithin": bad }))).starts_with("expectWithin: expected a dur"), "{bad}");
        }
        for bad in ["2026-11-24T08:00:00Z", "2026-12-01T08:00:01Z", "tomorrow", "2026-11-25"] {
            assert!(refused(read(json!({ "expectedBy": bad }))).starts_with("expectedBy: expected a time"), "{bad}");
        }
        assert!(read(json!({ "expectWithin": 180 })).is_err());
        assert!(read(json!({ "expectWithin": "PT3M", "expectedBy": "2026-11-24T09:00:00Z" })).is_err());
    }
}
