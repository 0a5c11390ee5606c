//! Text from outside, prepared for people: cut, and without characters that affect a terminal or a log.

use std::fmt::{self, Display};

/// Whether a character moves the cursor, begins a line or changes the direction of the text: it is spelled out.
fn moves_terminal(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The first `limit` characters.
pub fn cut(text: &str, limit: usize) -> &str {
    text.char_indices().nth(limit).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The text on one line, with control characters spelled out, in at most `limit` characters.
pub fn shown(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let (mut n_chars, mut end) = (0, 0);
    for character in text.chars() {
        let began = shown.len();
        if moves_terminal(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
        n_chars += shown[began..].chars().count();
        if n_chars > limit {
            shown.truncate(end);
            shown.push('…');
            break;
        }
        if n_chars < limit {
            end = shown.len();
        }
    }
    shown
}

/// A text of several lines, with the other control characters spelled out.
pub fn shown_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' | '\t' => shown.push(character),
            _ if moves_terminal(character) => shown.extend(character.escape_unicode()),
            _ => shown.push(character),
        }
    }
    shown
}

/// [`shown`], made only if somebody reads it.
#[derive(Clone, Copy, Debug)]
pub struct Short<'a>(pub &'a str, pub usize);

impl Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(self.0, self.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn threat_54_control_characters_are_spelt_out() {
        assert_eq!(shown("a\r\n\u{1b}[31mb\u{202e}c", 100), "a\\u{d}\\u{a}\\u{1b}[31mb\\u{202e}c");
    }

    #[test]
    fn what_could_move_a_terminal_is_shown_as_text() {
        assert_eq!(shown("a\u{1b}[31mb\r\n", 99), "a\\u{1b}[31mb\\u{d}\\u{a}");
        assert_eq!(shown("abc\u{202e}def", 12), "abc\\u{202e}…");
        assert_eq!(shown("\u{61c}\u{2028}\u{2029}é", 99), "\\u{61c}\\u{2028}\\u{2029}é");
    }

    #[test]
    fn what_fits_is_whole_and_what_is_cut_says_so() {
        assert_eq!((shown("abcd", 4), shown("abcde", 4)), ("abcd".into(), "abc…".into()));
        assert_eq!((cut("ééé", 2), cut("ééé", 3)), ("éé", "ééé"));
    }

    #[test]
    fn a_text_of_several_lines_keeps_them_and_nothing_else_that_moves() {
        assert_eq!(shown_lines("a\r\nb\tc\n\u{1b}[2J\rd\u{202e}"), "a\nb\tc\n\\u{1b}[2J\\u{d}d\\u{202e}");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_short_and_on_one_line(text in any::<String>(), limit in 1usize..400) {
            let shown = shown(&text, limit);
            prop_assert!(shown.chars().count() <= limit);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
