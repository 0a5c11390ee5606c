//! An operation as it is answered: Graph's shape, with what OData adds.

use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use super::condition::etag;
use crate::domain::{Operation, Proof};
use crate::odata::Select;

/// What `$select` may choose from.
pub const SELECTABLE: &[&str] = &[
    "id",
    "callId",
    "tenantId",
    "clientContext",
    "status",
    "completionReason",
    "resultInfo",
    "recordingLocation",
    "recordingAccessToken",
    "createdDateTime",
    "lastModifiedDateTime",
    "metadata",
    "expectation",
    "proof",
    "callEnd",
];

/// The selected properties; the recording's token only where `shows_token`.
pub fn json(operation: &Operation, select: &Select, shows_token: bool) -> Map<String, Value> {
    let mut json = operation.to_json();
    let token = operation.recording_access_token.as_ref().filter(|_token| shows_token);
    json.insert("recordingAccessToken".into(), token.map(ExposeSecret::expose_secret).into());
    json.insert("proof".into(), operation.proof.map(Proof::as_str).into());
    json.insert("@odata.etag".into(), etag(operation.version).to_string().into());
    json.retain(|name, _value| name.starts_with('@') || select.has(name));
    json
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::domain::{CallEnd, ClientContext, Status, WhyEnded};

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
        let select = Select::parse("id,status", SELECTABLE).unwrap();
        let json = json(&operation, &select, true);
        assert_eq!(json.keys().collect::<Vec<_>>(), ["@odata.etag", "@odata.type", "id", "status"]);
        assert_eq!(json["@odata.etag"], "W/\"7\"");
        let select = Select::parse("proof", SELECTABLE).unwrap();
        assert_eq!(super::json(&operation, &select, false)["proof"], "clientState");
        for name in operation.to_json().keys().filter(|name| !name.starts_with('@')) {
            assert!(SELECTABLE.contains(&name.as_str()), "{name}");
        }
    }
}
