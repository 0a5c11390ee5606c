//! The address of a server that a sink connects to: the key `url`.

#![cfg_attr(not(feature = "default"), allow(dead_code, reason = "a build without some kinds does not use all"))]

use serde_json::json;
use url::Url;

use crate::config::{Reading, value};

/// Reads an address with one of `schemes`, a host, and neither user nor password: those stand in `auth`. `example` is such
/// an address. What was found is never shown, because it may hold a password.
pub fn address(schemes: &'static [&'static str], example: &str) -> Reading<Url> {
    let expected = format!("expected an address as \"{example}\"");
    let read = move |text: String| {
        let url = Url::parse(&text).map_err(|error| format!("found no address ({error}), {expected}"))?;
        if !schemes.contains(&url.scheme()) {
            return Err(format!("found another scheme than {}, {expected}", schemes.join(" or ")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("found a user or a password in the address, expected none: write them in auth".to_owned());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(format!("found no host, {expected}"));
        }
        Ok(url)
    };
    value::text().then(read, |url: &Url| json!(url.as_str()))
}
