//! `[store]`.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytesize::ByteSize;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::config::section::Section;
use crate::config::value::{count, duration, name, share, size};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `[store]`
#[derive(Clone, Debug)]
pub struct Store {
    /// The address of a database of PostgreSQL; `None`: the store is the SQLite file at `path`.
    pub url: Option<SecretString>,
    /// The SQLite file; its folder is made if it is missing.
    pub path: PathBuf,
    /// 32 bytes in base64; `None`: generated once, 0600, beside the file, as `<path>.key`.
    pub encryption_key: Option<SecretString>,
    /// How long repeats and equal bytes are recognised.
    pub deduplicate: Duration,
    /// How long a recording's token is kept after every delivery is settled.
    pub token_retention: Duration,
    /// How long settled events are kept.
    pub retention: Duration,
    /// Free disk space below which nothing is accepted.
    pub disk_reserve_bytes: u64,
    /// The most quarantine entries.
    pub quarantine_max_entries: usize,
    /// The most bytes of quarantined bodies.
    pub quarantine_max_bytes: u64,
    /// The share of both that known senders leave to strangers, 0 to 1.
    pub quarantine_strangers_share: f64,
    /// The most exchanges of attempts; 0: none is kept.
    pub exchanges_max_entries: usize,
    /// The most bytes of exchanges.
    pub exchanges_max_bytes: u64,
}

/// Reads `[store]`.
pub fn store(root: &mut Section<'_>) -> Store {
    let mut section = root.section_or_empty("store");
    let url = url(&mut section);
    Store {
        path: PathBuf::from(section.or("path", "data/reelhook.db".to_owned(), name(4096))),
        encryption_key: encryption_key(&mut section, url.is_some()),
        url,
        deduplicate: section.or("deduplicate", DAY, duration(Duration::from_secs(60)..=30 * DAY)),
        token_retention: section.or("token_retention", DAY, duration(Duration::ZERO..=30 * DAY)),
        retention: section.or("retention", 30 * DAY, duration(HOUR..=3650 * DAY)),
        disk_reserve_bytes: section.or("disk_reserve", 256 << 20, size(ByteSize(0)..=ByteSize::tib(1))),
        quarantine_max_entries: section.or("quarantine_max_entries", 10_000, count(1..=10_000_000)),
        quarantine_max_bytes: section.or("quarantine_max_bytes", 64 << 20, size(ByteSize::kib(64)..=ByteSize::tib(1))),
        quarantine_strangers_share: section.or("quarantine_strangers_share", 0.25, share()),
        exchanges_max_entries: section.or("exchanges_max_entries", 10_000, count(0..=10_000_000)),
        exchanges_max_bytes: section.or("exchanges_max_bytes", 64 << 20, size(ByteSize::kib(64)..=ByteSize::tib(1))),
    }
}

fn url(section: &mut Section<'_>) -> Option<SecretString> {
    let url = section.text_or_secret("url")?;
    if !cfg!(feature = "store-postgres") {
        section.mistake("url", "found an address, expected none: this build has no store in PostgreSQL");
        return None;
    }
    if ["postgres://", "postgresql://"].iter().any(|scheme| url.expose().starts_with(scheme)) {
        return Some(SecretString::from(url.expose()));
    }
    // Not shown: it may hold a password.
    let text = "found something else, expected an address as \"postgres://user@db.example.com:5432/reelhook\"";
    section.mistake("url", text);
    None
}

/// `is_shared`: several processes may have the store, so that none of them can make its key.
fn encryption_key(section: &mut Section<'_>, is_shared: bool) -> Option<SecretString> {
    let key = section.secret("encryption_key");
    if is_shared && key.is_none() && !section.has_mistake("encryption_key") {
        let text = "found none beside store.url, expected the key that all processes of the store have: \
                    { file = \"..\" } or { env = \"..\" }; `head -c 32 /dev/urandom | base64` makes one";
        section.mistake("encryption_key", text);
    }
    let key = key?;
    let bytes = STANDARD.decode(key.expose_secret().trim()).map(Zeroizing::new);
    if bytes.is_ok_and(|bytes| bytes.len() == 32) {
        return Some(key);
    }
    let text = "found something else, expected 32 bytes in base64; `head -c 32 /dev/urandom | base64` makes them";
    section.report.mistake(&section.path_of("encryption_key"), text);
    None
}
