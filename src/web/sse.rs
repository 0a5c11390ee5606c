//! Writes server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! **Invariant**: no text ends its field early. Line breaks are left out, and data is one line of JSON.

use std::fmt::Display;

use bytes::Bytes;

/// The media type.
pub const MEDIA_TYPE: &str = "text/event-stream";

/// A piece of a stream.
#[derive(Debug, Default)]
pub struct Chunk(Vec<u8>);

impl Chunk {
    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A comment line, which only shows that the stream is alive.
    pub fn comment(&mut self) {
        self.0.extend_from_slice(b":\n");
    }

    /// When a client should connect again after its connection broke.
    pub fn retry(&mut self, millis: u32) {
        self.field("retry", millis);
    }

    /// The place after which a client continues.
    pub fn id(&mut self, id: impl Display) {
        self.field("id", id);
    }

    /// The event's type.
    pub fn event(&mut self, kind: &str) {
        self.field("event", kind);
    }

    /// The event's data: one line that `write` writes.
    pub fn data(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.extend_from_slice(b"data: ");
        write(&mut self.0);
        self.0.push(b'\n');
    }

    /// The end of the event.
    pub fn end(&mut self) {
        self.0.push(b'\n');
    }

    fn field(&mut self, name: &str, value: impl Display) {
        let value = value.to_string();
        let line = value.chars().filter(|character| !character.is_control()).collect::<String>();
        self.0.extend_from_slice(format!("{name}: {line}\n").as_bytes());
    }
}

impl From<Chunk> for Bytes {
    fn from(chunk: Chunk) -> Self {
        chunk.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_fields_and_an_empty_line() {
        let mut chunk = Chunk::default();
        chunk.id(7);
        chunk.event("a\nid: 8");
        chunk.data(|bytes| bytes.extend_from_slice(b"{}"));
        chunk.end();
        assert_eq!(Bytes::from(chunk), "id: 7\nevent: aid: 8\ndata: {}\n\n");
    }
}
