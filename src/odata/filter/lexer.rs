//! Cuts a filter's text into tokens, one at a time. So the first mistake is the one that is reported.

use super::FilterError;
use crate::wording::untrusted_text::cut;

/// The most characters of a token that an error repeats.
const MAX_SHOWN_CHARS: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Open,
    Close,
    Comma,
    /// Text, with its quotes.
    Text,
    /// A name, an operator, a number or a date-time: the parser decides which.
    Word,
    /// A character that cannot begin a token.
    Other,
    End,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    /// Its text in the filter.
    pub(super) text: &'a str,
    /// The index of its first byte.
    at: usize,
}

pub(super) struct Lexer<'a> {
    source: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self { source, at: 0 }
    }

    /// The next token; after the last one always [`Kind::End`].
    pub(super) fn next(&mut self) -> Result<Token<'a>, FilterError> {
        let rest = &self.source[self.at..];
        let text = rest.trim_start_matches([' ', '\t']);
        let at = self.at + rest.len() - text.len();
        let (kind, n_bytes) = match text.chars().next() {
            None => (Kind::End, 0),
            Some('(') => (Kind::Open, 1),
            Some(')') => (Kind::Close, 1),
            Some(',') => (Kind::Comma, 1),
            Some('\'') => match quoted_bytes(text) {
                Some(n_bytes) => (Kind::Text, n_bytes),
                None => return Err(self.error(&Token { kind: Kind::Text, text, at }, "a closing single quote")),
            },
            Some(first) if is_word(first) => (Kind::Word, text.find(|c| !is_word(c)).unwrap_or(text.len())),
            Some(other) => (Kind::Other, other.len_utf8()),
        };
        self.at = at + n_bytes;
        Ok(Token { kind, text: &text[..n_bytes], at })
    }

    /// The error that something else was expected in the place of `token`.
    pub(super) fn error(&self, token: &Token<'_>, expected: impl Into<String>) -> FilterError {
        let position = self.source[..token.at].chars().count() + 1;
        let found = match token.kind {
            Kind::End => "the end".to_owned(),
            _ => shown(token.text),
        };
        FilterError { position, found, expected: expected.into() }
    }
}

/// `text` in double quotes, shortened, with control characters spelled out.
fn shown(text: &str) -> String {
    let shown = cut(text, MAX_SHOWN_CHARS);
    format!("{shown:?}{}", if shown.len() < text.len() { ".." } else { "" })
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || "_/.:+-@$".contains(character)
}

/// The length of the quoted text at the front, with its quotes. A doubled quote is one of its characters.
fn quoted_bytes(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += text[at..].find('\'')? + 1;
        if !text[at..].starts_with('\'') {
            return Some(at);
        }
        at += 1;
    }
}

/// The text between the quotes of a [`Kind::Text`].
pub(super) fn unquoted(text: &str) -> String {
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    inner.unwrap_or(text).replace("''", "'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(source: &str) -> Vec<(Kind, &str)> {
        let mut lexer = Lexer::new(source);
        std::iter::from_fn(|| lexer.next().ok())
            .map(|token| (token.kind, token.text))
            .take_while(|(kind, _)| *kind != Kind::End)
            .collect()
    }

    #[test]
    fn a_filter_is_cut_at_blanks_quotes_and_signs() {
        let expected = [
            (Kind::Word, "resultInfo/code"),
            (Kind::Word, "in"),
            (Kind::Open, "("),
            (Kind::Word, "-5"),
            (Kind::Comma, ","),
            (Kind::Text, "'it''s (1)'"),
            (Kind::Close, ")"),
            (Kind::Other, "="),
            (Kind::Word, "2026-01-31T12:00:00.5+02:00"),
        ];
        assert_eq!(tokens("resultInfo/code in(-5, 'it''s (1)')=\t2026-01-31T12:00:00.5+02:00 "), expected);
    }

    #[test]
    fn a_doubled_quote_is_a_character() {
        assert_eq!(unquoted("'it''s'"), "it's");
        assert_eq!(unquoted("''"), "");
        assert_eq!(unquoted("''''"), "'");
        assert_eq!(tokens("'''' ''"), [(Kind::Text, "''''"), (Kind::Text, "''")]);
    }

    #[test]
    fn a_text_that_does_not_end_is_told_from_its_first_quote() {
        let mut lexer = Lexer::new("é 'it''s");
        lexer.next().unwrap();
        let error = lexer.next().unwrap_err();
        assert_eq!(error.to_string(), r#"position 3: found "'it''s", expected a closing single quote"#);
    }

    #[test]
    fn what_was_found_is_shortened_and_cannot_act_on_a_terminal() {
        assert_eq!(shown(&"x".repeat(8000)).len(), MAX_SHOWN_CHARS + 4);
        assert_eq!(shown("a\u{1b}[2J"), r#""a\u{1b}[2J""#);
    }
}
