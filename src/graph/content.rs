//! What an item is about: a record operation, or any other resource as Graph sent it.
//!
//! **Invariants**
//! 1. Text that leaves here is JSON on one line that every reader takes: no lone surrogates, no numbers out of range.
//! 2. What was read is what leaves: of a repeated key the last one, which decided, and no other.
//! 3. No recording's token leaves here but in a record operation's own field, at whatever depth it was nested.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::dialects::{Dialects, UNKNOWN_TYPE};
use super::payload::{self, Key, Object};
use super::record;
use super::version;
use crate::domain::{ClientContext, Content, Dialect, Mark, Reason, RecordOperation};

/// What an item is about, as far as the resource itself tells.
#[derive(Debug)]
pub(super) struct About {
    /// As [`crate::domain::Notification::resource_type`].
    pub(super) resource_type: String,
    /// The `clientContext`, where the resource has one.
    pub(super) client_context: Option<ClientContext>,
    /// Whether it says which version of the resource it is.
    pub(super) mark: Option<Mark>,
    /// The resource.
    pub(super) content: Content,
}

/// Reads a resource: `resourceData`, or what was decrypted. `resource` is the notification's path; `outer_type` is the
/// type that stands outside of what was decrypted, which mostly names none.
///
/// # Errors
/// Why the item is to be quarantined.
pub(super) fn read(
    data: Option<&RawValue>,
    (resource, outer_type): (&str, Option<Cow<'_, str>>),
    dialects: &mut Dialects,
) -> Result<About, Reason> {
    let text = data.map_or("null", RawValue::get);
    if !text.starts_with('{') {
        let odata_type = type_of_first(text).map(Cow::Owned).or(outer_type);
        let resource_type = dialects.type_name(odata_type.as_deref());
        let mark = version::of_all(text, &resource_type);
        return Ok(About { resource_type, client_context: None, mark, content: Content::Resource(clean(text)?) });
    }
    let object = Object::read(text)?;
    let is_repeating = object.repeats_any();
    dialects.note_if(is_repeating, Dialect::RepeatedKey);
    let odata_type = object.text("@odata.type", dialects)?.or(outer_type);
    let client_context = client_context(&object, dialects)?;
    let mut resource_type = dialects.type_name(odata_type.as_deref());
    if resource_type == UNKNOWN_TYPE && odata_type.is_none() && record::is_untyped_record(&object, resource) {
        RecordOperation::TYPE.clone_into(&mut resource_type);
    }
    let content = if resource_type == RecordOperation::TYPE {
        let operation = record::read(&object, resource, client_context.clone(), dialects)?;
        Content::Operation(Box::new(operation))
    } else if is_repeating {
        Content::Resource(clean(&object.written(|_| true))?)
    } else {
        Content::Resource(clean(text)?)
    };
    let mark = version::of_one(&object, &resource_type);
    Ok(About { resource_type, client_context, mark, content })
}

/// Collections (of participants) have their type in their elements.
fn type_of_first(text: &str) -> Option<String> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    let first = Object::read(elements.first()?.get()).ok()?;
    payload::text(first.present("@odata.type")?).ok().map(Into::into)
}

fn client_context(object: &Object<'_>, dialects: &mut Dialects) -> Result<Option<ClientContext>, Reason> {
    let Some(text) = object.text("clientContext", dialects)? else { return Ok(None) };
    ClientContext::new(text).map(Some).ok_or(Reason::ClientContext)
}

/// Whether a key names a recording's token.
pub(super) fn is_token(key: &str) -> bool {
    key.eq_ignore_ascii_case("recordingAccessToken") || key.eq_ignore_ascii_case("recordResourceAccessToken")
}

/// JSON text that every reader takes, on one line, without tokens; as Graph sent it where nothing had to change.
///
/// # Errors
/// [`Reason::JsonInvalid`] where a number is out of range.
pub(super) fn clean(text: &str) -> Result<String, Reason> {
    let text = payload::mend_surrogates(text);
    let holds_token = Cell::new(false);
    let mut json = serde_json::Deserializer::from_str(&text);
    Inspect(&holds_token).deserialize(&mut json).map_err(|_unreadable| Reason::JsonInvalid)?;
    if !holds_token.get() {
        return Ok(on_one_line(text.into_owned()));
    }
    let mut value = serde_json::from_str(&text).map_err(|_unreadable| Reason::JsonInvalid)?;
    remove_tokens(&mut value);
    Ok(value.to_string())
}

/// JSON without the white space between its parts, where that holds line breaks: sinks write one event a line.
fn on_one_line(json: String) -> String {
    if !json.contains(['\n', '\r']) {
        return json;
    }
    let (mut in_text, mut escaped) = (false, false);
    let keep = |c: &char| {
        let is_space = !in_text && matches!(c, ' ' | '\t' | '\n' | '\r');
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        !is_space
    };
    json.chars().filter(keep).collect()
}

/// A value without tokens; one that cannot be read as a value is kept as text.
pub(super) fn value_without_tokens(raw: &RawValue) -> Value {
    match serde_json::from_str(&payload::mend_surrogates(raw.get())) {
        Ok(mut value) => {
            remove_tokens(&mut value);
            value
        }
        // A number out of range; within an array or object, it and its neighbours might hold a token.
        Err(_) if raw.get().starts_with(['{', '[']) => Value::Null,
        Err(_) => Value::String(raw.get().to_owned()),
    }
}

/// Recursion is bounded by the depth that was read.
fn remove_tokens(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !is_token(key));
            map.values_mut().for_each(remove_tokens);
        }
        Value::Array(elements) => elements.iter_mut().for_each(remove_tokens),
        _ => {}
    }
}

/// Walks through a value without keeping any of it: whether it can be read, and whether it holds a token.
struct Inspect<'c>(&'c Cell<bool>);

impl<'de> DeserializeSeed<'de> for Inspect<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inspect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        if number.is_finite() { Ok(()) } else { Err(E::custom("a number out of range")) }
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Inspect(self.0))?.is_some() {}
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            if is_token(&key) {
                self.0.set(true);
            }
            map.next_value_seed(Inspect(self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn about(json: &str, resource: &str) -> Result<(About, Vec<Dialect>), Reason> {
        let mut dialects = Dialects::default();
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        read(Some(raw), (resource, None), &mut dialects).map(|about| (about, dialects.into_vec()))
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
    fn line_breaks_between_the_parts_do_not_survive() {
        let json = "{\r\n  \"a b\" : [ 1,\t2 ],\n \"c\": \"\\\" { \\\\\", \"d\": true }";
        assert_eq!(resource_text(json), r#"{"a b":[1,2],"c":"\" { \\","d":true}"#);
    }

    #[test]
    fn a_collection_has_its_elements_type() {
        let json = r##"[{"@odata.type":"#microsoft.graph.participant","id":null},{}]"##;
        let (about, dialects) = about(json, "").unwrap();
        assert_eq!((about.resource_type.as_str(), dialects), ("participant", vec![]));
        assert_eq!(super::read(None, ("", None), &mut Dialects::default()).unwrap().resource_type, "unknown");
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
    fn a_client_context_that_is_too_long_is_told() {
        let json = format!(r#"{{"clientContext":"{}"}}"#, "x".repeat(257));
        assert_eq!(about(&json, "").map(|_| ()), Err(Reason::ClientContext));
    }

    #[test]
    fn no_token_stays_in_any_resource_in_any_spelling() {
        for key in
            ["recordingAccessToken", "RECORDINGACCESSTOKEN", "recordResourceAccessToken", "recording\\u0041ccessToken"]
        {
            let text = resource_text(&format!(r#"{{"call":{{"operations":[{{"{key}":"secret","kept":1}}]}}}}"#));
            assert_eq!(text, r#"{"call":{"operations":[{"kept":1}]}}"#);
        }
    }

    #[test]
    fn text_that_readers_would_refuse_is_mended_or_refused() {
        assert_eq!(resource_text(r#"{"a":"\ud800"}"#), r#"{"a":"\ufffd"}"#);
        assert_eq!(about(r#"{"a":1e999}"#, "").map(|_| ()), Err(Reason::JsonInvalid));
    }

    proptest! {
        #[test]
        fn what_is_clean_can_be_read_and_holds_no_token(
            json in r#"\{("(a|recordingAccessToken|\\ud800)":("x"|1e9|null|\{\}|\[\]),){0,4}"z":0\}"#,
        ) {
            if let Ok(text) = clean(&json) {
                let value: Value = serde_json::from_str(&text).unwrap();
                prop_assert!(value.get("recordingAccessToken").is_none());
            }
        }
    }
}
