//! Opening the store: the folder, the file, the checks, and the settings of every connection.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::failure::store_error;
pub use super::failure::{broken, unusable};
use super::schema;
use crate::store::StoreError;
use crate::store::seal::Seal;

/// How long a connection waits for another process's write: an operator's command beside the server.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// SQLite cuts a longer log to this length.
pub const LOG_LIMIT_BYTES: u64 = 64 << 20;
/// Statements that stay prepared.
const PREPARED_STATEMENTS: usize = 64;
/// The text that is sealed to recognise the key.
const SEAL_CHECK: &[u8] = b"reelhook";

/// The folder of a store.
pub fn folder(store: &Path) -> &Path {
    match store.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the folder, readable by its owner alone, where it is missing.
///
/// # Errors
/// It cannot be made.
pub fn make_folder(store: &Path) -> Result<(), StoreError> {
    let folder = folder(store);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| unusable(folder, &format!("the store's folder cannot be made: {error}")))
}

/// The path of the database's file, if the path in the config is a link.
pub fn real(store: &Path) -> PathBuf {
    std::fs::canonicalize(store).unwrap_or_else(|_missing| store.to_owned())
}

/// The writer's connection. Makes the database if it is missing, and migrates it to the newest schema.
///
/// # Errors
/// The file is not a store of this version, or was sealed with another key.
pub fn writer(store: &Path, seal: &Seal) -> Result<Connection, StoreError> {
    make_file(store)?;
    let is_new = store.metadata().is_ok_and(|found| found.len() == 0);
    let mut connection = connect(store)?;
    schema::check_is_ours(&connection, store)?;
    prepare_writer(&connection).map_err(|error| broken(store, &error))?;
    schema::migrate(&mut connection)?;
    check_key(&connection, seal, store)?;
    if is_new {
        let synced = File::open(folder(store)).and_then(|folder| folder.sync_all());
        synced.map_err(|error| unusable(folder(store), &format!("the store's folder cannot be synced: {error}")))?;
    }
    Ok(connection)
}

/// A command's connection, with or without a running server. The store must exist and be of this version.
///
/// # Errors
/// There is no store, or it is of another version or was sealed with another key.
pub fn operator(store: &Path, seal: &Seal) -> Result<Connection, StoreError> {
    let connection = reader(store)?;
    schema::check_is_ours(&connection, store)?;
    schema::check_is_current(&connection, store)?;
    check_key(&connection, seal, store)?;
    Ok(connection)
}

/// A connection that cannot write.
///
/// # Errors
/// The file cannot be opened.
pub fn reader(store: &Path) -> Result<Connection, StoreError> {
    let connection = connect(store)?;
    let told = connection.pragma_update(None, "query_only", true);
    let told = told.and_then(|()| connection.pragma_update(None, "cache_size", -2048));
    // The server copies the log. Without this, a command that ends last would do it, under a lock.
    let no_copy = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    let told = told.and_then(|()| connection.set_db_config(no_copy, true));
    told.map_err(|error| store_error(&error))?;
    Ok(connection)
}

/// A connection that copies the log into the database.
///
/// # Errors
/// The file cannot be opened.
pub fn checkpointer(store: &Path) -> Result<Connection, StoreError> {
    let connection = connect(store)?;
    connection.pragma_update(None, "synchronous", "full").map_err(|error| broken(store, &error))?;
    Ok(connection)
}

/// Refuses if there is no store.
///
/// # Errors
/// There is none.
pub fn must_exist(store: &Path) -> Result<(), StoreError> {
    if store.exists() {
        return Ok(());
    }
    Err(unusable(
        store,
        "found no store here, expected the server's: check store.path. The server makes the store when it starts",
    ))
}

/// Makes the database's file, readable by its owner alone, where it is missing.
///
/// # Errors
/// It cannot be made.
pub fn make_file(store: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(store);
    match made {
        Ok(_file) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unusable(store, &format!("the store cannot be made: {error}"))),
    }
}

fn connect(store: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(store, flags).map_err(|error| broken(store, &error))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(|error| broken(store, &error))?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    // Without this, a statement whose plan could depend on a bound value is planned again for each value: a third of
    // the writer's time. None of the plans that are wanted depends on a value.
    let config = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
    connection.set_db_config(config, true).map_err(|error| broken(store, &error))?;
    Ok(connection)
}

fn prepare_writer(connection: &Connection) -> rusqlite::Result<()> {
    // For a new store: the log is written page by page, and an event is about 2 KiB.
    connection.pragma_update(None, "page_size", 8192)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    // The writer copies the log itself and checks the result. Between two copies the log's file is kept, because
    // syncing a growing file costs more; after a flood it is cut back to this length.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |row| row.get::<_, i64>(0))?;
    let limit = LOG_LIMIT_BYTES.cast_signed();
    connection.pragma_update_and_check(None, "journal_size_limit", limit, |row| row.get::<_, i64>(0))?;
    // Room for the most used ends of the trees and for the lookups.
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // Deleted values are overwritten if that costs no write of its own; wiping a token asks for more.
    connection.pragma_update_and_check(None, "secure_delete", "fast", |row| row.get::<_, i64>(0))?;
    Ok(())
}

fn check_key(connection: &Connection, seal: &Seal, store: &Path) -> Result<(), StoreError> {
    let sealed: Option<Vec<u8>> = connection
        .query_row("SELECT sealed FROM seal_check", [], |row| row.get(0))
        .optional()
        .map_err(|error| broken(store, &error))?;
    match sealed {
        Some(sealed) => seal.open("check", b"", &sealed).map(drop).map_err(|_other_key| {
            unusable(
                store,
                "it was sealed with another key: put that one back (store.encryption_key, or the .key file)",
            )
        }),
        None => {
            let sealed = seal.seal("check", b"", &[SEAL_CHECK])?;
            let kept = connection.execute("INSERT INTO seal_check (sealed) VALUES (?1)", [sealed]);
            kept.map(drop).map_err(|error| broken(store, &error))
        }
    }
}

/// The path of a file that belongs to a store.
pub fn beside(store: &Path, ending: &str) -> PathBuf {
    let mut path = store.as_os_str().to_owned();
    path.push(ending);
    PathBuf::from(path)
}
