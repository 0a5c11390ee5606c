//! What must not be shown of a sink's requests: the secrets of its config, and the parts of its address that look like
//! secrets.

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::domain::HIDDEN;

/// A part of an address that is at least so long is probably an access key, or the id of a hook.
const LONG_PART: usize = 20;
/// A part of a secret address that is at least so long is looked for in answers.
const SHORTEST_PART: usize = 6;
/// Words in the names of headers whose values are secrets: in requests and in answers. docs/operations.md lists them.
const TELLING_WORDS: [&str; 13] = [
    "auth",
    "bearer",
    "cookie",
    "credential",
    "hmac",
    "jwt",
    "key",
    "pass",
    "pwd",
    "secret",
    "session",
    "sig",
    "token",
];

/// What is hidden.
pub(super) struct Hidden {
    /// The target of the request line, as it is shown.
    pub(super) target: String,
    /// The host, as it is shown.
    pub(super) host: String,
    /// What each request contains and nobody may see.
    secrets: Vec<SecretString>,
}

impl Hidden {
    /// Of an address, which `is_secret` as a whole or not, and of the other secrets of the config.
    pub(super) fn of(url: &Url, is_secret: bool, secrets: Vec<SecretString>) -> Self {
        let mut hidden = Self { target: String::new(), host: host(url), secrets };
        if is_secret {
            hidden.hide_all(url);
        } else {
            hidden.hide_parts(url);
        }
        hidden
    }

    /// The secrets.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(SecretString::expose_secret)
    }

    fn hide_all(&mut self, url: &Url) {
        let target = target(url);
        let is_part = |part: &&str| part.len() >= SHORTEST_PART;
        let parts = target.split(['/', '?', '&', '=']).filter(is_part);
        let names = url.host_str().into_iter().chain([url.as_str(), &self.host, &target]).filter(is_part);
        let secrets: Vec<SecretString> = parts.chain(names).map(SecretString::from).collect();
        self.secrets.extend(secrets);
        (self.target, self.host) = (HIDDEN.into(), HIDDEN.into());
    }

    fn hide_parts(&mut self, url: &Url) {
        let mut hide = |part: &str| {
            if part.len() >= SHORTEST_PART {
                self.secrets.push(SecretString::from(part));
            }
            HIDDEN
        };
        let parts = url.path().split('/').map(|part| if part.len() >= LONG_PART { hide(part) } else { part });
        let mut shown = parts.collect::<Vec<_>>().join("/");
        for (n, pair) in url.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
            shown.push(if n == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((name, value)) => {
                    shown.push_str(name);
                    shown.push('=');
                    shown.push_str(hide(value));
                }
                None => shown.push_str(hide(pair)),
            }
        }
        self.target = shown;
    }
}

/// Whether a header's value is a secret, by the name of the header.
pub(super) fn is_told_by(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLING_WORDS.iter().any(|word| name.contains(word))
}

/// Path and query.
fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// The value of the header `host`.
fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(url: &str, is_secret: bool) -> Hidden {
        Hidden::of(&url.parse().unwrap(), is_secret, vec!["header".into()])
    }

    fn secrets(hidden: &Hidden) -> Vec<&str> {
        hidden.secrets().collect()
    }

    #[test]
    fn of_an_address_the_values_of_the_query_and_long_parts_are_hidden() {
        let hidden = hidden("https://crm.example.com:8443/hooks/0123456789abcdef0123/x?code=s3cret99&v=1&token", false);
        assert_eq!(hidden.target, "/hooks/***/x?code=***&v=***&***");
        assert_eq!(hidden.host, "crm.example.com:8443");
        assert_eq!(secrets(&hidden), ["header", "0123456789abcdef0123", "s3cret99"]);
    }

    #[test]
    fn a_secret_address_is_hidden_as_a_whole() {
        let hidden = hidden("https://hooks.example.com/services/T0000000/x?sig=canary1", true);
        assert_eq!((hidden.target.as_str(), hidden.host.as_str()), ("***", "***"));
        let secrets = secrets(&hidden);
        for part in ["services", "T0000000", "canary1", "hooks.example.com", "/services/T0000000/x?sig=canary1"] {
            assert!(secrets.contains(&part), "{part}");
        }
    }

    #[test]
    fn the_documentation_lists_the_words_in_the_names_of_such_headers() {
        let words: Vec<String> = TELLING_WORDS.iter().map(|word| format!("`{word}`")).collect();
        let docs = include_str!("../../../docs/operations.md").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(docs.contains(&format!("({} in the name)", words.join(", "))), "{words:?}");
    }

    #[test]
    fn a_header_that_is_named_like_a_secret_is_one() {
        for name in [
            "X-Passphrase",
            "x-pwd",
            "X-Sig",
            "x-bearer",
            "X-Api-Key",
            "set-cookie",
            "x-amz-security-token",
            "Proxy-Authorization",
            "x-ms-jwt",
            "X-Request-HMAC",
            "x-hub-signature-256",
        ] {
            assert!(is_told_by(name), "{name}");
        }
        for name in ["content-type", "date", "x-team", "webhook-id", "retry-after"] {
            assert!(!is_told_by(name), "{name}");
        }
    }
}
