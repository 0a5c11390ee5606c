//! How an item is recognised in what a receiver delivers, whatever the format.

use crate::simulator::payload::{Change, Recording};

/// Texts that only one item has: each of them shows that it was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark {
    texts: Vec<String>,
    /// Of what: the item, or its content.
    pub of: &'static str,
}

/// The mark of content.
const CONTENT: &str = "its decrypted content";

impl Mark {
    /// A text that stands in the content, in any case: only who decrypts it can deliver it.
    pub(super) fn content(text: &str) -> Self {
        Self { texts: vec![text.to_lowercase()], of: CONTENT }
    }

    /// The ids of a recording, and its client context.
    pub(super) fn recording(recording: &Recording) -> Self {
        let id = recording.operation;
        let texts = vec![recording.client_context.to_lowercase(), id.to_string(), id.simple().to_string()];
        Self { texts, of: "it" }
    }

    /// The ids of a change.
    pub(super) fn change(change: &Change) -> Self {
        let texts = vec![change.resource_id.to_lowercase(), change.id.to_string(), change.subscription.to_string()];
        Self { texts, of: "it" }
    }

    /// The same of an item that is one of several: in words, which.
    pub(super) fn named(self, of: &'static str) -> Self {
        Self { of, ..self }
    }

    /// Whether it shows that content was decrypted.
    pub(super) fn is_of_content(&self) -> bool {
        self.of == CONTENT
    }

    /// What the item can be looked for by, in the receiver's log.
    pub(super) fn id(&self) -> &str {
        self.texts.first().map_or("", String::as_str)
    }

    /// Whether one of the texts stands in this text, which is in lower case.
    pub(super) fn is_in(&self, lower_case: &str) -> bool {
        self.texts.iter().any(|text| lower_case.contains(text.as_str()))
    }
}
