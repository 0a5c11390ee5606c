//! How the patterns of routes are read, so that what the config has checked is what routing compiles.
//!
//! **Invariants**
//! 1. A pattern is matched against the whole text.
//! 2. Matching takes time linear in the text, whatever the pattern; compiling is bounded.

use regex::{Regex, RegexBuilder};

/// The most bytes that one compiled pattern may take.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// A regular expression over the whole text.
///
/// # Errors
/// It is wrong, or too large when compiled; the text says where.
pub fn regex(pattern: &str) -> Result<Regex, String> {
    // The pattern alone first: put in brackets, "a)(b" would be right.
    compile(pattern)?;
    compile(&anchored(pattern))
}

fn compile(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern).size_limit(MAX_PATTERN_BYTES).build();
    built.map_err(|error| match error {
        // Its last line says what is wrong; the others draw where.
        regex::Error::Syntax(text) => text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
        other => other.to_string(),
    })
}

/// `pattern` as a regular expression that matches whole texts only.
pub fn anchored(pattern: &str) -> String {
    format!(r"\A(?:{pattern})\z")
}

/// A glob as a regular expression that matches whole texts only: `*` is any text, `?` any one character.
pub fn glob(glob: &str) -> String {
    let mut pattern = String::from(r"(?s)\A");
    for character in glob.chars() {
        match character {
            '*' => pattern.push_str(".*"),
            '?' => pattern.push('.'),
            other => pattern.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    pattern.push_str(r"\z");
    pattern
}

/// Whether a glob seems to expect what other programs' globs can: `[a-z]`, `{a,b}`. JSON has such signs as well.
pub fn looks_bracketed(glob: &str) -> bool {
    let pair = |open, close| glob.find(open).is_some_and(|at| glob.rfind(close).is_some_and(|end| end > at));
    !glob.contains('"') && (pair('[', ']') || pair('{', '}'))
}

/// Whether `text` is a JSON pointer (RFC 6901).
pub fn is_pointer(text: &str) -> bool {
    let mut escapes = text.split('~').skip(1);
    (text.is_empty() || text.starts_with('/')) && escapes.all(|rest| rest.starts_with(['0', '1']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_texts_only() {
        let pattern = regex("a|ab").unwrap();
        assert!(pattern.is_match("ab") && pattern.is_match("a"));
        assert!(!pattern.is_match("abc") && !pattern.is_match("ab\n") && !pattern.is_match("b"));
        assert!(regex("(?i)support-.*").unwrap().is_match("SUPPORT-1"));
    }

    #[test]
    fn a_wrong_pattern_says_what_is_wrong() {
        for wrong in ["a)(b", "(", "[z-a]", "(?<a>x)(?<a>y)", "\\1", "(?=x)"] {
            let error = regex(wrong).unwrap_err();
            assert!(!error.is_empty() && !error.contains('\n'), "{wrong}: {error}");
        }
        assert!(regex("(?:\\w{1000}){1000}").is_err());
    }

    #[test]
    fn a_glob_knows_two_signs() {
        let glob = Regex::new(&glob("a*[?]é?")).unwrap();
        assert!(glob.is_match("a/b\n[x]éü"));
        assert!(!glob.is_match("a[xy]éü") && !glob.is_match("a[x]é"));
    }

    #[test]
    fn a_pointer_is_told_from_other_text() {
        for (text, is) in [("", true), ("/", true), ("/a~1b/~0", true), ("a", false), ("/a~2", false), ("/~", false)] {
            assert_eq!(is_pointer(text), is, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_a_glob(text in "\\PC{0,40}") {
            proptest::prop_assert!(Regex::new(&glob(&text)).is_ok());
        }
    }
}
