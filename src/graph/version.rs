//! Whether a resource says which version of it a notification reports: by its etag, its version or its sequence number.
//! Then equal bytes mean the same version. Without it, equal bytes may still report two changes.

use serde_json::value::RawValue;

use super::payload::Object;
use super::walk;
use crate::domain::Mark;

/// Members that differ after each change of the resource, whatever its type: OData's etag and its older spellings
/// (Outlook, drives, chats), and the sequence numbers of presence and of a call's roster.
const KEYS: &[&str] = &["@odata.etag", "etag", "eTag", "changeKey", "sequenceNumber", "rosterSequenceNumber"];
/// The type whose `version` grows with every change
/// (<https://learn.microsoft.com/graph/api/resources/callrecords-callrecord>). Other types may use this name for a
/// fixed text.
const VERSIONED_TYPE: &str = "callRecord";

/// Whether a single resource says its version.
pub(super) fn of_one(object: &Object<'_>, resource_type: &str) -> Option<Mark> {
    let has = |key: &str| object.get(key).is_some_and(says_something);
    let name = resource_type.rsplit('.').next().unwrap_or_default();
    let is_versioned = name.eq_ignore_ascii_case(VERSIONED_TYPE) && has("version");
    (is_versioned || KEYS.iter().any(|key| has(key))).then_some(Mark::Version)
}

/// Whether every resource of a collection says its version. An empty collection says none.
pub(super) fn of_all(text: &str, resource_type: &str) -> Option<Mark> {
    if !text.starts_with('[') {
        return None;
    }
    let mut is_told = false;
    walk::each_element(text, |element| {
        let object = Object::read(element.get());
        is_told = object.is_ok_and(|object| of_one(&object, resource_type).is_some());
        is_told
    })
    .ok()?;
    is_told.then_some(Mark::Version)
}

/// Whether a value is a number or a text that is not empty.
fn says_something(value: &RawValue) -> bool {
    let text = value.get();
    text.starts_with(|c: char| c.is_ascii_digit()) || (text.starts_with('"') && text.len() > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(json: &str, resource_type: &str) -> bool {
        of_one(&Object::read(json).unwrap(), resource_type).is_some()
    }

    #[test]
    fn a_resource_says_its_version_by_a_value() {
        assert!(one(r#"{"@odata.etag":"W/\"1\""}"#, "event"));
        assert!(one(r#"{"sequenceNumber":"A0534"}"#, "presence"));
        assert!(one(r#"{"rosterSequenceNumber":0}"#, "participant"));
        assert!(one(r#"{"version":2}"#, "callRecord") && one(r#"{"version":2}"#, "callRecords.callRecord"));
        for json in [r#"{"@odata.etag":""}"#, r#"{"etag":null}"#, r#"{"sequenceNumber":{}}"#, r#"{"version":2}"#, "{}"]
        {
            assert!(!one(json, "presence"), "{json}");
        }
    }

    #[test]
    fn a_collection_says_its_version_where_each_element_does() {
        let is = |text: &str| of_all(text, "participant").is_some();
        assert!(is(r#"[{"rosterSequenceNumber":1},{"rosterSequenceNumber":2}]"#));
        for text in [r#"[{"rosterSequenceNumber":1},{"id":"2"}]"#, "[]", "[1]", "null", "7"] {
            assert!(!is(text), "{text}");
        }
    }
}
