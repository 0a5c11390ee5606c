//! The clients of the services, with the login and the certificates as they are when one is made. Nothing is sent yet.

use std::path::Path;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, RetryConfig};
use secrecy::ExposeSecret;

use super::Settings;
use super::bearer;
use super::client::Client;
use super::failure;
use crate::sinks::auth::{Method, TOKEN};
use crate::sinks::credentials::ACCESS_KEY;
use crate::sinks::google::SERVICE_ACCOUNT;
use crate::sinks::{DeliveryError, folder, reason};

/// Azure: the key of the account.
const ACCOUNT_KEY: Method = Method { name: None, secret: "account_key" };
/// Azure: a shared access signature.
const SAS: Method = Method { name: None, secret: "sas" };
/// What the table `auth` may have.
pub(super) const METHODS: &[Method] = &[ACCESS_KEY, ACCOUNT_KEY, SAS, SERVICE_ACCOUNT, TOKEN];

/// The dispatcher makes another attempt, not the client.
fn once() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// A folder, which is made where it is missing. A file gets its name when its bytes are synced.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery.
pub(super) fn files(root: &Path) -> Result<Arc<LocalFileSystem>, DeliveryError> {
    let failed = |error: &dyn std::fmt::Display| reason::retry_all(&format!("{}: {error}", root.display()));
    folder::make(root).map_err(|error| failed(&error))?;
    let files = LocalFileSystem::new_with_prefix(root).map_err(|error| failed(&error))?;
    Ok(Arc::new(files.with_fsync(true)))
}

/// S3, or what speaks its protocol.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery.
pub(super) fn s3(settings: &Settings) -> Result<Arc<dyn ObjectStore>, DeliveryError> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&settings.place.bucket)
        .with_region(&settings.region)
        .with_virtual_hosted_style_request(!settings.path_style)
        .with_retry(once())
        .with_http_connector(Client::new(settings.tls.as_ref())?);
    if let Some(endpoint) = settings.endpoint() {
        builder = builder.with_endpoint(endpoint).with_allow_http(true);
    }
    match settings.credentials.login()? {
        Some(login) => {
            builder = builder.with_access_key_id(login.name).with_secret_access_key(login.secret.expose_secret());
            if let Some(token) = settings.credentials.session_token()? {
                builder = builder.with_token(token.expose_secret());
            }
        }
        None => builder = builder.with_skip_signature(true),
    }
    builder.build().map(|it| Arc::new(it) as _).map_err(|error| failure::of(&error))
}

/// Azure Blob Storage.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery.
pub(super) fn azure(settings: &Settings) -> Result<Arc<dyn ObjectStore>, DeliveryError> {
    let mut builder = MicrosoftAzureBuilder::new()
        .with_container_name(&settings.place.bucket)
        .with_account(settings.account.as_deref().unwrap_or_default())
        .with_retry(once())
        .with_http_connector(Client::new(settings.tls.as_ref())?);
    if let Some(endpoint) = settings.endpoint() {
        builder = builder.with_endpoint(endpoint).with_allow_http(true);
    }
    builder = match settings.credentials.login()? {
        Some(login) if *login.method == SAS => {
            let pairs = url::form_urlencoded::parse(login.secret.expose_secret().trim_start_matches('?').as_bytes());
            builder.with_sas_authorization(pairs.into_owned().collect::<Vec<_>>())
        }
        Some(login) => builder.with_access_key(login.secret.expose_secret()),
        None => builder.with_skip_signature(true),
    };
    builder.build().map(|it| Arc::new(it) as _).map_err(|error| failure::of(&error))
}

/// Google Cloud Storage, by its XML API.
///
/// # Errors
/// [`DeliveryError::Retry`] for every delivery.
pub(super) fn gcs(settings: &Settings) -> Result<Arc<dyn ObjectStore>, DeliveryError> {
    let client = Client::new(settings.tls.as_ref())?;
    let mut builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(&settings.place.bucket)
        .with_credentials(bearer::of(settings, &client))
        .with_retry(once())
        .with_http_connector(client);
    if let Some(endpoint) = settings.endpoint() {
        builder = builder.with_base_url(&endpoint);
    }
    builder.build().map(|it| Arc::new(it) as _).map_err(|error| failure::of(&error))
}
