//! The kind of an event: the CloudEvents `type`.
//!
//! **Invariants**
//! 1. `recordOperation.` is followed by a word of a closed set: a documented status, `unknown`, or one of reelhook's
//!    own. A status that Graph adds later is `unknown`, with its text in the data; it is never confused with another
//!    word. After `reelhook.` comes a word of another closed set. Graph has no resource of this name; the origin of an event
//!    says for sure who made it.

use std::fmt;

use super::{OperationEvent, OperatorEvent, RecordOperation};

/// Whether an attribute of a CloudEvent may contain a character
/// (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#type-system>): no control characters, and no
/// noncharacters of Unicode. Texts here contain no surrogates.
pub fn may_be_in_attribute(character: char) -> bool {
    let code = u32::from(character);
    !character.is_control() && !(0xfdd0..=0xfdef).contains(&code) && code & 0xfffe != 0xfffe
}

/// The CloudEvents `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// That of a record operation.
    Operation(OperationEvent),
    /// That of reelhook itself.
    Operator(OperatorEvent),
    /// That of any other resource.
    Resource {
        /// The resource's type.
        of: &'a str,
        /// What of it: a change.
        what: &'a str,
    },
}

impl<'a> EventKind<'a> {
    /// Reads a text that was written by [`EventKind::to_text`].
    pub fn parse(text: &'a str) -> Self {
        let (of, what) = text.split_once('.').unwrap_or((text, ""));
        let known = match of {
            RecordOperation::TYPE => OperationEvent::parse(what).map(Self::Operation),
            OperatorEvent::TYPE => OperatorEvent::parse(what).map(Self::Operator),
            _ => None,
        };
        known.unwrap_or(Self::Resource { of, what })
    }

    /// The resource's type, and what of it.
    fn parts(self) -> (&'a str, &'a str) {
        match self {
            Self::Operation(event) => (RecordOperation::TYPE, event.word()),
            Self::Operator(event) => (OperatorEvent::TYPE, event.word()),
            Self::Resource { of, what } => (of, what),
        }
    }

    /// Whether `text` is this type, in any case.
    pub fn is(self, text: &str) -> bool {
        let (of, what) = self.parts();
        let rest = text.get(..of.len()).filter(|start| start.eq_ignore_ascii_case(of));
        let rest = rest.and_then(|start| text.get(start.len()..)?.strip_prefix('.'));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(what))
    }

    /// The `type` as text, without the characters that an attribute must not contain.
    pub fn to_text(self) -> String {
        let (of, what) = self.parts();
        let mut text = String::with_capacity(of.len() + what.len() + 1);
        text.extend([of, ".", what]);
        if !text.chars().all(may_be_in_attribute) {
            text = text.replace(|character| !may_be_in_attribute(character), "\u{fffd}");
        }
        text
    }
}

impl fmt::Display for EventKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_compared_without_regard_to_case_and_as_a_whole() {
        let kind = EventKind::parse("callRecords.callRecord.updated");
        assert!(kind.is("callRecords.callRecord.updated") && kind.is("CALLRECORDS.CALLRECORD.UPDATED"));
        for other in ["callRecords", "callRecords.callRecord", "callRecords.callRecord.updatedx", "", "é"] {
            assert!(!kind.is(other), "{other}");
        }
        assert!(
            EventKind::Resource { of: "é", what: "x" }.is("é.x")
                && !EventKind::Resource { of: "e", what: "x" }.is("é.x")
        );
    }

    #[test]
    fn a_type_holds_no_control_characters() {
        assert_eq!(EventKind::Resource { of: "call", what: "a\r\nb" }.to_text(), "call.a\u{fffd}\u{fffd}b");
    }
}
