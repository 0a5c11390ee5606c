//! Masks: an answer may repeat a secret that was sent, as it is or as JSON, HTML and addresses spell it.
//!
//! **Invariants**
//! 1. Nothing that was masked contains a spelling of a secret, in any case of its letters.
//! 2. Where the text was cut inside a secret, the beginning of the secret is masked too.
//! 3. A secret that cannot be found for sure makes the masks unsure ([`Masks::are_sure`]): then nothing may be shown.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded::byte_serialize;

use crate::domain::HIDDEN;

/// The shortest text that is looked for: a shorter one stands in many words.
pub(super) const SHORTEST: usize = 4;

/// Finds secrets.
pub(super) struct Masks {
    spellings: Vec<Vec<u8>>,
    finder: Option<AhoCorasick>,
    are_sure: bool,
}

impl Masks {
    /// For these secrets.
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut spellings, mut are_sure) = (Vec::new(), true);
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            are_sure &= secret.len() >= SHORTEST;
            for part in parts(secret) {
                spellings.extend(spellings_of(&part));
            }
        }
        spellings.retain(|spelling| spelling.len() >= SHORTEST);
        spellings.sort_unstable();
        spellings.dedup();
        let finder = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&spellings);
        let finder = finder.ok();
        Self { are_sure: are_sure && finder.is_some(), spellings, finder }
    }

    /// Whether every secret can be found.
    pub(super) fn are_sure(&self) -> bool {
        self.are_sure
    }

    /// These bytes without the secrets.
    pub(super) fn masked(&self, bytes: &[u8]) -> Vec<u8> {
        let Some(finder) = &self.finder else { return HIDDEN.into() };
        let (mut masked, mut end) = (Vec::with_capacity(bytes.len()), 0);
        for found in finder.find_iter(bytes) {
            masked.extend_from_slice(&bytes[end..found.start()]);
            masked.extend_from_slice(HIDDEN.as_bytes());
            end = found.end();
        }
        let rest = &bytes[end..];
        let n_begun = self.begun_at_the_end_of(rest);
        masked.extend_from_slice(&rest[..rest.len() - n_begun]);
        if n_begun > 0 {
            masked.extend_from_slice(HIDDEN.as_bytes());
        }
        masked
    }

    /// The same for text.
    pub(super) fn masked_text(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(&self.masked(bytes)).into_owned()
    }

    /// How many of the last bytes are the beginning of a secret.
    fn begun_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let begun = |spelling: &Vec<u8>| {
            let longest = (spelling.len() - 1).min(bytes.len());
            let is_begun = |n: &usize| bytes[bytes.len() - n..].eq_ignore_ascii_case(&spelling[..*n]);
            (SHORTEST..=longest).rev().find(is_begun).unwrap_or_default()
        };
        self.spellings.iter().map(begun).max().unwrap_or_default()
    }
}

/// The secret and its parts that are secrets themselves: what follows the scheme of an `Authorization` header, user and
/// password of `Basic`, each of several signatures, the values of cookies.
fn parts(secret: &str) -> Vec<String> {
    let mut parts = vec![secret.to_owned()];
    // The first word is a scheme, unless it is a signature or a pair.
    let words = secret.split([' ', ';']).enumerate().filter(|(n, word)| *n > 0 || word.contains([',', '=']));
    for (_, word) in words {
        parts.push(word.strip_prefix("v1,").unwrap_or(word).to_owned());
        parts.extend(word.split_once('=').map(|(_name, value)| value.to_owned()));
    }
    let basic = secret.get(..6).filter(|scheme| scheme.eq_ignore_ascii_case("basic ")).and(secret.get(6..));
    let basic = basic.and_then(|text| STANDARD.decode(text.trim()).ok());
    if let Some(basic) = basic.and_then(|bytes| String::from_utf8(bytes).ok()) {
        parts.extend(basic.split_once(':').map(|(_user, password)| password.to_owned()));
        parts.push(basic);
    }
    parts
}

/// How JSON, HTML and addresses spell a text.
fn spellings_of(text: &str) -> Vec<Vec<u8>> {
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.strip_prefix('"').and_then(|json| json.strip_suffix('"')).unwrap_or_default().to_owned();
    let form: String = byte_serialize(text.as_bytes()).collect();
    let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let spellings = [
        text.to_owned(),
        json.replace('/', "\\/"),
        json,
        form.replace('+', "%20"),
        form,
        html.replace('"', "&quot;").replace('\'', "&#39;"),
        html.replace('"', "&#34;").replace('\'', "&#x27;"),
        html,
    ];
    spellings.into_iter().map(String::into_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(secret: &str, text: &str) -> String {
        Masks::of([secret]).masked_text(text.as_bytes())
    }

    #[test]
    fn a_secret_is_masked_in_each_spelling() {
        let secret = r#"a/b"c d&e"#;
        for spelling in [
            secret,
            "A/B\"C D&E",
            r#"a/b\"c d&e"#,
            r#"a\/b\"c d&e"#,
            "a%2Fb%22c+d%26e",
            "a%2fb%22c%20d%26e",
            "a/b&quot;c d&amp;e",
        ] {
            assert_eq!(masked(secret, &format!("<{spelling}>")), "<***>", "{spelling}");
        }
    }

    #[test]
    fn what_an_authorization_is_made_of_is_masked() {
        assert_eq!(masked("Bearer canary", "token canary is wrong"), "token *** is wrong");
        let basic = format!("Basic {}", STANDARD.encode("bot:canary"));
        assert_eq!(masked(&basic, "no canary, no bot:canary"), "no ***, no ***");
        assert_eq!(masked("v1,abcdef v1,ghijkl", "[\"ghijkl\"]"), "[\"***\"]");
    }

    #[test]
    fn a_secret_that_the_end_cuts_is_masked() {
        assert_eq!(masked("canary-token", "it was canary-to"), "it was ***");
        assert_eq!(masked("abcdabcd", "abcdabcd"), "***", "a whole one is not taken for a begun one");
    }

    #[test]
    fn a_secret_that_is_too_short_to_be_found_is_known() {
        assert!(!Masks::of(["abc"]).are_sure());
        assert!(Masks::of(["abcd", ""]).are_sure());
    }

    proptest! {
        #[test]
        fn no_secret_is_left(secret in "[a-zA-Z0-9/+=. \"&<-]{4,40}", before in any::<String>(), after in any::<String>()) {
            let masked = masked(&secret, &format!("{before}{secret}{after}"));
            prop_assert!(!masked.to_ascii_lowercase().contains(&secret.to_ascii_lowercase()), "{}", masked);
        }
    }
}
