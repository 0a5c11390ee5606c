//! A text as it is compared: its escapes are taken away layer by layer, and each byte remembers where it stood. A text and
//! the same text as JSON, HTML or an address spells it become equal, also where several of them were applied.
//!
//! **Invariants**
//! 1. A form is not longer than the text. Each layer costs one pass.
//! 2. Letters of ASCII are compared in lower case. White space, control characters and `+` (the space of a form) count for
//!    nothing, so a line break inside a secret hides nothing.

use std::ops::Range;

/// The most layers of escapes that are taken away.
const MAX_LAYERS: usize = 6;
/// No escape that is cut at the end of a text is longer.
const LONGEST_CUT: usize = 10;
/// The characters that HTML names, of those that a secret may have. A browser needs no `;` after some of them.
const NAMED: [(&[u8], char); 34] = [
    (b"amp", '&'),
    (b"lt", '<'),
    (b"gt", '>'),
    (b"quot", '"'),
    (b"apos", '\''),
    (b"plus", '+'),
    (b"sol", '/'),
    (b"equals", '='),
    (b"lowbar", '_'),
    (b"hyphen", '-'),
    (b"dash", '-'),
    (b"period", '.'),
    (b"comma", ','),
    (b"colon", ':'),
    (b"semi", ';'),
    (b"percnt", '%'),
    (b"num", '#'),
    (b"quest", '?'),
    (b"excl", '!'),
    (b"dollar", '$'),
    (b"commat", '@'),
    (b"ast", '*'),
    (b"bsol", '\\'),
    (b"vert", '|'),
    (b"verbar", '|'),
    (b"grave", '`'),
    (b"hat", '^'),
    (b"lpar", '('),
    (b"rpar", ')'),
    (b"lsqb", '['),
    (b"rsqb", ']'),
    (b"lcub", '{'),
    (b"rcub", '}'),
    (b"tilde", '~'),
];

/// A text as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    bytes: Vec<u8>,
    /// Where each byte stood in the text: the whole escape, if it was one.
    places: Vec<Range<usize>>,
}

/// What an escape stands for.
enum Meaning {
    Nothing,
    Byte(u8),
    Char(char),
}

impl Form {
    /// The text as it is, without a layer of escapes taken away.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut form = Self { bytes: Vec::with_capacity(text.len()), places: Vec::with_capacity(text.len()) };
        for (at, byte) in text.iter().enumerate() {
            form.push(*byte, at..at + 1);
        }
        form
    }

    /// The text as it is, and with one layer more taken away each time, until nothing changes.
    pub(super) fn layers(text: &[u8]) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(Self::of(text)), Self::decoded).take(MAX_LAYERS)
    }

    /// What is compared.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where some of its bytes stood in the text.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        match (self.places.get(range.start), range.end.checked_sub(1).and_then(|last| self.places.get(last))) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// Without one layer of escapes; `None` if it has none.
    fn decoded(&self) -> Option<Self> {
        let introduces = |byte: &u8| matches!(byte, b'%' | b'&' | b'\\');
        self.bytes.iter().any(introduces).then_some(())?;
        let (mut form, mut at, mut is_other) = (Self::default(), 0, false);
        while let Some(byte) = self.bytes.get(at) {
            let Some((length, meaning)) = escape(&self.bytes[at..]) else {
                form.push(*byte, self.places[at].clone());
                at += 1;
                continue;
            };
            let place = self.place(at..at + length);
            match meaning {
                Meaning::Nothing => {}
                Meaning::Byte(byte) => form.push(byte, place),
                Meaning::Char(char) => {
                    char.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| form.push(byte, place.clone()));
                }
            }
            (at, is_other) = (at + length, true);
        }
        is_other.then_some(form)
    }

    fn push(&mut self, byte: u8, place: Range<usize>) {
        if !(byte.is_ascii_whitespace() || byte.is_ascii_control() || byte == b'+') {
            self.bytes.push(byte.to_ascii_lowercase());
            self.places.push(place);
        }
    }
}

/// The escape that a text begins with, and how long it is.
fn escape(text: &[u8]) -> Option<(usize, Meaning)> {
    let found = match text.first()? {
        b'%' => of_address(text),
        b'&' => of_html(text),
        b'\\' => of_json(text),
        _ => return None,
    };
    found.or_else(|| cut(text)).or_else(|| backslashes(text))
}

/// `%2f`, and `%u002f` of old scripts.
fn of_address(text: &[u8]) -> Option<(usize, Meaning)> {
    if text.get(1) == Some(&b'u') {
        return Some((6, Meaning::Char(char::from_u32(hex(text.get(2..6)?)?)?)));
    }
    Some((3, Meaning::Byte(u8::try_from(hex(text.get(1..3)?)?).ok()?)))
}

/// `&amp;`, `&#38;` and `&#x26;`, with and without the `;`.
fn of_html(text: &[u8]) -> Option<(usize, Meaning)> {
    let rest = text.get(1..)?;
    let (length, char) = match rest {
        [b'#', b'x', digits @ ..] => {
            let n = digits.iter().take(8).take_while(|byte| byte.is_ascii_hexdigit()).count();
            (n + 2, char::from_u32(hex(&digits[..n])?)?)
        }
        [b'#', digits @ ..] => {
            let n = digits.iter().take(8).take_while(|byte| byte.is_ascii_digit()).count();
            let code = std::str::from_utf8(&digits[..n]).ok()?.parse().ok()?;
            (n + 1, char::from_u32(code)?)
        }
        _ => {
            let named = NAMED.iter().filter(|(name, _)| rest.starts_with(name));
            let (name, char) = named.max_by_key(|(name, _)| name.len())?;
            (name.len(), *char)
        }
    };
    let has_end = rest.get(length) == Some(&b';');
    Some((1 + length + usize::from(has_end), Meaning::Char(char)))
}

/// `\u002f`, `\x2f` and `\n`, also behind several backslashes: so JSON in JSON has them.
fn of_json(text: &[u8]) -> Option<(usize, Meaning)> {
    let n = text.iter().take_while(|byte| **byte == b'\\').count();
    let rest = &text[n..];
    match rest.first()? {
        b'u' => {
            let first = hex(rest.get(1..5)?)?;
            if let Some(char) = char::from_u32(first) {
                return Some((n + 5, Meaning::Char(char)));
            }
            // Two halves of one character.
            let others = &rest[5..];
            let m = others.iter().take_while(|byte| **byte == b'\\').count();
            let second = others.get(m..).filter(|it| it.first() == Some(&b'u')).and_then(|it| hex(it.get(1..5)?))?;
            let char = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]).next()?.ok()?;
            Some((n + 5 + m + 5, Meaning::Char(char)))
        }
        b'x' => Some((n + 3, Meaning::Char(char::from_u32(hex(rest.get(1..3)?)?)?))),
        b'n' | b'r' | b't' | b'b' | b'f' => Some((n + 1, Meaning::Nothing)),
        _ => None,
    }
}

/// Backslashes before another character: `\"`, `\/`.
fn backslashes(text: &[u8]) -> Option<(usize, Meaning)> {
    let n = text.iter().take_while(|byte| **byte == b'\\').count();
    (n > 0).then_some((n, Meaning::Nothing))
}

/// An escape that the end of the text cuts.
fn cut(text: &[u8]) -> Option<(usize, Meaning)> {
    let is_cut = text.len() <= LONGEST_CUT
        && text[1..].iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'#' | b'\\'));
    is_cut.then_some((text.len(), Meaning::Nothing))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let are_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    are_digits.then(|| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn last(text: &str) -> String {
        let form = Form::layers(text.as_bytes()).last().unwrap();
        String::from_utf8_lossy(form.bytes()).into_owned()
    }

    #[test]
    fn each_escape_is_taken_away() {
        for (text, expected) in [
            ("A b+c\r\nD", "abcd"),
            ("%41%2f%u0042", "a/b"),
            ("&#66;&#x42;&#x000042;&#66&amp;&LT;&plus;&sol;x", "bbbb&</x"),
            (r#"\u0042\/\"\x41\n\\u00e9\ud83d\ude00"#, "b/\"aé😀"),
            (r#"\\\"q\\\""#, "\"q\""),
            ("%2526amp%3Blt%3B", "<"),
            ("50 % of a & b.", "50%ofa&b."),
        ] {
            assert_eq!(last(text), expected, "{text}");
        }
    }

    #[test]
    fn an_escape_that_the_end_cuts_counts_for_nothing() {
        for cut in ["%", "%4", "&", "&am", "&#", "&#x", "&#x4", "&#11", r"\", r"\u", r"\u004", r"\\u00"] {
            assert_eq!(last(&format!("abc{cut}")), "abc", "{cut}");
        }
    }

    #[test]
    fn each_byte_knows_where_it_stood() {
        let form = Form::layers(br"x%2Fy\u005A z").last().unwrap();
        assert_eq!(form.bytes(), b"x/yzz");
        assert_eq!((form.place(0..1), form.place(1..2), form.place(1..4)), (0..1, 1..4, 1..11));
        assert_eq!(form.place(3..5), 5..13);
        assert_eq!(form.place(5..5), 0..0);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_form_is_longer(text in any::<Vec<u8>>()) {
            for form in Form::layers(&text) {
                prop_assert!(form.bytes().len() <= text.len());
            }
        }

        #[test]
        fn text_of_escapes_is_no_longer_either(text in r"(%|&|#|x|;|\\|u|[0-9a-f]|amp|lt|\n){0,60}") {
            for form in Form::layers(text.as_bytes()) {
                prop_assert!(form.bytes().len() <= text.len());
            }
        }
    }
}
