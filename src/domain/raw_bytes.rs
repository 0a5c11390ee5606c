//! Bytes as Graph sent them.

use std::fmt;

use bytes::Bytes;

/// Bytes as Graph sent them. They may hold a token, so they have no text of their own.
#[derive(Clone, PartialEq, Eq)]
pub struct Raw(pub Bytes);

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}
