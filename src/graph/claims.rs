//! What a token says of itself, read without verifying anything: for the log and for people who ask why it is refused.

use std::borrow::Cow;
use std::fmt::{self, Display};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::nesting;
use super::payload::{self, Object};
use crate::domain::Reason;
use crate::wording::untrusted_text::shown;

/// The longest token that is read.
pub(super) const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// The most characters of one value for the log.
const MAX_CHARS: usize = 120;

/// Reads a part of a token: a JSON object in which no key is repeated.
pub(super) fn read_object(bytes: &[u8]) -> Result<Object<'_>, Reason> {
    let text = nesting::text_of(bytes, nesting::MAX_DEPTH).map_err(|_no_json| Reason::JwtMalformed)?;
    let object = Object::read(text).map_err(|_no_object| Reason::JwtMalformed)?;
    if object.repeats_any() { Err(Reason::JwtMalformed) } else { Ok(object) }
}

/// A part of a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// Which key signed it, and how.
    Header,
    /// For whom and by whom it is.
    Payload,
}

/// What a token says of itself, for a person: a text as it is, anything else as JSON.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    /// The token.
    pub(super) token: &'a [u8],
    /// Where the claim is.
    pub(super) part: Part,
    /// Its name.
    pub(super) name: &'a str,
}

impl Claim<'_> {
    /// Its value; `None`: the token cannot be read, or does not have it.
    pub(super) fn read(self) -> Option<String> {
        let token = str::from_utf8(self.token).ok().filter(|token| token.len() <= MAX_TOKEN_BYTES)?;
        let part = URL_SAFE_NO_PAD.decode(token.split('.').nth(self.part as usize)?).ok()?;
        let object = read_object(&part).ok()?;
        let value = object.present(self.name)?;
        Some(payload::text(value).map_or_else(|_no_text| value.get().to_owned(), Cow::into_owned))
    }
}

impl Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.read() {
            Some(value) => f.write_str(&shown(&value, MAX_CHARS)),
            None => f.write_str("(none)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", part(r#"{"alg":"RS256","kid":"key-1"}"#), part(payload), part("signature"))
    }

    fn told(token: &str, name: &str) -> String {
        Claim { token: token.as_bytes(), part: Part::Payload, name }.to_string()
    }

    #[test]
    fn a_claim_is_shown_cut_and_on_one_line_whatever_it_is() {
        let long = "x".repeat(1000);
        let token = token(&format!(r#"{{"iss":"a\nb","aud":["one","two"],"tid":"{long}","oid":null}}"#));
        assert_eq!(told(&token, "iss"), "a\\u{a}b");
        assert_eq!(told(&token, "aud"), r#"["one","two"]"#);
        assert_eq!(told(&token, "tid").chars().count(), MAX_CHARS);
        assert_eq!((told(&token, "oid"), told(&token, "sub")), ("(none)".into(), "(none)".into()));
        assert_eq!(Claim { token: token.as_bytes(), part: Part::Header, name: "kid" }.to_string(), "key-1");
    }

    #[test]
    fn what_is_no_token_says_nothing_of_itself() {
        for noise in ["", ".", "..", "a.b.c", "\u{1f600}.\u{1f600}.\u{1f600}", &"a.".repeat(MAX_TOKEN_BYTES)] {
            assert_eq!(told(noise, "iss"), "(none)");
        }
    }
}
