//! Templates: texts with placeholders such as `{call_id}`, for subjects, topics, keys and names of objects.
//!
//! **Invariants**
//! 1. A template that names something unknown is a mistake in the config.
//! 2. A value is escaped for the place where it is put, so that a client context never chooses another place. A value that
//!    is absent is written as [`ABSENT`].
//! 3. What comes out has a limit. What would be longer is refused, not cut: cut, it would be another place.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use std::fmt::Write;
use std::sync::Arc;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{DeliveryError, reason};
use crate::config::{Reading, value};
use crate::domain::{ClientContext, Delivery, Event};

/// What is written for a value that an event does not have.
pub const ABSENT: &str = "-";
/// What is written for a placeholder of the place's own, whose value is known only later. No place takes this character in a
/// value as it is.
pub const OWN: char = '\0';
/// The longest template in a config.
const MAX_TEMPLATE_CHARS: usize = 4096;
/// The placeholders, but for `{capture.NAME}`.
const PLACEHOLDERS: [(&str, Placeholder); 10] = [
    ("client_context", Placeholder::ClientContext),
    ("call_id", Placeholder::CallId),
    ("operation_id", Placeholder::OperationId),
    ("status", Placeholder::Status),
    ("type", Placeholder::Type),
    ("tenant", Placeholder::Tenant),
    ("subscription", Placeholder::Subscription),
    ("date", Placeholder::Date),
    ("message", Placeholder::Message),
    ("delivery_id", Placeholder::DeliveryId),
];
/// What a placeholder for a named group of a route's regex begins with.
const CAPTURE: &str = "capture.";

/// A text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Arc<[Part]>,
}

/// The longest name of a place.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What is named, for the reason: "subject".
    pub place: &'static str,
    /// Its longest name, in bytes.
    pub n_bytes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Value(Placeholder),
    /// A placeholder of the place's own.
    Own,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Placeholder {
    ClientContext,
    CallId,
    OperationId,
    Status,
    Type,
    Tenant,
    Subscription,
    Date,
    Message,
    DeliveryId,
    Capture(String),
}

impl Template {
    /// Reads a template from a config.
    pub fn reading() -> Reading<Self> {
        Self::reading_with(None)
    }

    /// Reads a template that may also have the placeholder `own`, which is filled in as `OWN`.
    pub fn reading_with(own: Option<&'static str>) -> Reading<Self> {
        value::name(MAX_TEMPLATE_CHARS).then(move |text| Self::parse_with(&text, own), |template| json!(template.text))
    }

    /// Reads a text. `{{` and `}}` are braces. A brace that begins no placeholder is itself.
    ///
    /// # Errors
    /// It names something unknown; the text says what can be named.
    pub fn parse(text: &str) -> Result<Self, String> {
        Self::parse_with(text, None)
    }

    /// As [`Template::parse`], with a placeholder of the place's own.
    ///
    /// # Errors
    /// As [`Template::parse`].
    pub fn parse_with(text: &str, own: Option<&str>) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            plain.push_str(before);
            let doubled = from.get(..2).filter(|two| matches!(*two, "{{" | "}}"));
            let named = from.strip_prefix('{').and_then(|it| it.split_once('}')).filter(|(name, _)| is_name(name));
            if let Some(two) = doubled {
                plain.push_str(&two[..1]);
                rest = &from[2..];
            } else if let Some((name, after)) = named {
                let value = match Placeholder::of(name) {
                    Some(placeholder) => Part::Value(placeholder),
                    None if own == Some(name) => Part::Own,
                    None => return Err(unknown(name, own)),
                };
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                parts.push(value);
                rest = after;
            } else {
                plain.push_str(&from[..1]);
                rest = &from[1..];
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts: parts.into() })
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The texts between the placeholders.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Value(_) | Part::Own => None,
        })
    }

    /// Whether it has the placeholder of the place's own.
    pub fn has_own(&self) -> bool {
        self.parts.contains(&Part::Own)
    }

    /// Whether it has the id of the delivery.
    pub fn has_delivery_id(&self) -> bool {
        self.parts.contains(&Part::Value(Placeholder::DeliveryId))
    }

    /// Whether every event gives the same text; then this is the text.
    pub fn fixed(&self) -> Option<&str> {
        match &*self.parts {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills it in; `escape` appends a value as the place takes it.
    pub fn fill(&self, delivery: &Delivery, escape: impl Fn(&str, &mut String)) -> String {
        let mut filled = String::with_capacity(self.text.len() + 64);
        for part in &*self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Value(placeholder) => placeholder.with(delivery, |value| escape(value, &mut filled)),
                Part::Own => filled.push(OWN),
            }
        }
        filled
    }

    /// As [`Template::fill`], for a place whose names have a limit.
    ///
    /// # Errors
    /// [`DeliveryError::Reject`] where it would be longer.
    pub fn fill_within(
        &self,
        delivery: &Delivery,
        limit: Limit,
        escape: impl Fn(&str, &mut String),
    ) -> Result<String, DeliveryError> {
        let filled = self.fill(delivery, escape);
        if filled.len() <= limit.n_bytes {
            return Ok(filled);
        }
        let Limit { place, n_bytes } = limit;
        Err(reason::reject(&format!("the {place} would have {} bytes, and may have {n_bytes}", filled.len())))
    }
}

impl Placeholder {
    fn of(name: &str) -> Option<Self> {
        let group = name.strip_prefix(CAPTURE).filter(|group| !group.is_empty());
        let known = PLACEHOLDERS.iter().find(|(known, _)| *known == name).map(|(_, placeholder)| placeholder.clone());
        group.map(|group| Self::Capture(group.to_owned())).or(known)
    }

    fn with(&self, delivery: &Delivery, then: impl FnOnce(&str)) {
        let event = &delivery.event;
        let (envelope, carried) = (&event.envelope, &event.envelope.carried);
        let value = match self {
            Self::ClientContext => event.client_context.as_ref().map(ClientContext::as_str),
            Self::CallId => carried.call_id.as_deref(),
            Self::OperationId => carried.operation_id.as_deref(),
            Self::Status => event.kind.strip_prefix("recordOperation."),
            Self::Type => Some(event.kind.as_str()),
            Self::Tenant => envelope.tenant_id.as_deref(),
            Self::Subscription => envelope.subscription_id.as_deref(),
            Self::Date => return then(&event.time.strftime("%Y-%m-%d").to_string()),
            Self::Message => return then(message(event).as_deref().unwrap_or(ABSENT)),
            Self::DeliveryId => return then(&delivery.id.to_string()),
            Self::Capture(group) => delivery.captures.get(group).map(String::as_str),
        };
        then(value.filter(|value| !value.is_empty()).unwrap_or(ABSENT));
    }
}

/// The sentence of an event about reelhook itself.
fn message(event: &Event) -> Option<String> {
    let data: serde_json::Value = serde_json::from_str(&event.data).ok().filter(|_| event.is_for_operators())?;
    Some(data.get("message")?.as_str()?.to_owned())
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

fn unknown(name: &str, own: Option<&str>) -> String {
    let known: Vec<String> =
        PLACEHOLDERS.iter().map(|(name, _)| *name).chain(own).map(|it| format!("{{{it}}}")).collect();
    format!("found {{{name}}}, expected one of {}, {{capture.NAME}}; a brace is written {{{{", known.join(", "))
}

/// Appends `value`, with each byte that `is_special` percent-encoded: the place would take it for something else. So is
/// the percent sign, so that two values never become one.
pub fn percent_encode(value: &str, is_special: impl Fn(char) -> bool, out: &mut String) {
    for character in value.chars() {
        if character != '%' && !is_special(character) {
            out.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            // Writing into memory cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A key, or its SHA-256 where it is longer than the far side takes: for keys that only need to be equal where the same is
/// meant. `fits`: whether the far side takes it.
pub fn key_or_hash(key: String, fits: impl FnOnce(&str) -> bool) -> String {
    if fits(&key) { key } else { hex::encode(Sha256::digest(key)) }
}

/// Appends `value` as it is: for places where no character means anything.
pub fn as_it_is(value: &str, out: &mut String) {
    out.push_str(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<Part> {
        Template::parse(text).unwrap().parts.to_vec()
    }

    #[test]
    fn a_template_is_texts_and_placeholders() {
        let [text, of] =
            [|text: &str| Part::Text(text.to_owned()), |name: &str| Part::Value(Placeholder::of(name).unwrap())];
        assert_eq!(parts("a.{call_id}.{capture.team}"), [text("a."), of("call_id"), text("."), of("capture.team")]);
        assert_eq!(parts(""), []);
        assert_eq!(Template::parse("plain").unwrap().fixed(), Some("plain"));
        assert_eq!(Template::parse("{date}").unwrap().fixed(), None);
    }

    #[test]
    fn doubled_braces_and_braces_that_begin_no_placeholder_are_braces() {
        for (text, plain) in [("{{date}}", "{date}"), ("{ a }", "{ a }"), ("}{", "}{"), ("{", "{"), ("{}", "{}")] {
            assert_eq!(Template::parse(text).unwrap().fixed(), Some(plain), "{text}");
        }
    }

    #[test]
    fn an_unknown_placeholder_names_the_known_ones() {
        for (text, name) in [("{call}", "{call}"), ("x{capture.}", "{capture.}"), ("{Date}", "{Date}")] {
            let mistake = Template::parse(text).unwrap_err();
            assert!(mistake.starts_with(&format!("found {name}, expected one of {{client_context}}")), "{mistake}");
        }
    }

    #[test]
    fn two_values_never_become_one_when_they_are_escaped() {
        let escaped = |value: &str| {
            let mut out = String::new();
            percent_encode(value, |it| matches!(it, '.' | 'é'), &mut out);
            out
        };
        assert_eq!(["a.b", "a%2Eb", "é", "ü"].map(escaped), ["a%2Eb", "a%252Eb", "%C3%A9", "ü"]);
    }
}
