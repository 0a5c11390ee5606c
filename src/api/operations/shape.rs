//! An operation as JSON: Graph's format, with OData's additions.

use serde_json::{Map, Value};

use crate::domain::Operation;
use crate::odata::Select;

/// The selected properties. The recording's token is among them only if `shows_token`.
pub fn json(operation: &Operation, select: &Select, shows_token: bool) -> Map<String, Value> {
    let mut json = operation.shown(shows_token).to_json();
    json.retain(|name, _value| name.starts_with('@') || select.has(name));
    json
}

#[cfg(test)]
pub mod tests {
    use super::super::{condition, names};
    use super::*;
    use crate::domain::{CallEnd, ClientContext, Proof, Status, WhyEnded};
    use crate::odata::Property;

    /// An operation with everything.
    pub fn operation() -> Operation {
        Operation {
            number: 3,
            version: 7,
            id: "op-1".into(),
            call_id: Some("call-1".into()),
            tenant_id: None,
            client_context: ClientContext::new("ctx"),
            status: Status::Completed,
            completion_reason: None,
            result_info: None,
            recording_location: Some("https://file.example/1".into()),
            recording_access_token: Some("canary-token".to_owned().into()),
            created_at: "2026-11-24T08:00:00Z".parse().unwrap(),
            modified_at: "2026-11-24T08:00:01Z".parse().unwrap(),
            expectation: None,
            proof: Some(Proof::ClientState),
            call_end: Some(CallEnd { at: "2026-11-24T08:00:01Z".parse().unwrap(), why: WhyEnded::default() }),
        }
    }

    #[test]
    fn the_token_is_null_unless_it_may_be_shown() {
        let operation = operation();
        let all = Select::default();
        assert_eq!(json(&operation, &all, false)["recordingAccessToken"], Value::Null);
        assert_eq!(json(&operation, &all, true)["recordingAccessToken"], "canary-token");
    }

    #[test]
    fn only_what_is_selected_is_answered_and_all_of_it_can_be() {
        let operation = operation();
        let select = Select::parse("id,status", names::of_operation()).unwrap();
        let json = json(&operation, &select, true);
        assert_eq!(json.keys().collect::<Vec<_>>(), ["@odata.etag", "@odata.type", "id", "status"]);
        assert_eq!(json["@odata.etag"], condition::etag(operation.version).to_string());
        let select = Select::parse("proof", names::of_operation()).unwrap();
        assert_eq!(super::json(&operation, &select, false)["proof"], "clientState");
        for name in super::json(&operation, &Select::default(), false).keys().filter(|name| !name.starts_with('@')) {
            assert!(names::of_operation().contains(&name.as_str()), "{name}");
        }
        for property in Property::ALL {
            let name = property.name().split('/').next().unwrap();
            assert!(names::of_operation().contains(&name), "a filter may name {name}");
        }
    }
}
