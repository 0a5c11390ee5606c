//! The exchange: what a sink sent in one attempt, and what was answered. Operators see in it why an attempt failed.
//!
//! **Invariants**
//! 1. Whoever makes an exchange writes [`HIDDEN`] in the place of each secret that was sent.
//! 2. Its size is bounded, and a part that was cut says so.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";
/// The most bytes of an answer's body.
pub const MAX_BODY_BYTES: usize = 4096;
/// The most characters of a request line, of a header's name and of a header's value.
pub const MAX_LINE_CHARS: usize = 1024;
/// The most headers on each side, and the most bytes that they have together.
const MAX_HEADERS: usize = 64;
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// What went to and fro in one attempt, as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What was sent.
    pub request: Sent,
    /// What was answered; `None`: nothing was, until the attempt ended.
    pub answer: Option<Answered>,
}

/// The head of a request. Its body is the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// `POST /hook HTTP/1.1`
    pub line: String,
    /// The headers.
    pub headers: Headers,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// `HTTP/1.1 500`
    pub line: String,
    /// The headers.
    pub headers: Headers,
    /// The first bytes of the body, at most [`MAX_BODY_BYTES`].
    pub body: Body,
    /// Whether the body has more than that, or did not arrive whole.
    pub is_body_cut: bool,
}

/// Headers, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// Names and values.
    pub list: Vec<(String, String)>,
    /// Whether headers were left out, or values cut.
    pub is_cut: bool,
    /// Why all of them were left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
}

/// A body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// Text as it came.
    Text(String),
    /// Bytes that are no UTF-8 text.
    Bytes(#[serde(serialize_with = "to_base64", deserialize_with = "of_base64")] Vec<u8>),
    /// It was left out, for this reason.
    LeftOut(String),
}

impl Headers {
    /// None of them, for this reason.
    pub fn left_out(why: &str) -> Self {
        Self { list: Vec::new(), is_cut: true, left_out: Some(why.to_owned()) }
    }

    /// Whether another header may have room.
    pub fn has_room(&self) -> bool {
        self.list.len() < MAX_HEADERS && self.n_bytes() < MAX_HEADER_BYTES
    }

    fn n_bytes(&self) -> usize {
        self.list.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Adds a header, if there is room for it.
    pub fn add(&mut self, name: &str, value: &str) {
        let (short_name, short_value) = (cut(name), cut(value));
        if self.list.len() >= MAX_HEADERS || self.n_bytes() + short_name.len() + short_value.len() > MAX_HEADER_BYTES {
            self.is_cut = true;
            return;
        }
        self.is_cut |= (short_name.len(), short_value.len()) != (name.len(), value.len());
        self.list.push((short_name.to_owned(), short_value.to_owned()));
    }
}

impl Body {
    /// A body of these bytes. The last character of a text may be cut.
    pub fn of(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => {
                let (end, is_only_cut) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
                let mut bytes = error.into_bytes();
                if !is_only_cut {
                    return Self::Bytes(bytes);
                }
                bytes.truncate(end);
                String::from_utf8(bytes).map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Text)
            }
        }
    }
}

/// At most [`MAX_LINE_CHARS`] characters.
fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_LINE_CHARS).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// What an attempt tells of its exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Exchanged {
    /// Nothing: the sink speaks no protocol, or it sent nothing.
    #[default]
    Nothing,
    /// All of it.
    Told(Box<Exchange>),
    /// That there was one. It is not told, because many attempts succeeded in the same second.
    OneOfMany,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn of_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_are_bounded_in_number_and_in_bytes() {
        let mut many = Headers::default();
        (0..100).for_each(|n| many.add("x", &n.to_string()));
        assert_eq!((many.list.len(), many.is_cut), (MAX_HEADERS, true));
        let mut long = Headers::default();
        (0..100).for_each(|_| long.add("x", &"é".repeat(5000)));
        let n_bytes: usize = long.list.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(long.is_cut && n_bytes <= MAX_HEADER_BYTES && n_bytes > MAX_HEADER_BYTES / 2, "{n_bytes}");
        let mut whole = Headers::default();
        whole.add("content-type", "text/plain");
        assert!(!whole.is_cut);
    }

    #[test]
    fn a_text_that_is_cut_inside_a_character_is_text() {
        assert_eq!(Body::of("né".as_bytes()[..2].to_vec()), Body::Text("n".into()));
        assert_eq!(Body::of(vec![b'n', 0xff, b'o']), Body::Bytes(vec![b'n', 0xff, b'o']));
    }

    proptest! {
        #[test]
        fn an_exchange_is_read_as_it_was_written(bytes in any::<Vec<u8>>(), text in any::<String>()) {
            let mut headers = Headers::default();
            headers.add(&text, &text);
            for body in [Body::of(bytes), Body::LeftOut(text.clone())] {
                let answer = Answered { line: text.clone(), headers: headers.clone(), body, is_body_cut: true };
                let exchange = Exchange {
                    request: Sent { line: text.clone(), headers: headers.clone() },
                    answer: Some(answer),
                };
                let json = serde_json::to_vec(&exchange).unwrap();
                prop_assert_eq!(serde_json::from_slice::<Exchange>(&json).unwrap(), exchange);
            }
        }
    }
}
