//! Texts as parts of addresses.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All characters but the unreserved ones of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path, or as one value of a query. A blank is `%20`, because not every client reads `+` as
/// a blank.
pub fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_leave_its_place() {
        assert_eq!(encoded("a-b_c.d~0"), "a-b_c.d~0");
        assert_eq!(encoded("a/b é?"), "a%2Fb%20%C3%A9%3F");
        assert_eq!(encoded("a/../b?c#d e\"<&='+"), "a%2F..%2Fb%3Fc%23d%20e%22%3C%26%3D%27%2B");
    }
}
