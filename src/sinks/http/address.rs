//! The addresses of the config that requests are sent to.

use std::sync::Arc;

use url::{Host, Url};

use super::guard::Guard;
use crate::config::{AllowedNetworks, Section};

/// The networks that the config allows.
pub(super) struct Allowed {
    pub(super) networks: AllowedNetworks,
    /// Whether they were read without a mistake. Otherwise it is not known whether an address may be reached.
    pub(super) are_known: bool,
}

/// Checks the address at `key`. Returns what guards the way to it. `None`: a mistake was noted. The address itself is never
/// shown: it may hold a secret.
pub(super) fn reached(section: &Section<'_>, key: &str, text: &str, allowed: &Allowed) -> Option<(Url, Arc<Guard>)> {
    match checked(text, &allowed.networks) {
        Ok((url, guard)) => return Some((url, Arc::new(guard))),
        Err(Refusal::Address(text)) => section.mistake(key, text),
        Err(Refusal::Network(text)) if allowed.are_known => section.mistake(key, text),
        Err(Refusal::Network(_)) => {}
    }
    None
}

/// Why an address is refused.
enum Refusal {
    /// For what it is.
    Address(String),
    /// For what `allow_private` does not name.
    Network(String),
}

fn checked(text: &str, allowed: &AllowedNetworks) -> Result<(Url, Guard), Refusal> {
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
    let guard = Guard::new(allowed.clone(), encrypted);
    match address.map(|address| guard.check(address)) {
        Some(Err(refused)) => Err(Refusal::Network(format!("found an address that is refused: {refused}"))),
        _ => Ok((url, guard)),
    }
}
