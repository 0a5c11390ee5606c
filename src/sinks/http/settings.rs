//! The `http` sink's section, read and checked.

use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::{Host, Url};

use super::batch;
use super::guard::Guard;
use super::hidden::{self, Hidden};
use crate::config::value::network;
use crate::config::{AllowedNetworks, Section, Text};
use crate::sinks::signature::{self, Signer};
use crate::sinks::{Context, Shape, WITH_HEADERS};

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
pub(super) struct Settings {
    /// Where events are posted to.
    pub(super) url: Url,
    /// Headers that every request has.
    pub(super) headers: HeaderMap,
    /// Signs requests, with several secrets during a rotation.
    pub(super) signer: Signer,
    /// Which networks may be reached.
    pub(super) guard: Arc<Guard>,
    /// What is sent, and how it is written.
    pub(super) shape: Shape,
    /// Whether several events are sent in one request.
    pub(super) batch: bool,
    /// What nobody may see of a request.
    pub(super) hidden: Hidden,
    /// Whether what is sent holds something that an answer must not make visible.
    pub(super) sends_secrets: bool,
}

impl Settings {
    /// Reads the keys and the secrets.
    pub(super) fn read(section: &mut Section<'_>, context: &Context) -> Option<Self> {
        let url = section.need_text_or_secret("url", "the address, as \"https://crm.example.com/hooks\"");
        let (signer, signing) = signer(section);
        let Configured { headers, mut secrets, has_secret: has_secret_header } = headers(section);
        secrets.extend(signing);
        let allowed = section.list("allow_private", Vec::new(), network());
        let shape = Shape::read(section, WITH_HEADERS, context);
        let batch = batch::read(section, &shape);
        let is_secret = url.as_ref().is_some_and(Text::is_secret);
        // Whether an address may be reached is not known where the networks are not.
        let are_known = !section.has_mistake("allow_private");
        let (url, encrypted) = match check_address(url?.expose(), &allowed) {
            Ok(address) => address,
            Err(Refusal::Address(text)) => return noted(section, text),
            Err(Refusal::Network(text)) if are_known => return noted(section, text),
            Err(Refusal::Network(_)) => return None,
        };
        let guard = Arc::new(Guard::new(allowed, encrypted));
        let hidden = Hidden::of(&url, is_secret, secrets);
        let sends_secrets = shape.includes_access_token() || is_secret || has_secret_header;
        Some(Self { url, headers, signer, guard, shape, batch, hidden, sends_secrets })
    }
}

fn noted<T>(section: &Section<'_>, text: String) -> Option<T> {
    section.mistake("url", text);
    None
}

/// Why an address is refused.
enum Refusal {
    /// For what it is.
    Address(String),
    /// For what `allow_private` does not name.
    Network(String),
}

/// The address and whether it is an encrypted one. The address itself is never shown: it may hold a secret.
fn check_address(text: &str, allowed: &AllowedNetworks) -> Result<(Url, bool), Refusal> {
    let wrong = |text: &str| Err(Refusal::Address(text.into()));
    let url = Url::parse(text)
        .map_err(|error| Refusal::Address(format!("found an invalid URL ({error}), expected https://..")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return wrong("found a user or password in the URL, expected none: send them in headers.Authorization");
    }
    let encrypted = match url.scheme() {
        "https" => true,
        "http" if !allowed.is_empty() => false,
        "http" => {
            return Err(Refusal::Network("found http:// without allow_private, expected https://..".into()));
        }
        _ => return wrong("found another scheme, expected https://.."),
    };
    let address = match url.host() {
        None => return wrong("found no host, expected https://.."),
        Some(Host::Domain(_)) => None,
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
    };
    match address.map(|address| Guard::new(allowed.clone(), encrypted).check(address)) {
        Some(Err(refused)) => Err(Refusal::Network(format!("found an address that is refused: {refused}"))),
        _ => Ok((url, encrypted)),
    }
}

/// The configured headers.
#[derive(Default)]
struct Configured {
    headers: HeaderMap,
    /// The values that nobody may see.
    secrets: Vec<SecretString>,
    /// Whether the config itself names one of them as a secret.
    has_secret: bool,
}

fn headers(section: &mut Section<'_>) -> Configured {
    let mut found = Configured::default();
    for it in section.texts_or_secrets("headers") {
        found.has_secret |= it.value.is_secret();
        match header(&it.name, &it.value) {
            Ok((name, _)) if found.headers.contains_key(&name) => {
                section.report.mistake(&it.path, "found the header twice, in different cases, expected it once");
            }
            Ok((name, value)) => {
                found.secrets.extend(value.is_sensitive().then(|| SecretString::from(it.value.expose())));
                found.headers.insert(name, value);
            }
            Err(mistake) => section.report.mistake(&it.path, mistake),
        }
    }
    found
}

fn header(name: &str, value: &Text) -> Result<(HeaderName, HeaderValue), String> {
    let name: HeaderName = name.parse().map_err(|_| "found an invalid header name".to_owned())?;
    if OWN_HEADERS.contains(&name.as_str()) || ["webhook-", "ce-"].iter().any(|own| name.as_str().starts_with(own)) {
        return Err("found a header that reelhook sets itself".into());
    }
    if SECRET_HEADERS.contains(&name.as_str()) && !value.is_secret() {
        return Err("found text, expected { file = \"..\" } or { env = \"..\" }: it is a secret".into());
    }
    let mut header = HeaderValue::from_str(value.expose())
        .map_err(|_| "found characters that are not allowed in a header, expected visible ASCII".to_owned())?;
    header.set_sensitive(value.is_secret() || hidden::is_told_by(name.as_str()));
    Ok((name, header))
}

/// The signer, and its secrets: the receiver has them too, and may repeat them.
fn signer(section: &mut Section<'_>) -> (Signer, Vec<SecretString>) {
    let (mut keys, mut secrets) = (Vec::new(), Vec::new());
    for secret in section.one_or_more_secrets("secret") {
        match signature::key(&secret.value) {
            Ok(key) => keys.push(key),
            Err(mistake) => section.report.mistake(&secret.path, mistake),
        }
        secrets.extend(signature::spellings(&secret.value));
    }
    (Signer::new(keys), secrets)
}
