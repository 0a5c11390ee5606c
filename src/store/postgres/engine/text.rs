//! Texts from outside as columns hold them: PostgreSQL has no place for the character NUL.
//!
//! **Invariants**
//! 1. Each text is read back as it was written, and the order of texts is kept.

use std::borrow::Cow;

/// NUL is written as this twice, and this as itself and [`SECOND`].
const FIRST: char = '\u{1}';
const SECOND: char = '\u{2}';

/// A text as a column holds it.
pub fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', FIRST]) {
        return Cow::Borrowed(text);
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => stored.extend([FIRST, FIRST]),
            FIRST => stored.extend([FIRST, SECOND]),
            other => stored.push(other),
        }
    }
    Cow::Owned(stored)
}

/// A text to search for in any case: ASCII letters only, as `lower` changes those of columns.
pub fn lower(text: Option<&str>) -> Option<String> {
    text.map(|text| stored(&text.to_ascii_lowercase()).into_owned())
}

/// The text that a column holds.
pub fn told(stored: String) -> String {
    if !stored.contains(FIRST) {
        return stored;
    }
    let mut text = String::with_capacity(stored.len());
    let mut characters = stored.chars();
    while let Some(character) = characters.next() {
        match character {
            FIRST => text.push(if characters.next() == Some(FIRST) { '\0' } else { FIRST }),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_text() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'ä']), 0..8)
            .prop_map(|characters| characters.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_text_is_read_back_and_keeps_its_place(a in any_text(), b in any_text()) {
            prop_assert!(!stored(&a).contains('\0'));
            prop_assert_eq!(&told(stored(&a).into_owned()), &a);
            prop_assert_eq!(stored(&a).cmp(&stored(&b)), a.as_str().cmp(b.as_str()));
        }
    }
}
