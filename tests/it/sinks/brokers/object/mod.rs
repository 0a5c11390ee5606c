//! The services that the kind `object` stores in.

mod azure;
mod batched;
mod gcs;
mod s3;
mod stub;

use super::Arrived;

/// The kind.
pub const KIND: &str = "object";

/// An HTTP client, to look into a service without the sink's library.
fn client() -> reqwest::Client {
    let tls = reelhook::tls::client_config().unwrap();
    reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap()
}

/// What stands in the elements of this name, in a list of objects.
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let text = |rest: &str| without_entities(rest.split_once('<').unwrap().0);
    xml.split(&format!("<{name}>")).skip(1).map(text).collect()
}

fn without_entities(text: &str) -> String {
    let entities = [("&#34;", "\""), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    // The last, so that what it makes is not read as another.
    let entities = entities.iter().chain(&[("&amp;", "&")]);
    entities.fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// An object's name in an address.
fn in_address(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string().replace("%2F", "/")
}

/// The event that an object is. Its name has the id of the delivery.
fn arrived((name, text): (String, String)) -> Arrived {
    assert!(name.starts_with("kept/"), "{name}");
    let (_, id) = name.rsplit_once('/').unwrap();
    Arrived { id: id.trim_end_matches(".json").to_owned(), event: serde_json::from_str(&text).unwrap() }
}
