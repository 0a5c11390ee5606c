//! Names and ids: each its own type, so that one cannot be passed for another.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The most characters that Graph allows in a `clientContext`
/// (<https://learn.microsoft.com/graph/api/resources/recordoperation>).
pub const MAX_CLIENT_CONTEXT_CHARS: usize = 256;

/// The `clientContext` of an operation: the correlation key that the bot chose. Compared byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ClientContext(String);

impl ClientContext {
    /// Takes the text as it is; `None` where it is longer than [`MAX_CLIENT_CONTEXT_CHARS`] characters.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.chars().count() <= MAX_CLIENT_CONTEXT_CHARS).then_some(Self(text))
    }

    /// The text, exactly as Graph sent it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An id of Graph's (a call's, an operation's), normalised: GUIDs arrive with and without dashes and in both
/// cases for one and the same thing, so a GUID is held in lower case with dashes; any other id is held as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct GraphId(String);

impl GraphId {
    /// Normalises `text`; `None` where it is empty.
    pub fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        // Only the two spellings that Graph uses: `Uuid` would also read braces and `urn:uuid:`.
        let is_guid = matches!(text.len(), 32 | 36) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        match Uuid::try_parse(text) {
            Ok(uuid) if is_guid => Some(Self(uuid.hyphenated().to_string())),
            _ => Some(Self(text.to_owned())),
        }
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The normalised text, taken out.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// The id of an event: of one notification as reelhook hands it on. A UUIDv7, so ids are ordered by arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(pub Uuid);

/// The id of a delivery: the same in every attempt, so that the receiver can recognise a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Uuid);

/// The name of a configured sink: the key under `[sinks]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SinkName(Arc<str>);

/// The name of a configured route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RouteName(Arc<str>);

impl SinkName {
    /// Takes a name that the config has checked.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RouteName {
    const OF_ANNOUNCEMENT: &str = "expectation";

    /// The name for deliveries to the sinks that an announcement names: no route of the config made them.
    pub fn of_announcement() -> Self {
        Self::new(Self::OF_ANNOUNCEMENT)
    }

    /// The name; for the sinks that an announcement named, words for that.
    pub fn told(&self) -> &str {
        if self.is_of_announcement() { "(sink named in the announcement)" } else { self.as_str() }
    }

    /// Whether an announcement named the sink.
    pub fn is_of_announcement(&self) -> bool {
        self.as_str() == Self::OF_ANNOUNCEMENT
    }

    /// Takes a name that the config has checked.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for GraphId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for RouteName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl FromStr for DeliveryId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_one_guid_are_one_id() {
        let dashed = GraphId::new("0fe0623f-d628-42ed-b4bd-8ac290072cc5");
        assert_eq!(GraphId::new("0FE0623FD62842EDB4BD8AC290072CC5"), dashed);
        assert_eq!(dashed.as_ref().map(GraphId::as_str), Some("0fe0623f-d628-42ed-b4bd-8ac290072cc5"));
    }

    #[test]
    fn an_id_that_is_no_guid_is_held_as_it_is() {
        for text in ["call-1", "{0fe0623f-d628-42ed-b4bd-8ac290072cc5}", "Participants", "ABC"] {
            assert_eq!(GraphId::new(text).as_ref().map(GraphId::as_str), Some(text));
        }
        assert_eq!(GraphId::new(""), None);
    }

    #[test]
    fn a_client_context_is_measured_in_characters() {
        assert!(ClientContext::new("é".repeat(256)).is_some());
        assert!(ClientContext::new("é".repeat(257)).is_none());
    }
}
