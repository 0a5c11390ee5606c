//! Bodies that only an attacker sends, for both channels.

/// An empty JSON list of notifications, gzipped.
pub(super) const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 42, 75, 204, 41, 77, 85, 178, 138, 142, 173, 5, 0, 66, 234, 64, 68, 12,
    0, 0, 0,
];
/// More than any receiver should read.
const OVERSIZE_BYTES: usize = 8 * 1024 * 1024;
/// The same in words.
pub(super) const OVERSIZE: &str = "a body of 8 MiB";

/// The escapes stand in the client context.
pub(super) const ODD_TEXTS: [(&str, &str); 3] =
    [("NUL", r"\u0000"), ("lone surrogate", r"\ud800"), ("terminal escape", r"\u001b[31m\u202e")];

/// 50,000 arrays in each other.
pub(super) fn deeply_nested() -> String {
    format!("{{\"value\":[{}{}]}}", "[".repeat(50_000), "]".repeat(50_000))
}

/// A list without items and much space: a parser takes it, so only a bound refuses it.
pub(super) fn oversize() -> String {
    let mut body = " ".repeat(OVERSIZE_BYTES);
    body.push_str("{\"value\":[]}");
    body
}
