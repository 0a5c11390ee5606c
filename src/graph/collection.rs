//! A collection in `resourceData`: each of its record operations becomes a notification of its own; the other elements
//! (mostly participants) stay together as one resource.
//!
//! **Invariants**
//! 1. Every element is in exactly one part, byte for byte.
//! 2. One POST does not become more parts than its limit of items: if a collection has more operations than are left of
//!    the limit, it stays one resource.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::value::RawValue;

use super::dialects::Dialects;
use super::payload::{self, Object};
use super::{path, record, version, walk};
use crate::domain::{Mark, RecordOperation};

/// How many record operations the collections of a POST may still contain.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<AtomicUsize>);

impl Room {
    /// For `n` operations.
    pub(super) fn for_operations(n: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(n)))
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn take(&self, n: usize) -> bool {
        self.0.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(n)).is_ok()
    }
}

/// A record operation among a collection's elements.
pub(super) struct Element<'a> {
    pub(super) json: &'a RawValue,
    pub(super) operation: RecordOperation,
    pub(super) mark: Option<Mark>,
    pub(super) dialects: Dialects,
}

/// A collection that holds record operations.
pub(super) struct Collection<'a> {
    pub(super) operations: Vec<Element<'a>>,
    /// The other elements, as an array; `None` if there are none.
    pub(super) rest: Option<String>,
}

impl<'a> Collection<'a> {
    /// Splits an array; `resource` is the notification's path. `None` if no element can be read as a record operation,
    /// or too many can.
    pub(super) fn split(array: &'a str, resource: &str, room: &Room) -> Option<Self> {
        let (mut operations, mut rest, mut n_left) = (Vec::new(), String::new(), room.left());
        walk::each_element(array, |json| {
            match operation(json, resource) {
                Some(element) if n_left > 0 => {
                    n_left -= 1;
                    operations.push(element);
                }
                Some(_) => {
                    operations.clear();
                    return false;
                }
                None => {
                    rest.push(if rest.is_empty() { '[' } else { ',' });
                    rest.push_str(json.get());
                }
            }
            true
        })
        .ok()?;
        if operations.is_empty() || !room.take(operations.len()) {
            return None;
        }
        if !rest.is_empty() {
            rest.push(']');
        }
        Some(Self { operations, rest: Some(rest).filter(|rest| !rest.is_empty()) })
    }
}

/// The record operation in an element, if it can be read as one.
fn operation<'a>(json: &'a RawValue, resource: &str) -> Option<Element<'a>> {
    let object = Object::read(json.get()).ok()?;
    let named = object.present("@odata.type").and_then(|name| payload::text(name).ok()).filter(|name| !name.is_empty());
    let mut dialects = Dialects::default();
    let is_record = match &named {
        Some(name) => dialects.type_name(Some(name)) == RecordOperation::TYPE,
        None => {
            dialects.type_name(None);
            path::is_of_operations(resource) && record::tells_of_recording(&object)
        }
    };
    if !is_record {
        return None;
    }
    let client_context = record::client_context(&object, &mut dialects);
    let operation = record::read(&object, resource, client_context, &mut dialects).ok()?;
    let mark = version::of_one(&object, RecordOperation::TYPE);
    Some(Element { json, operation, mark, dialects })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/communications/calls/c/operations";

    fn split(json: &str, n: usize) -> Option<(Vec<String>, Option<String>)> {
        let collection = Collection::split(json, PATH, &Room::for_operations(n))?;
        let ids = collection.operations.iter().map(|element| element.operation.id.as_str().to_owned()).collect();
        Some((ids, collection.rest))
    }

    fn recording(id: &str) -> String {
        format!(r##"{{"@odata.type":"#microsoft.graph.recordOperation","id":"{id}","status":"completed"}}"##)
    }

    #[test]
    fn record_operations_are_taken_out_and_everything_else_stays() {
        let prompt = r##"{ "@odata.type":"#microsoft.graph.playPromptOperation","id":"p"}"##;
        let untyped = r#"{"id":"u","recordingLocation":""}"#;
        let nameless = recording("").replace("\"id\":\"\",", "");
        let json = format!("[{}, {prompt},7,{untyped} ,{nameless}]", recording("a"));
        let (ids, rest) = split(&json, 9).unwrap();
        assert_eq!(ids, ["a", "u"]);
        assert_eq!(rest.unwrap(), format!("[{prompt},7,{nameless}]"), "one without an id is no operation of ours");
        assert_eq!(split(&format!("[{}]", recording("a")), 9), Some((vec!["a".into()], None)));
    }

    #[test]
    fn what_holds_none_or_too_many_stays_whole() {
        for json in ["[]", "[7]", "{}", "null", r##"[{"@odata.type":"#microsoft.graph.participant","id":"x"}]"##] {
            assert_eq!(split(json, 9), None, "{json}");
        }
        let two = format!("[{},{}]", recording("a"), recording("b"));
        assert_eq!((split(&two, 1), split(&two, 2).is_some()), (None, true));
        let room = Room::for_operations(3);
        assert!(Collection::split(&two, PATH, &room).is_some());
        assert!(Collection::split(&two, PATH, &room).is_none(), "the room is the POST's");
    }
}
