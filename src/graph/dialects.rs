//! The dialects that were found while one item was read, and the readers for words that Graph spells in several ways.

use std::borrow::Cow;

use crate::domain::{CHANGE_TYPES, Dialect, LIFECYCLE_EVENTS, Status};

/// The longest name of a type, change type or status in bytes. The name becomes part of the event's type. Graph's
/// longest have less than 60 bytes. A longer name, or a type name with other characters, is ignored.
const MAX_NAME_BYTES: usize = 128;
/// The type of an item without a usable type name.
pub(super) const UNKNOWN_TYPE: &str = "unknown";
/// The replacement for a name that is too long.
const UNKNOWN: &str = "unknown";
/// The types of the calling channel, for their spelling.
const KNOWN_TYPES: &[&str] =
    &["recordOperation", "call", "participant", "commsOperation", "playPromptOperation", "inviteParticipantsOperation"];

/// The dialects of one item, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialects(Vec<Dialect>);

impl Dialects {
    /// Notes a dialect.
    pub(super) fn note(&mut self, dialect: Dialect) {
        if !self.0.contains(&dialect) {
            self.0.push(dialect);
        }
    }

    /// Notes a dialect if it was found.
    pub(super) fn note_if(&mut self, met: bool, dialect: Dialect) {
        if met {
            self.note(dialect);
        }
    }

    /// Adds dialects that were found elsewhere.
    pub(super) fn add(&mut self, others: Self) {
        others.0.into_iter().for_each(|dialect| self.note(dialect));
    }

    /// The dialects, in the order in which they were met.
    pub(super) fn into_vec(self) -> Vec<Dialect> {
        self.0
    }

    /// A `changeType` in Graph's documented spelling; an unknown one stays as it is.
    pub(super) fn change_type(&mut self, text: &str) -> String {
        self.member(CHANGE_TYPES, text)
    }

    /// A `lifecycleEvent`, likewise.
    pub(super) fn lifecycle_event(&mut self, text: &str) -> String {
        self.member(LIFECYCLE_EVENTS, text)
    }

    /// An `operationStatus`; `None` is what Graph sends as `null`.
    pub(super) fn status(&mut self, text: Option<&str>) -> Status {
        let Some(text) = text else { return Status::NotStarted };
        let status = Status::parse(if text.len() > MAX_NAME_BYTES { UNKNOWN } else { text });
        match &status {
            Status::Unknown(_) => self.note(Dialect::UnknownMember),
            known => self.note_if(known.as_str() != text, Dialect::EnumCase),
        }
        status
    }

    fn member(&mut self, known: &[&str], text: &str) -> String {
        match known.iter().find(|member| member.eq_ignore_ascii_case(text)) {
            Some(member) => {
                self.note_if(*member != text, Dialect::EnumCase);
                (*member).to_owned()
            }
            None => {
                self.note(Dialect::UnknownMember);
                if text.len() > MAX_NAME_BYTES { UNKNOWN.to_owned() } else { text.to_owned() }
            }
        }
    }

    /// The type that an `@odata.type` names: without `#microsoft.graph.`, first letter in lower case.
    pub(super) fn type_name(&mut self, odata_type: Option<&str>) -> String {
        let Some(text) = odata_type else {
            self.note(Dialect::OdataTypeAbsent);
            return UNKNOWN_TYPE.to_owned();
        };
        let name = strip_namespace(text);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_type_byte) {
            self.note(Dialect::OdataTypeSpelling);
            return UNKNOWN_TYPE.to_owned();
        }
        let name = match KNOWN_TYPES.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => Cow::Borrowed(*known),
            None => lower_first(name),
        };
        let documented = text.strip_prefix("#microsoft.graph.").is_some_and(|rest| rest == name);
        self.note_if(!documented, Dialect::OdataTypeSpelling);
        name.into_owned()
    }
}

fn strip_namespace(text: &str) -> &str {
    const NAMESPACE: &str = "microsoft.graph.";
    let text = text.strip_prefix('#').unwrap_or(text);
    match text.get(..NAMESPACE.len()) {
        Some(start) if start.eq_ignore_ascii_case(NAMESPACE) => &text[NAMESPACE.len()..],
        _ => text,
    }
}

fn lower_first(name: &str) -> Cow<'_, str> {
    match name.as_bytes().first() {
        Some(first) if first.is_ascii_uppercase() => {
            Cow::Owned(format!("{}{}", char::from(first.to_ascii_lowercase()), &name[1..]))
        }
        _ => Cow::Borrowed(name),
    }
}

fn is_type_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> (String, Vec<Dialect>) {
        let mut dialects = Dialects::default();
        (dialects.type_name(Some(text)), dialects.into_vec())
    }

    #[test]
    fn a_type_is_read_in_every_spelling() {
        assert_eq!(typed("#microsoft.graph.recordOperation"), ("recordOperation".into(), vec![]));
        let spelt = vec![Dialect::OdataTypeSpelling];
        for text in ["microsoft.graph.recordOperation", "#Microsoft.Graph.RECORDOPERATION", "RecordOperation"] {
            assert_eq!(typed(text), ("recordOperation".into(), spelt.clone()), "{text}");
        }
        assert_eq!(typed("#Microsoft.Graph.ChatMessage"), ("chatMessage".into(), spelt.clone()));
        assert_eq!(typed("#microsoft.graph.callRecords.callRecord").0, "callRecords.callRecord");
        for text in ["", "#", "a b", "é", "#microsoft.graph."] {
            assert_eq!(typed(text), ("unknown".into(), spelt.clone()), "{text}");
        }
    }

    #[test]
    fn names_have_a_length() {
        let long = "x".repeat(129);
        let mut dialects = Dialects::default();
        assert_eq!(
            (dialects.change_type(&long), dialects.lifecycle_event(&long)),
            ("unknown".into(), "unknown".into())
        );
        assert_eq!(dialects.status(Some(&long)), Status::Unknown("unknown".into()));
        assert_eq!(dialects.clone().into_vec(), [Dialect::UnknownMember]);
        assert_eq!(
            (dialects.change_type(&long[1..]), dialects.type_name(Some(&long))),
            (long[1..].into(), "unknown".into())
        );
    }

    #[test]
    fn members_are_read_in_any_case_and_unknown_ones_are_kept() {
        let mut dialects = Dialects::default();
        assert_eq!(dialects.change_type("Created"), "created");
        assert_eq!(dialects.lifecycle_event("MISSED"), "missed");
        assert_eq!(dialects.clone().into_vec(), [Dialect::EnumCase]);
        let mut dialects = Dialects::default();
        assert_eq!(dialects.change_type("Moved"), "Moved");
        assert_eq!(dialects.status(Some("paused")), Status::Unknown("paused".into()));
        assert_eq!(dialects.status(None), Status::NotStarted);
        assert_eq!(dialects.into_vec(), [Dialect::UnknownMember]);
    }
}
