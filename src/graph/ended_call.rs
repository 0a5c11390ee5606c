//! The end of a call in a notification: after it there may be no more notifications of the call's operations.
//!
//! **Invariants**
//! 1. A call has ended if its state is `terminated`, and also if it was `deleted`, in whatever state.
//! 2. How it ended and who ended it are read if possible; errors in these values do not hide the end.

use serde_json::value::RawValue;

use super::dialects::{Dialects, UNKNOWN_TYPE};
use super::payload::{self, Object};
use super::{path, record};
use crate::domain::{Content, EndedCall, WhyEnded};

/// The most bytes that are stored about who ended a call, as JSON; an identity is far smaller.
const MAX_SENDER_BYTES: usize = 1 << 10;
/// The most characters that are stored of the text about how it ended.
const MAX_MESSAGE_CHARS: usize = 300;

/// The call (<https://learn.microsoft.com/graph/api/resources/call>) whose end a resource reports. If the type is
/// missing, the path says what it is.
pub(super) fn of(change_type: &str, resource_type: &str, path: &str, content: &Content) -> Option<Box<EndedCall>> {
    let Content::Resource(text) = content else { return None };
    if !matches!(resource_type, "call" | UNKNOWN_TYPE) {
        return None;
    }
    let call_id = path::call_alone(path)?;
    let call = Object::read(text).ok();
    let state = call.as_ref().and_then(|call| payload::text(call.present("state")?).ok());
    let has_ended = change_type == "deleted" || state.is_some_and(|state| state.eq_ignore_ascii_case("terminated"));
    has_ended.then(|| Box::new(EndedCall { call_id, why: call.map(|call| why(&call)).unwrap_or_default() }))
}

fn why(call: &Object<'_>) -> WhyEnded {
    let sender = call.present("terminationSender").map(RawValue::get).filter(|json| json.len() <= MAX_SENDER_BYTES);
    // The spellings of a call's end are not counted: dialects belong to delivered data.
    let mut result_info = record::result_info(call, &mut Dialects::default()).ok().flatten();
    if let Some(message) = result_info.as_mut().and_then(|result| result.message.as_mut())
        && let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE_CHARS)
    {
        message.truncate(end);
    }
    WhyEnded { result_info, termination_sender: sender.and_then(|json| serde_json::from_str(json).ok()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ResultInfo;
    use serde_json::json;

    const PATH: &str = "/communications/calls/C1";

    fn ended(change_type: &str, text: &str) -> Option<EndedCall> {
        of(change_type, "call", PATH, &Content::Resource(text.into())).map(|ended| *ended)
    }

    fn told(resource_type: &str, resource: &str, text: &str) -> Option<String> {
        let ended = of("updated", resource_type, resource, &Content::Resource(text.into()));
        ended.map(|ended| ended.call_id.as_str().to_owned())
    }

    #[test]
    fn the_end_of_a_call_is_read_in_any_spelling() {
        let ended = r#"{"state":"Terminated","x":[{}]}"#;
        for (resource_type, path) in [
            ("call", PATH),
            ("unknown", "/app/Calls/C1/"),
            ("call", "https://graph.microsoft.com/v1.0/communications/calls/C1?x=1"),
        ] {
            assert_eq!(told(resource_type, path, ended).as_deref(), Some("C1"), "{path}");
        }
        let id = told("call", "/communications/calls/57DAB8B1894C409AB240BD8BEAE78896", r#"{"state":"terminated"}"#);
        assert_eq!(id.as_deref(), Some("57dab8b1-894c-409a-b240-bd8beae78896"));
    }

    #[test]
    fn what_is_no_end_of_a_call_is_none() {
        for text in [r#"{"state":"established"}"#, r#"{"state":null}"#, "{}", "[]", r#"{"state":1}"#, ""] {
            assert_eq!(told("call", PATH, text), None, "{text}");
        }
        let ended = r#"{"state":"terminated"}"#;
        assert_eq!(told("participant", PATH, ended), None);
        for path in ["/communications/calls/C1/participants", "/communications/calls/", "/communications/calls", ""] {
            assert_eq!(told("call", path, ended), None, "{path}");
        }
    }

    #[test]
    fn a_deleted_call_has_ended_whatever_its_state_says() {
        for text in [r#"{"state":"established"}"#, r#"{"state":1}"#, "{}", "null", "[]"] {
            assert_eq!(
                ended("deleted", text).map(|ended| ended.call_id.as_str().to_owned()).as_deref(),
                Some("C1"),
                "{text}"
            );
        }
        let of_participant = of("deleted", "participant", PATH, &Content::Resource("{}".into()));
        assert_eq!(of_participant, None);
    }

    #[test]
    fn how_it_ended_and_who_ended_it_are_read_where_they_can_be() {
        let text = r#"{"state":"terminated","resultInfo":{"code":"487","subCode":7000,"message":"Call ended."},
                       "terminationSender":{"phone":{"id":"+4512345678"}}}"#;
        let why = ended("updated", text).unwrap().why;
        assert_eq!(why.result_info, Some(ResultInfo { code: 487, subcode: 7000, message: Some("Call ended.".into()) }));
        assert_eq!(
            why.termination_sender.map(serde_json::Value::from),
            Some(json!({ "phone": { "id": "+4512345678" } }))
        );
        let long =
            format!(r#"{{"state":"terminated","resultInfo":{{"message":"{}"}}}}"#, "é".repeat(MAX_MESSAGE_CHARS + 1));
        let message = ended("updated", &long).unwrap().why.result_info.unwrap().message.unwrap();
        assert_eq!(message, "é".repeat(MAX_MESSAGE_CHARS));
        let long =
            format!(r#"{{"state":"terminated","terminationSender":{{"x":"{}"}}}}"#, "x".repeat(MAX_SENDER_BYTES));
        for text in [r#"{"state":"terminated","resultInfo":7,"terminationSender":"me"}"#, &long] {
            assert!(ended("updated", text).unwrap().why.is_unknown(), "{text}");
        }
    }
}
