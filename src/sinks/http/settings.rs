//! The `http` sink's table, read and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use url::{Host, Url};

use super::guard::{self, Guard};
use super::signature::{self, Signer};
use crate::config::SecretSource;
use crate::sinks::Mistakes;

/// Headers that carry a secret whatever their value: never written in the config itself.
const SECRET_HEADERS: &[&str] = &["authorization", "proxy-authorization", "cookie"];
/// Headers that are this sink's or HTTP's own to set.
const OWN_HEADERS: &[&str] = &[
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `kind = "http"`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where events are posted to.
    url: Text,
    /// The secret that requests are signed with; several during a rotation.
    #[serde(default)]
    secret: Secrets,
    /// Headers that every request has.
    #[serde(default)]
    headers: BTreeMap<String, Text>,
    /// Networks that may be reached although they are not public.
    #[serde(default)]
    allow_private: Vec<String>,
    /// Whether the recording's token is sent too.
    #[serde(default)]
    include_access_token: bool,
}

/// The table, checked.
pub(super) struct Settings {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) signer: Signer,
    pub(super) guard: Arc<Guard>,
    pub(super) include_access_token: bool,
    /// Whether what is sent holds something that an answer must not make visible.
    pub(super) sends_secrets: bool,
}

impl Settings {
    /// Checks a table and reads its secrets.
    pub(super) fn of(config: Config) -> Result<Self, Mistakes> {
        let mut mistakes = Mistakes::default();
        let sends_secrets = config.include_access_token
            || matches!(config.url, Text::Secret(_))
            || config.headers.values().any(|value| matches!(value, Text::Secret(_)));
        let allowed = networks(&config.allow_private, &mut mistakes);
        let url = address(&config.url, &allowed, &mut mistakes);
        let headers = headers(&config.headers, &mut mistakes);
        let signer = signer(&config.secret, &mut mistakes);
        let Some((url, encrypted)) = url else { return Err(mistakes) };
        let guard = Arc::new(Guard::new(allowed, encrypted));
        let include_access_token = config.include_access_token;
        mistakes.none_in(Self { url, headers, signer, guard, include_access_token, sends_secrets })
    }
}

fn networks(texts: &[String], mistakes: &mut Mistakes) -> crate::config::AllowedNetworks {
    let mut networks = Vec::new();
    for (n, text) in texts.iter().enumerate() {
        match guard::network(text) {
            Some(network) => networks.push(network),
            None => mistakes.add(
                format!("allow_private[{n}]"),
                format!("found {text:?}, expected a network such as \"10.0.0.0/8\" or \"fd00::/8\""),
            ),
        }
    }
    networks
}

/// The address and whether it is an encrypted one.
fn address(text: &Text, allowed: &crate::config::AllowedNetworks, mistakes: &mut Mistakes) -> Option<(Url, bool)> {
    match text.read().and_then(|text| check_address(text.expose_secret(), allowed)) {
        Ok(address) => Some(address),
        Err(mistake) => {
            mistakes.add("url", mistake);
            None
        }
    }
}

/// The address itself is never shown: it may hold a secret.
fn check_address(text: &str, allowed: &crate::config::AllowedNetworks) -> Result<(Url, bool), String> {
    let url = Url::parse(text).map_err(|error| format!("found an invalid URL ({error}), expected https://.."))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("found a user or password in the URL, expected none: send them in headers.Authorization".into());
    }
    let encrypted = match url.scheme() {
        "https" => true,
        "http" if !allowed.is_empty() => false,
        "http" => return Err("found http:// without allow_private, expected https://..".into()),
        _ => return Err("found another scheme, expected https://..".into()),
    };
    let address = match url.host() {
        None => return Err("found no host, expected https://..".into()),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
    };
    match address.map(|address| Guard::new(allowed.clone(), encrypted).check(address)) {
        Some(Err(refused)) => Err(format!("found an address that is refused: {refused}")),
        _ => Ok((url, encrypted)),
    }
}

fn headers(texts: &BTreeMap<String, Text>, mistakes: &mut Mistakes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in texts {
        match header(name, value) {
            Ok((name, _)) if headers.contains_key(&name) => {
                mistakes.add(format!("headers.{name}"), "found the header twice, in different cases, expected it once");
            }
            Ok((name, value)) => drop(headers.insert(name, value)),
            Err(mistake) => mistakes.add(format!("headers.{name}"), mistake),
        }
    }
    headers
}

fn header(name: &str, value: &Text) -> Result<(HeaderName, HeaderValue), String> {
    let name: HeaderName = name.parse().map_err(|_| "found an invalid header name".to_owned())?;
    if OWN_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("webhook-") {
        return Err("found a header that reelhook sets itself".into());
    }
    if SECRET_HEADERS.contains(&name.as_str()) && matches!(value, Text::Plain(_)) {
        return Err("found text, expected { file = \"..\" } or { env = \"..\" }: it is a secret".into());
    }
    let mut header = HeaderValue::from_str(value.read()?.expose_secret())
        .map_err(|_| "found characters that are not allowed in a header, expected visible ASCII".to_owned())?;
    header.set_sensitive(matches!(value, Text::Secret(_)));
    Ok((name, header))
}

fn signer(secrets: &Secrets, mistakes: &mut Mistakes) -> Signer {
    let mut keys = Vec::new();
    for (n, source) in secrets.sources.iter().enumerate() {
        let read = source.read().map_err(|error| error.to_string());
        match read.and_then(|secret| signature::key(&secret).map_err(|error| format!("{source}: {error}"))) {
            Ok(key) => keys.push(key),
            Err(mistake) if secrets.listed => mistakes.add(format!("secret[{n}]"), mistake),
            Err(mistake) => mistakes.add("secret", mistake),
        }
    }
    if secrets.listed && secrets.sources.is_empty() {
        mistakes
            .add("secret", "found an empty list, expected at least one secret; omit the key to send unsigned requests");
    }
    Signer::new(keys)
}

/// Text, or a secret in its place.
#[derive(Debug)]
enum Text {
    Plain(String),
    Secret(SecretSource),
}

impl Text {
    fn read(&self) -> Result<SecretString, String> {
        match self {
            Self::Plain(text) => Ok(SecretString::from(text.as_str())),
            Self::Secret(source) => source.read().map_err(|error| error.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, { file = \"..\" } or { env = \"..\" }")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Plain(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        SecretSource::deserialize(MapAccessDeserializer::new(map)).map(Text::Secret)
    }
}

/// No secret, one, or a list.
#[derive(Debug, Default)]
struct Secrets {
    sources: Vec<SecretSource>,
    listed: bool,
}

impl<'de> Deserialize<'de> for Secrets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SecretsVisitor)
    }
}

struct SecretsVisitor;

impl<'de> Visitor<'de> for SecretsVisitor {
    type Value = Secrets;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{ file = \"..\" } or { env = \"..\" }, or a list of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Secrets, E> {
        let source = SecretSource::deserialize(StrDeserializer::new(text))?;
        Ok(Secrets { sources: vec![source], listed: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Secrets, A::Error> {
        let source = SecretSource::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Secrets { sources: vec![source], listed: false })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Secrets, A::Error> {
        let sources = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
        Ok(Secrets { sources, listed: true })
    }
}
