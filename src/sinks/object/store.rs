//! Creates objects, and compares them with those that are there.

use std::fs::File;
use std::io;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use sha2::{Digest, Sha256};

use super::Settings;
use super::failure;
use super::place::Service;
use super::service;
use crate::sinks::connection::Connected;
use crate::sinks::{DeliveryError, Message, folder, reason};

/// What keeps the objects.
pub(super) struct Store {
    objects: Arc<dyn ObjectStore>,
    /// The same as files, to sync them.
    files: Option<Arc<LocalFileSystem>>,
}

impl Connected for Store {}

impl Store {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`DeliveryError::Retry`] for every delivery.
    pub(super) fn open(settings: &Settings) -> Result<Self, DeliveryError> {
        let objects = match &settings.place.service {
            Service::Folder(root) => {
                let files = service::files(root)?;
                return Ok(Self { objects: Arc::clone(&files) as _, files: Some(files) });
            }
            Service::S3 => service::s3(settings)?,
            Service::Azure => service::azure(settings)?,
            Service::Gcs => service::gcs(settings)?,
        };
        Ok(Self { objects, files: None })
    }

    /// The client itself.
    pub(super) fn objects(&self) -> &dyn ObjectStore {
        &*self.objects
    }

    /// Creates an object. One of this name that is there already must hold the same bytes: then it is a repeat.
    ///
    /// # Errors
    /// Why the object is not there, as far as is known; or another object is.
    pub(super) async fn create(&self, name: &Path, message: Message) -> Result<(), DeliveryError> {
        let bytes = Bytes::from(message.body);
        let mut options = PutOptions::from(PutMode::Create);
        if self.files.is_none() {
            options.attributes = Attributes::from_iter([(Attribute::ContentType, message.content_type)]);
        }
        match self.objects.put_opts(name, bytes.clone().into(), options).await {
            Ok(_stored) => {}
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. }) => {
                self.compare(name, &bytes).await?;
            }
            Err(error) => return Err(failure::of(&error)),
        }
        self.sync(name).await
    }

    async fn compare(&self, name: &Path, bytes: &Bytes) -> Result<(), DeliveryError> {
        let failed = |error: Error| {
            reason::retry(&format!("found an object of this name, and could not read it: {}", failure::told(&error)))
        };
        let found = self.objects.get(name).await.map_err(failed)?;
        let n_bytes = found.meta.size;
        // Another object may be of any size: only one that may be a repeat is read.
        let sum = if n_bytes == bytes.len() as u64 {
            let found = found.bytes().await.map_err(failed)?;
            if found == *bytes {
                return Ok(());
            }
            format!(", SHA-256 {}", fingerprint(&found))
        } else {
            String::new()
        };
        Err(reason::reject(&format!(
            "found another object ({n_bytes} bytes{sum}), and did not overwrite it; expected none, or this delivery's \
             ({} bytes, SHA-256 {}): {name}",
            bytes.len(),
            fingerprint(bytes),
        )))
    }

    /// Syncs a file and its folders. Of a repeat, the attempt that wrote it may have been interrupted; and of two
    /// deliveries at a time, the other may have made the folder and not synced it yet.
    async fn sync(&self, name: &Path) -> Result<(), DeliveryError> {
        let Some(files) = &self.files else { return Ok(()) };
        let file = files.path_to_filesystem(name).map_err(|error| failure::of(&error))?;
        let n_folders = name.parts().count();
        let synced = tokio::task::spawn_blocking(move || sync_with_folders(&file, n_folders)).await;
        let synced = synced.map_err(io::Error::other).and_then(|result| result);
        synced.map_err(|error| reason::retry_all(&format!("could not sync {name}: {error}")))
    }
}

fn sync_with_folders(file: &FilePath, n_folders: usize) -> io::Result<()> {
    File::open(file)?.sync_all()?;
    file.ancestors().skip(1).take(n_folders).try_for_each(folder::sync)
}

/// Enough to tell two contents apart.
fn fingerprint(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..8])
}
