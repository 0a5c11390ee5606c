//! The `http` sink's section, read and checked.

use std::sync::Arc;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;
use url::Url;

use super::address::{self, Allowed};
use super::batch;
use super::bearer::{self, Bearer};
use super::guard::Guard;
use super::hidden::{self, Hidden};
use crate::config::value::network;
use crate::config::{Section, Text};
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
    /// Gets the token of each request, where one is wanted.
    pub(super) bearer: Option<Bearer>,
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
        let networks = section.list("allow_private", Vec::new(), network());
        let allowed = Allowed { networks, are_known: !section.has_mistake("allow_private") };
        let shape = Shape::read(section, WITH_HEADERS, context);
        let batch = batch::read(section, &shape);
        let is_secret = url.as_ref().is_some_and(Text::is_secret);
        let bearer = bearer::read(section, &headers, &allowed);
        let (url, guard) = address::reached(section, "url", url?.expose(), &allowed)?;
        let hidden = Hidden::of(&url, is_secret, secrets);
        let sends_secrets = shape.includes_access_token() || is_secret || has_secret_header || bearer.is_some();
        Some(Self { url, headers, bearer, signer, guard, shape, batch, hidden, sends_secrets })
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
