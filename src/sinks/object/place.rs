//! Where objects are stored: the key `url`, and the keys that have a meaning there.

use std::path::PathBuf;

use object_store::path::Path;
use serde_json::json;
use url::Url;

use crate::config::{Reading, Section, value};

/// The longest prefix: the services take names of 1,024 bytes, with that of the key `path`.
const MAX_PREFIX_BYTES: usize = 200;
const EXPECTED: &str =
    "expected \"file:///folder\", \"s3://bucket/prefix\", \"az://container/prefix\" or \"gs://bucket/prefix\"";

/// A folder or a bucket, and the prefix of every object's name in it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    url: Url,
    /// Who keeps the objects.
    pub(super) service: Service,
    /// The bucket or container.
    pub(super) bucket: String,
    /// What every name begins with.
    pub(super) prefix: Path,
}

/// Who keeps objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// The disk.
    Folder(PathBuf),
    /// S3, or what speaks its protocol.
    S3,
    /// Azure Blob Storage.
    Azure,
    /// Google Cloud Storage.
    Gcs,
}

impl Service {
    /// The keys that have no meaning for it.
    fn foreign_keys(&self) -> &'static [&'static str] {
        match self {
            Self::Folder(_) => {
                &["endpoint", "region", "path_style", "account", "auth", "session_token", "metadata_server", "tls"]
            }
            Self::S3 => {
                &["account", "metadata_server", "auth.account_key", "auth.sas", "auth.service_account", "auth.token"]
            }
            Self::Azure => &[
                "region",
                "path_style",
                "session_token",
                "metadata_server",
                "auth.access_key_id",
                "auth.secret_access_key",
                "auth.service_account",
                "auth.token",
            ],
            Self::Gcs => &[
                "region",
                "path_style",
                "session_token",
                "account",
                "auth.access_key_id",
                "auth.secret_access_key",
                "auth.account_key",
                "auth.sas",
            ],
        }
    }
}

impl Place {
    /// Notes the keys that have no meaning beside this address, and those that are missing.
    pub(super) fn check(&self, section: &mut Section<'_>) {
        let scheme = self.url.scheme();
        for key in self.service.foreign_keys().iter().filter(|key| section.has(key)) {
            section
                .mistake(key, format!("found it beside a url of {scheme:?}, expected none: it has no meaning there"));
        }
        let needed: &[&str] = match self.service {
            Service::Azure => &["account"],
            Service::Folder(_) | Service::S3 | Service::Gcs => &[],
        };
        for key in needed.iter().filter(|key| !section.has(key)) {
            section.mistake(key, format!("found nothing, expected it beside a url of {scheme:?}"));
        }
    }
}

/// Reads the key `url`.
pub(super) fn reading() -> Reading<Place> {
    value::text().then(|text| of(&text), |place: &Place| json!(place.url.as_str()))
}

fn of(text: &str) -> Result<Place, String> {
    let url = Url::parse(text).map_err(|error| format!("found no address ({error}), {EXPECTED}"))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(format!("found a user, a password, a query or a fragment in the address, {EXPECTED}"));
    }
    let service = match url.scheme() {
        "file" => Service::Folder(url.to_file_path().map_err(|()| format!("found no folder, {EXPECTED}"))?),
        "s3" => Service::S3,
        "az" => Service::Azure,
        "gs" => Service::Gcs,
        other => return Err(format!("found the scheme {other:?}, {EXPECTED}")),
    };
    if matches!(service, Service::Folder(_)) {
        return Ok(Place { url, service, bucket: String::new(), prefix: Path::default() });
    }
    let bucket = url.host_str().unwrap_or_default().to_owned();
    let is_plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '-' | '_' | '$');
    if bucket.is_empty() || !bucket.chars().all(is_plain) || url.port().is_some() {
        return Err(format!("found no name of a bucket or container, {EXPECTED}"));
    }
    let prefix = prefix_of(&url)?;
    Ok(Place { url, service, bucket, prefix })
}

fn prefix_of(url: &Url) -> Result<Path, String> {
    let prefix =
        Path::from_url_path(url.path()).map_err(|error| format!("found a prefix that no object can have: {error}"))?;
    match prefix.as_ref().len() {
        n_bytes if n_bytes > MAX_PREFIX_BYTES => {
            Err(format!("found a prefix of {n_bytes} bytes, expected at most {MAX_PREFIX_BYTES}"))
        }
        _ => Ok(prefix),
    }
}
