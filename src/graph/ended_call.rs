//! What a notification says of the end of a call: after it, no notification of the call's operations may follow.

use std::borrow::Cow;

use serde::Deserialize;

use super::dialects::UNKNOWN_TYPE;
use super::path;
use crate::domain::{Content, GraphId};

/// A call, as far as it matters here (<https://learn.microsoft.com/graph/api/resources/call>).
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    state: Option<Cow<'a, str>>,
}

/// The call of which a resource says that it has ended. Its type may be missing: then its path says what it is.
pub(super) fn of(resource_type: &str, path: &str, content: &Content) -> Option<GraphId> {
    let Content::Resource(text) = content else { return None };
    if !matches!(resource_type, "call" | UNKNOWN_TYPE) {
        return None;
    }
    let call_id = path::call_alone(path)?;
    let call: Call<'_> = serde_json::from_str(text).ok()?;
    call.state.is_some_and(|state| state.eq_ignore_ascii_case("terminated")).then_some(call_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(resource_type: &str, resource: &str, text: &str) -> Option<String> {
        of(resource_type, resource, &Content::Resource(text.into())).map(|id| id.as_str().to_owned())
    }

    #[test]
    fn the_end_of_a_call_is_read_in_any_spelling() {
        let ended = r#"{"state":"Terminated","x":[{}]}"#;
        for (resource_type, path) in [
            ("call", "/communications/calls/C1"),
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
        let path = "/communications/calls/C1";
        for text in [r#"{"state":"established"}"#, r#"{"state":null}"#, "{}", "[]", r#"{"state":1}"#, ""] {
            assert_eq!(told("call", path, text), None, "{text}");
        }
        let ended = r#"{"state":"terminated"}"#;
        assert_eq!(told("participant", path, ended), None);
        for path in ["/communications/calls/C1/participants", "/communications/calls/", "/communications/calls", ""] {
            assert_eq!(told("call", path, ended), None, "{path}");
        }
    }
}
