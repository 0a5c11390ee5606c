//! Reads bytes as text that may be JSON. Text that is nested too deep is refused before any parser goes into it.

use crate::domain::Reason;

/// The deepest nesting that is accepted. It is also `serde_json`'s limit.
pub(super) const MAX_DEPTH: usize = 128;

/// Reads bytes as text that may be JSON: UTF-8, not too deep.
///
/// # Errors
/// [`Reason::JsonInvalid`] or [`Reason::JsonDepth`].
pub(super) fn text_of(bytes: &[u8], max_depth: usize) -> Result<&str, Reason> {
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| Reason::JsonInvalid)?;
    if is_deeper_than(max_depth, text) { Err(Reason::JsonDepth) } else { Ok(text) }
}

/// The same for a whole document, which may begin with a byte order mark (RFC 8259, section 8.1).
///
/// # Errors
/// See [`text_of`].
pub(super) fn document(bytes: &[u8], max_depth: usize) -> Result<&str, Reason> {
    let text = text_of(bytes, max_depth)?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether JSON text is nested deeper than `limit`. Must be checked first, because `serde_json` skips values without
/// counting.
fn is_deeper_than(limit: usize, text: &str) -> bool {
    // Most bodies have fewer brackets than the limit. Counting those is one vectorised pass.
    let n_opened = text.bytes().map(|byte| usize::from(byte | 0x20 == b'{')).sum::<usize>();
    if n_opened <= limit {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_is_counted_outside_of_text_only() {
        assert_eq!(text_of("[".repeat(129).as_bytes(), MAX_DEPTH), Err(Reason::JsonDepth));
        let flat = format!("[{}]", vec![r#""{[{[\"{""#; 500].join(","));
        assert!(text_of(flat.as_bytes(), MAX_DEPTH).is_ok());
        let just = format!("{}{}", "[".repeat(128), "]".repeat(128));
        assert!(text_of(just.as_bytes(), MAX_DEPTH).is_ok());
        assert_eq!(text_of(b"\xff\xfe{", MAX_DEPTH), Err(Reason::JsonInvalid));
    }

    #[test]
    fn one_byte_order_mark_before_a_document_is_taken_off() {
        assert_eq!(document("\u{feff}{}".as_bytes(), MAX_DEPTH), Ok("{}"));
        assert_eq!(document("\u{feff}\u{feff}{}".as_bytes(), MAX_DEPTH), Ok("\u{feff}{}"), "one, not two");
    }
}
