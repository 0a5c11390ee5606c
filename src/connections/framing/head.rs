//! The lines of a head, as far as they decide where its body ends.

use super::At;

/// The most bytes that are kept of a line that comes in several pieces. The lines that matter here are far shorter.
const MAX_KEPT: usize = 256;

/// Which line of a head it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The empty line at the end.
    Empty,
    /// Another line.
    Text,
}

/// What a head says about the end of its body (<https://www.rfc-editor.org/rfc/rfc9112#section-6.3>, as actix reads
/// it).
#[derive(Clone, Copy, Debug, Default)]
pub struct Head {
    has_begun: bool,
    is_connect: bool,
    is_websocket: bool,
    is_chunked: bool,
    /// actix will refuse it.
    is_refused: bool,
    length: Option<u64>,
}

impl Head {
    /// Whether there was a line with text.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Reads a line. Trailer lines are not part of a head, and decide nothing.
    pub fn read(&mut self, line: &[u8], is_in_head: bool) -> Kind {
        if line.is_empty() {
            return Kind::Empty;
        }
        if is_in_head && !self.has_begun {
            self.has_begun = true;
            self.is_connect = line.starts_with(b"CONNECT ");
        } else if is_in_head && let Some((name, value)) = split(line) {
            self.field(name, value);
        }
        Kind::Text
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        match name.len() {
            7 if name.eq_ignore_ascii_case(b"upgrade") => {
                self.is_websocket |= value.eq_ignore_ascii_case(b"websocket");
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                self.is_refused |= self.length.is_some() || length.is_none();
                self.length = length;
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.is_refused |= self.is_chunked || !value.eq_ignore_ascii_case(b"chunked");
                self.is_chunked = true;
            }
            _ => {}
        }
    }

    /// The place after the head.
    pub fn content(self) -> At {
        let has_length = self.length.is_some_and(|n| n > 0);
        match self.length {
            _ if self.is_refused || (self.is_chunked && self.length.is_some()) => At::Unknown,
            _ if self.is_chunked => At::FirstDigit,
            _ if self.is_websocket || (self.is_connect && !has_length) => At::Unknown,
            Some(n) if n > 0 => At::Content(n),
            _ => At::Head,
        }
    }
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().take(18).position(|byte| *byte == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

/// A line that comes in several pieces.
#[derive(Debug, Default)]
pub struct Line {
    n_bytes: usize,
    last: Option<u8>,
    /// Its beginning.
    kept: Vec<u8>,
}

impl Line {
    /// Whether it is still empty.
    pub fn is_empty(&self) -> bool {
        self.n_bytes == 0
    }

    /// Its last byte so far.
    pub fn last(&self) -> Option<u8> {
        self.last
    }

    /// Adds a piece.
    pub fn add(&mut self, piece: &[u8]) {
        let room = MAX_KEPT - self.kept.len().min(MAX_KEPT);
        self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
        self.n_bytes += piece.len();
        self.last = piece.last().copied().or(self.last);
    }

    /// The line without its carriage return. Of a long line only the beginning, if that is enough; `None`: the line
    /// matters as a whole and is too long.
    pub fn whole(&self) -> Option<&[u8]> {
        if self.n_bytes <= self.kept.len() {
            return Some(&self.kept[..self.n_bytes - 1]);
        }
        let matters = split(&self.kept).is_some_and(|(name, _value)| {
            [b"upgrade".as_slice(), b"content-length", b"transfer-encoding"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known))
        });
        (!matters).then_some(self.kept.as_slice())
    }

    /// Begins the next line.
    pub fn clear(&mut self) {
        self.n_bytes = 0;
        self.last = None;
        self.kept.clear();
    }
}
