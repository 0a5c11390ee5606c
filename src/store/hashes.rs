//! Hashes: keys for looking up rows, and what identifies equal bytes.

use sha2::{Digest, Sha256};

/// The key for looking up an operation by its id.
pub fn operation_lookup(id: &str) -> i64 {
    head(&digest("operation", &[id.as_bytes()]))
}

/// SHA-256 over a label and the parts, each after its length, so that no two lists of parts give the same input.
pub fn digest(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut sha256 = Sha256::new();
    for part in [label.as_bytes()].iter().chain(parts) {
        sha256.update(part.len().to_le_bytes());
        sha256.update(part);
    }
    sha256.finalize().into()
}

/// The first eight bytes of a digest, as a key.
pub fn head(digest: &[u8; 32]) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    i64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_together_cannot_be_split_otherwise() {
        assert_ne!(digest("calls", &[b"ab", b"c"]), digest("calls", &[b"a", b"bc"]));
        assert_ne!(digest("calls", &[b"a"]), digest("lifecycle", &[b"a"]));
    }
}
