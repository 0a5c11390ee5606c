//! A copy of the database as it is at one moment, made beside a running server.
//!
//! **Invariants**
//! 1. `VACUUM INTO` reads one snapshot and writes a database of its own, without a log. The server goes on; only its log
//!    cannot be restarted meanwhile (<https://sqlite.org/lang_vacuum.html#vacuuminto>).
//! 2. A file with the wanted name is a whole copy: it is checked, synced, and then gets its name. No file is replaced.
//! 3. The key is not copied: whoever has both can read the payloads.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tempfile::NamedTempFile;

use super::engine::failure::store_error;
use super::engine::open::{self, folder, unusable};
use crate::config;
use crate::store::StoreError;
use crate::store::seal::Seal;

/// How many of SQLite's instructions run between two looks at the copy: some milliseconds.
const INSTRUCTIONS: i32 = 100_000;

/// How far a copy is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The bytes that were written.
    pub n_bytes: u64,
    /// The bytes of the database, without its free pages.
    pub of_bytes: u64,
}

/// Copies the store of `settings` to the file `to`, and returns its bytes. `goes_on` is told how far the copy is; if it
/// returns false, the copy ends, and nothing is left of it. This blocks.
///
/// # Errors
/// [`StoreError::Unusable`]: there is no store, a file `to` exists, or it cannot be written. [`StoreError::Slow`]: it was
/// ended. [`StoreError::Damaged`]: the store is damaged, or the copy is.
pub fn make(
    settings: &config::Store,
    to: &Path,
    goes_on: impl Fn(Copied) -> bool + Send + 'static,
) -> Result<u64, StoreError> {
    open::must_exist(&settings.path)?;
    if to.symlink_metadata().is_ok() {
        return Err(unusable(to, "found a file here, expected none: a backup replaces nothing"));
    }
    let seal = Seal::new(settings.encryption_key.as_ref(), &settings.path)?;
    let copy = NamedTempFile::with_prefix_in(".reelhook-backup-", folder(to));
    let copy = copy.map_err(|error| unusable(folder(to), &format!("no file can be made in it: {error}")))?;
    write(&mut open::operator(&settings.path, &seal)?, copy.path(), goes_on)?;
    let n_bytes = check(copy.path(), &seal)?;
    let synced = copy.as_file().sync_all();
    synced.map_err(|error| unusable(to, &format!("the backup cannot be synced: {error}")))?;
    copy.persist_noclobber(to)
        .map_err(|error| unusable(to, &format!("the backup cannot be named: {}", error.error)))?;
    let synced = File::open(folder(to)).and_then(|folder| folder.sync_all());
    synced.map_err(|error| unusable(folder(to), &format!("the folder cannot be synced: {error}")))?;
    Ok(n_bytes)
}

/// Writes the copy into an empty file.
fn write(
    connection: &mut Connection,
    copy: &Path,
    goes_on: impl Fn(Copied) -> bool + Send + 'static,
) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => unusable(copy, "the disk is full: the backup was given up"),
        Some(ErrorCode::SystemIoFailure) => unusable(copy, &format!("the backup cannot be written: {error}")),
        _ => store_error(&error),
    };
    let number = |name| {
        let found = connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed)?;
        Ok::<_, StoreError>(u64::try_from(found).unwrap_or_default())
    };
    let n_pages = number("page_count")?.saturating_sub(number("freelist_count")?);
    let of_bytes = n_pages.saturating_mul(number("page_size")?);
    let seen = copy.to_owned();
    let is_over = move || {
        let n_bytes = seen.metadata().map_or(0, |found| found.len());
        !goes_on(Copied { n_bytes, of_bytes })
    };
    // Nothing is written to the store: this lets the statement write to the copy.
    connection.pragma_update(None, "query_only", false).map_err(failed)?;
    // The copy is synced as a whole, so a server that writes its log is not held up by each part of it.
    connection.busy_timeout(Duration::from_secs(30)).map_err(failed)?;
    connection.progress_handler(INSTRUCTIONS, Some(is_over)).map_err(failed)?;
    let path = copy.to_str().ok_or_else(|| unusable(copy, "the path is not UTF-8"))?;
    connection.execute("VACUUM INTO ?1", [path]).map(drop).map_err(failed)
}

/// Checks the copy, and returns its bytes.
fn check(copy: &Path, seal: &Seal) -> Result<u64, StoreError> {
    let connection = open::operator(copy, seal)?;
    let found: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(|error| store_error(&error))?;
    if found != "ok" {
        return Err(StoreError::Damaged(found));
    }
    copy.metadata().map(|found| found.len()).map_err(|error| unusable(copy, &format!("it cannot be read: {error}")))
}
