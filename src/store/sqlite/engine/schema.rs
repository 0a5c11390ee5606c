//! The schema, and the migration of older databases.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

use super::failure::{broken, store_error, unusable};
use crate::store::StoreError;

/// Every migration, in order. A released migration never changes; its checksum makes sure of that.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_spine", include_str!("../../../../migrations/sqlite/0001_spine.sql")),
    ("0002_operations", include_str!("../../../../migrations/sqlite/0002_operations.sql")),
    ("0003_quarantine_tenant", include_str!("../../../../migrations/sqlite/0003_quarantine_tenant.sql")),
    ("0004_lookups", include_str!("../../../../migrations/sqlite/0004_lookups.sql")),
    ("0005_successes", include_str!("../../../../migrations/sqlite/0005_successes.sql")),
    ("0006_repeats", include_str!("../../../../migrations/sqlite/0006_repeats.sql")),
    ("0007_facts", include_str!("../../../../migrations/sqlite/0007_facts.sql")),
    ("0008_reading", include_str!("../../../../migrations/sqlite/0008_reading.sql")),
    ("0009_quarantine", include_str!("../../../../migrations/sqlite/0009_quarantine.sql")),
    ("0010_watching", include_str!("../../../../migrations/sqlite/0010_watching.sql")),
    ("0011_steady", include_str!("../../../../migrations/sqlite/0011_steady.sql")),
    ("0012_verified", include_str!("../../../../migrations/sqlite/0012_verified.sql")),
    ("0013_tallies", include_str!("../../../../migrations/sqlite/0013_tallies.sql")),
    ("0014_resends", include_str!("../../../../migrations/sqlite/0014_resends.sql")),
    ("0015_expectation_states", include_str!("../../../../migrations/sqlite/0015_expectation_states.sql")),
    ("0016_one_index", include_str!("../../../../migrations/sqlite/0016_one_index.sql")),
    ("0017_exchanges", include_str!("../../../../migrations/sqlite/0017_exchanges.sql")),
    ("0018_history", include_str!("../../../../migrations/sqlite/0018_history.sql")),
    ("0019_backlogs", include_str!("../../../../migrations/sqlite/0019_backlogs.sql")),
    ("0020_sink_conditions", include_str!("../../../../migrations/sqlite/0020_sink_conditions.sql")),
    ("0021_replayed", include_str!("../../../../migrations/sqlite/0021_replayed.sql")),
    ("0022_long_operations", include_str!("../../../../migrations/sqlite/0022_long_operations.sql")),
    ("0023_told", include_str!("../../../../migrations/sqlite/0023_told.sql")),
];

/// The first SQLite without the WAL-reset bug (<https://sqlite.org/wal.html#walresetbug>).
const LEAST_SQLITE: i32 = 3_051_003;

/// SQLite's `application_id` of our databases: "reel".
const APPLICATION_ID: i32 = 0x7265_656c;

/// Refuses a database that is not reelhook's. An empty database is accepted and becomes one.
///
/// # Errors
/// It is another application's database, or no database at all.
pub fn check_is_ours(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| broken(path, &error));
    let application_id = number("PRAGMA application_id")?;
    let is_empty = number("SELECT count(*) FROM sqlite_master")? == 0;
    if application_id == i64::from(APPLICATION_ID) || (is_empty && application_id == 0) {
        return Ok(());
    }
    Err(unusable(
        path,
        "found the SQLite database of another application, expected a store of reelhook's: give store.path another file",
    ))
}

/// Refuses a database that is not of this version.
///
/// # Errors
/// It is older or newer.
pub fn check_is_current(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let n_known: Option<i64> = connection.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0)).ok();
    if n_known.and_then(|n| usize::try_from(n).ok()) == Some(MIGRATIONS.len()) {
        return Ok(());
    }
    Err(unusable(
        path,
        "the store is not of this version: start the server of this version once, or run the server's own binary",
    ))
}

/// Brings a database up to date, each migration in one transaction.
///
/// # Errors
/// It was made by a newer reelhook, a migration was changed after it ran, or SQLite is too old.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if rusqlite::version_number() < LEAST_SQLITE {
        return Err(StoreError::Unusable(format!(
            "found SQLite {}, expected 3.51.3 or later: older ones can corrupt the log",
            rusqlite::version()
        )));
    }
    let path = connection.path().map(PathBuf::from).unwrap_or_default();
    let failed = |error: rusqlite::Error| match store_error(&error) {
        StoreError::Damaged(_) => broken(&path, &error),
        _ => StoreError::Unusable(format!("the database cannot be brought up to date: {error}")),
    };
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
    transaction
        .execute_batch(
            "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, sha256 BLOB NOT NULL) WITHOUT ROWID",
        )
        .map_err(failed)?;
    let n_known: i64 =
        transaction.query_row("SELECT count(*) FROM migrations", [], |row| row.get(0)).map_err(failed)?;
    if usize::try_from(n_known).unwrap_or(usize::MAX) > MIGRATIONS.len() {
        return Err(StoreError::Unusable(
            "the database was written by a newer reelhook: run that version, or restore a backup from before it".into(),
        ));
    }
    for (name, sql) in MIGRATIONS {
        let sha256 = Sha256::digest(sql.as_bytes()).to_vec();
        let known: Option<Vec<u8>> = transaction
            .query_row("SELECT sha256 FROM migrations WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(failed)?;
        match known {
            Some(known) if known == sha256 => {}
            Some(_) => {
                return Err(StoreError::Unusable(format!("migration {name} is not the one that this database ran")));
            }
            None => {
                transaction.execute_batch(sql).map_err(failed)?;
                transaction
                    .execute("INSERT INTO migrations (name, sha256) VALUES (?1, ?2)", (name, sha256))
                    .map_err(failed)?;
            }
        }
    }
    transaction.commit().map_err(failed)
}
