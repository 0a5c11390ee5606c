//! Masks: an answer, or what a command says, may repeat a secret that was sent, as it is, in part, or as JSON, HTML and addresses spell it. Text and
//! secrets are compared as [`Form`]s, and what is found is masked where it stood.
//!
//! **Invariants**
//! 1. Nothing that was masked contains a secret, nor a run of its characters that [`Runs`] finds, in any case of its letters,
//!    in any spelling that [`Form`] takes away, with or without white space in it.
//! 2. Where the text was cut inside a secret, the beginning of the secret is masked too.
//! 3. A secret that cannot be found for sure makes the masks unsure ([`Masks::are_sure`]): then nothing may be shown.

#![cfg(any(feature = "exec", feature = "http"))]
#![cfg_attr(not(feature = "http"), allow(dead_code, reason = "a build without some kinds does not use all"))]

mod runs;
mod spelling;

use std::collections::BTreeSet;
use std::ops::Range;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::runs::{Runs, SHORTEST};
use self::spelling::Form;
use crate::domain::HIDDEN;

/// Finds secrets.
pub(super) struct Masks {
    /// The secrets and their parts, as they are compared.
    secrets: BTreeSet<Vec<u8>>,
    runs: Runs,
    are_sure: bool,
}

impl Masks {
    /// For these secrets.
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut masks = Self { secrets: BTreeSet::new(), runs: Runs::default(), are_sure: true };
        for secret in secrets.into_iter().filter(|secret| !secret.is_empty()) {
            masks.are_sure &= Form::of(secret.as_bytes()).bytes().len() >= SHORTEST;
            for part in parts(secret) {
                masks.secrets.extend(Form::layers(part.as_bytes()).map(|form| form.bytes().to_vec()));
            }
        }
        masks.secrets.retain(|secret| secret.len() >= SHORTEST);
        masks.secrets.iter().for_each(|secret| masks.runs.add(secret));
        masks
    }

    /// Whether every secret can be found.
    pub(super) fn are_sure(&self) -> bool {
        self.are_sure
    }

    /// These bytes without the secrets.
    pub(super) fn masked(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.are_sure {
            return HIDDEN.into();
        }
        let mut places: Vec<Range<usize>> = Vec::new();
        for form in Form::layers(bytes) {
            for place in self.runs.find(form.bytes()).map(|run| form.place(run)) {
                match places.last_mut() {
                    // The next stretch of the same run.
                    Some(last) if (last.start..=last.end).contains(&place.start) => last.end = place.end.max(last.end),
                    _ => places.push(place),
                }
            }
            let n_begun = self.begun_at_the_end_of(form.bytes());
            if n_begun > 0 {
                let end = form.bytes().len();
                places.push(form.place(end - n_begun..end).start..bytes.len());
            }
        }
        without(bytes, places)
    }

    /// The same for text.
    pub(super) fn masked_text(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(&self.masked(bytes)).into_owned()
    }

    /// How many of the last bytes are the beginning of a secret.
    fn begun_at_the_end_of(&self, bytes: &[u8]) -> usize {
        let begun = |secret: &Vec<u8>| {
            let longest = (secret.len() - 1).min(bytes.len());
            (SHORTEST..=longest).rev().find(|n| bytes.ends_with(&secret[..*n])).unwrap_or_default()
        };
        self.secrets.iter().map(begun).max().unwrap_or_default()
    }
}

/// Bytes with [`HIDDEN`] in the place of some of them, and of the rest of a character that a place cuts.
fn without(bytes: &[u8], mut places: Vec<Range<usize>>) -> Vec<u8> {
    places.sort_unstable_by_key(|place| place.start);
    let is_inside = |at: usize| bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let (mut masked, mut end) = (Vec::with_capacity(bytes.len()), 0);
    for place in places {
        let start = (0..=place.start).rev().find(|at| !is_inside(*at)).unwrap_or_default();
        if start > end || masked.is_empty() {
            masked.extend_from_slice(&bytes[end..start]);
            masked.extend_from_slice(HIDDEN.as_bytes());
        }
        end = (place.end.max(end)..bytes.len()).find(|at| !is_inside(*at)).unwrap_or(bytes.len());
    }
    masked.extend_from_slice(&bytes[end..]);
    masked
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

    /// A secret with every character that an encoding may treat in its own way.
    const MIXED: &str = r#"Bearer Hdr/Sec+ret="q"&<tok>%7Z-ABCdef0123"#;

    #[test]
    fn threat_53_a_secret_is_masked_in_each_spelling_of_json_html_and_addresses_and_in_mixtures() {
        let each = |spell: fn(u8) -> String| MIXED.bytes().map(spell).collect::<String>();
        let json = |text: &str| serde_json::to_string(text).unwrap();
        let form = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let html = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        for spelling in [
            each(|byte| format!("\\u{byte:04x}")),
            each(|byte| format!("\\u{byte:04X}")),
            each(|byte| format!("\\x{byte:02x}")),
            each(|byte| format!("&#{byte};")),
            each(|byte| format!("&#{byte:04}")),
            each(|byte| format!("&#x{byte:x};")),
            each(|byte| format!("&#X{byte:X};")),
            each(|byte| format!("%{byte:02x}")),
            each(|byte| format!("%25{byte:02x}")),
            each(|byte| format!("%u00{byte:02x}")),
            json(MIXED),
            json(&json(MIXED)),
            json(&json(&json(MIXED))),
            json(&html(MIXED)),
            html(&json(MIXED)),
            html(&html(MIXED)),
            form(MIXED),
            form(&json(&html(MIXED))),
            html(&form(&form(MIXED))),
            form(MIXED).to_lowercase(),
            form(MIXED).replace('+', "%20").to_lowercase(),
            r#"Bearer Hdr\/Sec\u002bret=\"q\"\u0026\u003ctok\u003E%7Z-ABCdef0123"#.to_owned(),
            r#"Bearer Hdr/Sec+ret=&quot;q&quot;&<tok>%7Z-ABCdef0123"#.to_owned(),
            r#"bearer%20hdr/sec%2bret%3d"q"&<tok>%7Z-ABCdef0123"#.to_owned(),
            MIXED.replace('/', "&sol;").replace('=', "&equals;"),
            MIXED.replace("Sec", "Sec\r\n\t").replace('d', "\n  d"),
            MIXED.replace("Sec", r"Sec\n"),
        ] {
            let masked = masked(MIXED, &format!("before {spelling} after"));
            // The quotes around it may stay.
            let masked = masked.replace("&quot;", "").replace("%22", "").replace(['"', '\\'], "");
            assert_eq!(masked, "before *** after", "{spelling}");
        }
    }

    #[test]
    fn threat_53_a_secret_in_part_is_masked() {
        for (text, expected) in [
            (format!("its begin: {}.", &MIXED[..MIXED.len() - 1]), "its begin: ***."),
            (format!("without its begin: {}.", &MIXED[9..]), "without its begin: ***."),
            (format!("twelve of it: {}.", &MIXED[20..32]), "twelve of it: ***."),
            (format!("{}\r\nlog: {}.", &MIXED[..20], &MIXED[20..]), "***\r\nlog: ***."),
            (format!("cut: {}…", &MIXED[..20]), "cut: ***…"),
            (format!("spelled: {}.", MIXED[..40].replace('"', "&#34;")), "spelled: ***."),
            ("Bearer Sec Hdr 7Z def0123".to_owned(), "Bearer Sec Hdr 7Z def0123"),
        ] {
            assert_eq!(masked(MIXED, &text), expected, "{text}");
        }
        assert_eq!(masked("Bearer canary-12345", "no canary-1 here"), "no *** here");
        assert_eq!(masked("Bearer canary-12345", "no canary here"), "no canary here");
    }

    #[test]
    fn a_character_is_masked_as_a_whole() {
        assert_eq!(masked("caf\u{e9} au lait", "un cafè, un café au lait"), "un cafè, un ***");
        assert_eq!(masked("0123456789é", "a0123456789êb"), "a***b");
        assert_eq!(masked("\u{1f600}\u{1f601}", r"\ud83d\ude00\ud83d\ude01"), "***");
    }

    #[test]
    fn a_secret_that_the_end_cuts_inside_an_escape_is_masked() {
        for cut in [r"canary\u002", r"canary\", "canary%2", "canary&#4", "canary&", r"canary\\u"] {
            assert_eq!(masked("canary-token-0123", &format!("it was {cut}")), "it was ***", "{cut}");
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
