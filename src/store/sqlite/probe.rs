//! Whether a store can be opened: its folder, its database, its key. For a check of a config; nothing is made that stays.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use super::SqliteStore;
use super::engine::lock;
use super::engine::open::{self, unusable};
use crate::clock::Clock;
use crate::config;
use crate::store::StoreError;
use crate::store::disk::Disk;
use crate::store::seal::Seal;

/// Whether the folder of the store is there or can be made, and whether a file can be written in it. If the database is
/// there, whether it can be opened by this version and with this key; otherwise whether there is space for it.
///
/// # Errors
/// [`StoreError::Unusable`]: the server would not start, or would accept nothing.
pub fn folder(settings: &config::Store) -> Result<(), StoreError> {
    let store = open::real(&settings.path);
    let folder = existing(open::folder(&store));
    let written = tempfile::Builder::new().prefix(".reelhook-check-").tempfile_in(&folder);
    written.map_err(|error| unusable(&folder, &format!("no file can be written in it: {error}")))?;
    if !store.exists() {
        return match Disk::new(&folder, settings.disk_reserve_bytes).is_low() {
            true => Err(unusable(&folder, "less space is free than store.disk_reserve: reelhook would accept nothing")),
            false => Ok(()),
        };
    }
    let writable = OpenOptions::new().read(true).write(true).open(&store);
    writable.map_err(|error| unusable(&store, &format!("the database cannot be written: {error}")))?;
    SqliteStore::open_for_operator(settings, Clock::system()).map(drop)
}

/// Whether the key of the store can be read, or will be made at the first start.
///
/// # Errors
/// [`StoreError::Unusable`]: the server would not start.
pub fn key(settings: &config::Store) -> Result<(), StoreError> {
    Seal::check(settings.encryption_key.as_ref(), &settings.path)
}

/// Whether a server uses the store now.
pub fn is_in_use(settings: &config::Store) -> bool {
    lock::is_taken(&settings.path)
}

/// The folder, or the nearest one above it that exists: the others are made in it.
fn existing(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_error| folder.to_owned());
    absolute.ancestors().find(|it| it.exists()).unwrap_or(Path::new("/")).to_owned()
}
