//! Finds where heads, bodies and chunks begin and end in the bytes of a client, and which bytes are not allowed there.
//!
//! actix and `httparse` accept a line of a head that ends with a line feed alone, and white space after a chunk's size.
//! A server in front of reelhook may read such bytes as a different request (request smuggling). Neither crate has a
//! switch for this, and RFC 9112 (sections 2.2 and 7.1) lets a server refuse both.
//!
//! **Invariants**
//! 1. It reads the bytes as actix does. If it cannot, actix refuses the request, or reads to the end of the connection.
//! 2. It changes no bytes and does not look into bodies.
//! 3. It stores at most one short line of a head.

mod head;

use memchr::memchr;

use self::head::{Head, Kind, Line};

/// A fault in the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The byte at this index is not allowed there.
    Byte(usize),
    /// The head is longer than a head may be.
    TooLarge,
}

/// The bytes that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Complete heads.
    pub n_heads: usize,
    /// Bytes of heads, complete or not.
    pub head_bytes: usize,
    /// Bytes after the first complete head.
    pub behind: usize,
}

/// Follows the requests of one connection.
#[derive(Debug)]
pub struct Framing {
    at: At,
    head: Head,
    line: Line,
    n_head: usize,
    max_head: usize,
}

/// The place of the next byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// In a head, or before it.
    Head,
    /// In a body with this many bytes left.
    Content(u64),
    /// At the first digit of a chunk's size.
    FirstDigit,
    /// Behind some of its digits.
    Size(u64),
    /// In the part after a semicolon behind the size.
    Extension(u64),
    /// At the line feed behind the size.
    SizeEnd(u64),
    /// In a chunk with this many bytes left.
    Chunk(u64),
    /// At the carriage return behind a chunk.
    ChunkReturn,
    /// At the line feed behind it.
    ChunkEnd,
    /// In the trailer lines after the last chunk.
    Trailers,
    /// In bytes that actix refuses, or reads to the end of the connection.
    Unknown,
}

impl Framing {
    /// Starts at the beginning of a connection; a head may have `max_head` bytes.
    pub fn new(max_head: usize) -> Self {
        Self { at: At::Head, head: Head::default(), line: Line::default(), n_head: 0, max_head }
    }

    /// Bytes of the head that is not complete.
    pub fn unfinished(&self) -> usize {
        self.n_head
    }

    /// Follows the next bytes.
    ///
    /// # Errors
    /// The first fault. No byte from there on may be passed on.
    pub fn pass(&mut self, bytes: &[u8]) -> Result<Passed, Flaw> {
        let mut passed = Passed::default();
        let mut n = 0;
        while n < bytes.len() {
            let rest = &bytes[n..];
            n += match self.at {
                At::Head => {
                    let (taken, has_ended) = self.pass_head(rest).map_err(|flaw| flaw.behind(n))?;
                    passed.head_bytes += taken;
                    if has_ended {
                        passed.n_heads += 1;
                        passed.behind = if passed.n_heads == 1 { rest.len() - taken } else { passed.behind };
                    }
                    taken
                }
                At::Trailers => {
                    let (taken, line) = self.pass_line(rest).map_err(|flaw| flaw.behind(n))?;
                    self.at = if line == Some(Kind::Empty) { At::Head } else { At::Trailers };
                    taken
                }
                At::Content(left) => self.skip(left, rest, At::Content, At::Head),
                At::Chunk(left) => self.skip(left, rest, At::Chunk, At::ChunkReturn),
                At::Unknown => rest.len(),
                _ => {
                    self.at = self.at.behind(rest[0]).ok_or(Flaw::Byte(n))?;
                    1
                }
            };
        }
        Ok(passed)
    }

    fn skip(&mut self, left: u64, rest: &[u8], more: fn(u64) -> At, over: At) -> usize {
        let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        let left = left - taken as u64;
        self.at = if left == 0 { over } else { more(left) };
        taken
    }

    /// Takes bytes of a head; reports whether the head is complete.
    fn pass_head(&mut self, rest: &[u8]) -> Result<(usize, bool), Flaw> {
        let (taken, line) = self.pass_line(rest)?;
        self.n_head += taken;
        if self.n_head > self.max_head {
            return Err(Flaw::TooLarge);
        }
        // Empty lines before a head do not count as a head.
        let has_ended = line == Some(Kind::Empty) && self.head.has_begun();
        if has_ended {
            self.at = std::mem::take(&mut self.head).content();
            self.n_head = 0;
        }
        Ok((taken, has_ended))
    }

    /// Takes bytes of a line; reports which line it was when the line is complete.
    fn pass_line(&mut self, rest: &[u8]) -> Result<(usize, Option<Kind>), Flaw> {
        let Some(end) = memchr(b'\n', rest) else {
            self.line.add(rest);
            return Ok((rest.len(), None));
        };
        let before = if end > 0 { Some(rest[end - 1]) } else { self.line.last() };
        if before != Some(b'\r') {
            return Err(Flaw::Byte(end));
        }
        let kind = if self.line.is_empty() {
            Some(self.head.read(&rest[..end - 1], self.at == At::Head))
        } else {
            self.line.add(&rest[..end]);
            let kind = self.line.whole().map(|line| self.head.read(line, self.at == At::Head));
            self.line.clear();
            kind
        };
        // `None`: a line that decides where the body ends, and is far too long for that.
        Ok((end + 1, Some(kind.ok_or(Flaw::Byte(end))?)))
    }
}

impl At {
    /// The place after a byte between chunks; `None`: the byte is not allowed there.
    fn behind(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::FirstDigit, _) => digit(byte).map(Self::Size),
            (Self::Size(n), b';') => Some(Self::Extension(n)),
            (Self::Size(n) | Self::Extension(n), b'\r') => Some(Self::SizeEnd(n)),
            (Self::Size(n), _) => n.checked_mul(16)?.checked_add(digit(byte)?).map(Self::Size),
            (Self::Extension(_), b'\n') => None,
            (Self::Extension(n), _) => Some(Self::Extension(n)),
            (Self::SizeEnd(0), b'\n') => Some(Self::Trailers),
            (Self::SizeEnd(n), b'\n') => Some(Self::Chunk(n)),
            (Self::ChunkReturn, b'\r') => Some(Self::ChunkEnd),
            (Self::ChunkEnd, b'\n') => Some(Self::FirstDigit),
            _ => None,
        }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

impl Flaw {
    fn behind(self, n: usize) -> Self {
        match self {
            Self::Byte(at) => Self::Byte(at + n),
            Self::TooLarge => Self::TooLarge,
        }
    }
}

#[cfg(test)]
mod tests;
