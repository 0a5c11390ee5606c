//! The resource of an item: a record operation, or any other resource as Graph sent it. A collection of record
//! operations becomes several notifications.
//!
//! **Invariants**
//! 1. The delivered data is the data that was checked. If a key is repeated, that is its last value.
//! 2. Secrets are only in the fields for secrets, however deeply they were nested.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::value::RawValue;

use super::collection::{Collection, Room};
use super::dialects::{Dialects, UNKNOWN_TYPE};
use super::payload::{self, Object};
use super::secrets::{self, Clean};
use super::{envelope, lifecycle, path, record, resource_type, version, walk};
use crate::domain::{Channel, ClientContext, Content, Dialect, Mark, Notification, Raw, Reason, RecordOperation};

/// The resource of an item, as far as it describes itself.
#[derive(Debug)]
pub(super) struct About {
    /// See [`crate::domain::Notification::resource_type`].
    pub(super) resource_type: String,
    /// The `clientContext`, if the resource has one.
    pub(super) client_context: Option<ClientContext>,
    /// Whether it says which version it is.
    pub(super) mark: Option<Mark>,
    /// The resource.
    pub(super) content: Content,
    /// See [`crate::domain::Notification::secrets`].
    pub(super) secrets: Option<SecretString>,
    /// The element of a collection that this is; `None` if it is the whole item.
    element: Option<Element>,
}

impl About {
    /// A lifecycle event.
    pub(super) fn of_lifecycle(content: Content) -> Self {
        let resource_type = lifecycle::TYPE.to_owned();
        Self { resource_type, client_context: None, mark: None, content, secrets: None, element: None }
    }
}

/// An element of a collection.
#[derive(Debug)]
struct Element {
    /// Its bytes.
    raw: Raw,
    /// The dialects that were found in it.
    dialects: Dialects,
}

/// What is known about a resource from outside of it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// The notification's path.
    pub(super) resource: &'a str,
    /// The type from outside of decrypted content, which usually has no type itself.
    pub(super) outer_type: Option<Cow<'a, str>>,
    /// The text that the resource is a slice of.
    pub(super) within: &'a Raw,
    /// How many operations of collections may still follow.
    pub(super) room: &'a Room,
}

/// Reads a resource: `resourceData`, or decrypted content. It contains at least one notification; a collection of
/// record operations contains several.
///
/// # Errors
/// Why the item goes to the quarantine.
pub(super) fn read(data: Option<&RawValue>, place: Place<'_>, dialects: &mut Dialects) -> Result<Vec<About>, Reason> {
    let text = data.map_or("null", RawValue::get);
    if text.starts_with('{') {
        return one(text, place, dialects).map(|about| vec![about]);
    }
    match Collection::split(text, place.resource, place.room) {
        Some(collection) => Ok(elements(collection, &place)),
        None => Ok(vec![other(text, place.outer_type, dialects)]),
    }
}

fn one(text: &str, place: Place<'_>, dialects: &mut Dialects) -> Result<About, Reason> {
    let object = Object::read(text)?;
    let is_repeating = object.repeats_any();
    dialects.note_if(is_repeating, Dialect::RepeatedKey);
    // Security alerts have `oDataType`.
    let odata_type = match object.text("@odata.type", dialects)? {
        Some(odata_type) => Some(odata_type),
        None => object.present("oDataType").and_then(|name| payload::text(name).ok()).or(place.outer_type),
    };
    let client_context = record::client_context(&object, dialects);
    let mut resource_type = dialects.type_name(odata_type.as_deref());
    if resource_type == UNKNOWN_TYPE && odata_type.is_none() && record::is_untyped_record(&object, place.resource) {
        RecordOperation::TYPE.clone_into(&mut resource_type);
    }
    let mark = version::of_one(&object, &resource_type);
    if resource_type == RecordOperation::TYPE {
        let operation = record::read(&object, place.resource, client_context.clone(), dialects)?;
        let content = Content::Operation(Box::new(operation));
        return Ok(About { resource_type, client_context, mark, content, secrets: None, element: None });
    }
    let Clean { text, secrets } =
        if is_repeating { secrets::clean("", &object.written(|_| true)) } else { secrets::clean("", text) };
    Ok(About { resource_type, client_context, mark, content: Content::Resource(text), secrets, element: None })
}

/// A value that is not an object: usually nothing, or a collection, whose elements have the types.
fn other(text: &str, outer_type: Option<Cow<'_, str>>, dialects: &mut Dialects) -> About {
    let odata_type = type_of_first(text).map(Cow::Owned).or(outer_type);
    let resource_type = dialects.type_name(odata_type.as_deref());
    let mark = version::of_all(text, &resource_type);
    let Clean { text, secrets } = secrets::clean("", text);
    About { resource_type, client_context: None, mark, content: Content::Resource(text), secrets, element: None }
}

fn elements(collection: Collection<'_>, place: &Place<'_>) -> Vec<About> {
    let operations = collection.operations.into_iter().map(|element| About {
        resource_type: RecordOperation::TYPE.to_owned(),
        client_context: element.operation.client_context.clone(),
        mark: element.mark,
        content: Content::Operation(Box::new(element.operation)),
        secrets: None,
        element: Some(Element { raw: part_of(place.within, element.json.get()), dialects: element.dialects }),
    });
    let mut parts: Vec<About> = operations.collect();
    if let Some(rest) = collection.rest {
        let mut dialects = Dialects::default();
        let about = other(&rest, None, &mut dialects);
        parts.push(About { element: Some(Element { raw: Raw(Bytes::from(rest)), dialects }), ..about });
    }
    parts
}

/// A slice of the item, if possible; of decrypted content, a copy.
fn part_of(within: &Raw, text: &str) -> Raw {
    let (whole, part) = (within.0.as_ptr_range(), text.as_bytes().as_ptr_range());
    let is_slice = whole.start <= part.start && part.end <= whole.end;
    Raw(if is_slice { within.0.slice_ref(text.as_bytes()) } else { Bytes::copy_from_slice(text.as_bytes()) })
}

/// An empty notification.
pub(super) fn bare(channel: Channel, raw: Raw, tenant_id: Option<String>) -> Notification {
    Notification {
        channel,
        resource_type: String::new(),
        change_type: envelope::UNKNOWN_CHANGE.to_owned(),
        resource: String::new(),
        tenant_id,
        subscription_id: None,
        subscription_expires_at: None,
        call_id: None,
        graph_id: None,
        mark: None,
        client_context: None,
        content: Content::Resource(String::new()),
        secrets: None,
        ended_call: None,
        dialects: Vec::new(),
        request: Arc::default(),
        raw,
    }
}

/// The notifications of one item: `item` with each of its resources.
pub(super) fn each(item: Notification, dialects: Dialects, parts: Vec<About>) -> Vec<Notification> {
    let mut dialects = Some(dialects);
    let n_parts = parts.len();
    let mut item = Some(item);
    let notification = |(n, about): (usize, About)| {
        // The last one takes the item, so that a single one needs no copy.
        let mut it = if n + 1 == n_parts { item.take()? } else { item.clone()? };
        let mut met = dialects.take().unwrap_or_default();
        if let Some(element) = about.element {
            met.add(element.dialects);
            // The item's id is not the element's. With it, the elements would look like repeats of each other.
            (it.raw, it.graph_id, it.mark) = (element.raw, None, None);
        }
        it.dialects = met.into_vec();
        (it.resource_type, it.client_context) = (about.resource_type, about.client_context);
        (it.content, it.secrets) = (about.content, about.secrets);
        it.mark = it.mark.or(about.mark);
        resource_type::complete(&mut it.resource_type, &it.resource);
        let call_id = it.operation().and_then(|operation| operation.call_id.clone());
        it.call_id = call_id.or_else(|| path::call_id(&it.resource));
        Some(it)
    };
    parts.into_iter().enumerate().filter_map(notification).collect()
}

/// An item that cannot be parsed, but for whose origin an operator vouches: its JSON without secrets.
///
/// # Errors
/// [`Reason::JsonInvalid`] if it is not JSON either.
pub(super) fn untyped(json: &str) -> Result<About, Reason> {
    let value: &RawValue = serde_json::from_str(json).map_err(|_no_json| Reason::JsonInvalid)?;
    let text = match Object::read(value.get()) {
        Ok(object) => Cow::Owned(object.written(|key| !is_of_proof(key))),
        Err(_no_object) => Cow::Borrowed(value.get()),
    };
    let Clean { text, secrets } = secrets::clean("", &text);
    let (resource_type, content) = (UNKNOWN_TYPE.to_owned(), Content::Resource(text));
    Ok(About { resource_type, client_context: None, mark: None, content, secrets, element: None })
}

fn is_of_proof(key: &str) -> bool {
    key.eq_ignore_ascii_case("clientState") || key.eq_ignore_ascii_case("validationTokens")
}

/// Collections (of participants) have their type in their elements.
fn type_of_first(text: &str) -> Option<String> {
    let mut name = None;
    let first = |element: &RawValue| {
        let first = Object::read(element.get()).ok();
        let first = first.and_then(|first| payload::text(first.present("@odata.type")?).ok().map(Into::into));
        name = first;
        false
    };
    walk::each_element(text, first).ok()?;
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(json: &str, resource: &str) -> Result<(About, Vec<Dialect>), Reason> {
        let (mut dialects, within) = (Dialects::default(), Raw(Bytes::new()));
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let place = Place { resource, outer_type: None, within: &within, room: &Room::for_operations(9) };
        let mut parts = read(Some(raw), place, &mut dialects)?;
        assert_eq!(parts.len(), 1);
        Ok((parts.remove(0), dialects.into_vec()))
    }

    fn resource_text(json: &str) -> String {
        match about(json, "").unwrap().0.content {
            Content::Resource(text) => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn any_other_resource_is_kept_as_graph_sent_it() {
        let json = r##"{ "@odata.type": "#microsoft.graph.call" , "state":"established", "x": [1.50, "\u00e9"] }"##;
        assert_eq!(resource_text(json), json);
        assert_eq!(about(json, "").unwrap().0.resource_type, "call");
    }

    #[test]
    fn a_collection_has_its_elements_type() {
        let json = r##"[{"@odata.type":"#microsoft.graph.participant","id":null},{}]"##;
        let (about, dialects) = about(json, "").unwrap();
        assert_eq!((about.resource_type.as_str(), dialects), ("participant", vec![]));
        let (about, _) = super::tests::about("null", "").unwrap();
        assert_eq!(about.resource_type, "unknown");
    }

    #[test]
    fn a_prompt_and_the_base_type_are_no_record_operations() {
        for kind in ["playPromptOperation", "commsOperation"] {
            let json =
                format!(r##"{{"@odata.type":"#microsoft.graph.{kind}","clientContext":"c","status":"completed"}}"##);
            let (about, _) = about(&json, "/communications/calls/1/operations/2").unwrap();
            assert!(matches!(about.content, Content::Resource(_)));
            assert_eq!(about.resource_type, kind);
            assert_eq!(about.client_context.unwrap().as_str(), "c");
        }
    }

    #[test]
    fn a_client_context_that_cannot_be_one_is_none_and_is_told() {
        let long = format!(r#""{}""#, "x".repeat(257));
        for (context, dialect) in [
            (long.as_str(), Dialect::ClientContextTooLong),
            ("4711", Dialect::UnreadableMember),
            ("{}", Dialect::UnreadableMember),
            (r#""\ud800""#, Dialect::UnreadableMember),
        ] {
            let json = format!(r##"{{"@odata.type":"#microsoft.graph.call","clientContext":{context}}}"##);
            let (about, dialects) = about(&json, "").unwrap();
            assert_eq!((about.client_context, dialects), (None, vec![dialect]), "{context}");
        }
    }

    #[test]
    fn what_cannot_be_read_as_an_item_is_kept_without_secrets() {
        let json =
            r#"{"clientState":"s","x":[{"recordingAccessToken":"t"},1e999],"ClientState":1,"validationTokens":[]}"#;
        let Content::Resource(text) = untyped(json).unwrap().content else { panic!("no resource") };
        assert_eq!(text, r#"{"x":[{},"1e999"]}"#);
        assert!(untyped("{").is_err());
    }
}
