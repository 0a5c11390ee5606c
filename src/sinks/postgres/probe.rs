//! Looks whether the table takes rows, and what a commit is worth.

use super::Settings;
use super::connection::Connection;
use super::rows::Rows;
use crate::sinks::{DeliveryError, reason};

/// What decides what a commit is worth.
const WORTH: &str = "SELECT current_setting('synchronous_commit'), current_setting('fsync'), \
                     (SELECT relpersistence::text FROM pg_class WHERE oid = to_regclass($1))";
/// Whether the table could be made.
const MAY_CREATE: &str = "SELECT has_schema_privilege(COALESCE($1, current_schema()::text), 'CREATE')::text";

/// Inserts no row: so the server checks the table, its columns and the rights.
///
/// # Errors
/// The table does not take rows, or does not exist and cannot be made.
pub(super) async fn table(connection: &Connection, settings: &Settings) -> Result<Vec<String>, DeliveryError> {
    if !settings.create_table || connection.has(&settings.table).await? {
        connection.insert(&settings.table, &Rows::default()).await?;
    } else {
        let [may_create] = connection.ask(MAY_CREATE, &settings.table.schema).await?;
        if may_create.as_deref() != Some("true") {
            return Err(reason::retry_all("the table does not exist, and the user may not make it"));
        }
    }
    let [synchronous_commit, fsync, persistence] = connection.ask(WORTH, &settings.table.quoted).await?;
    let mut warnings = Vec::new();
    if synchronous_commit.as_deref() == Some("off") {
        warnings.push("synchronous_commit is off: a crash of the server can lose the events that it confirmed last.");
    }
    if fsync.as_deref() == Some("off") {
        warnings.push("fsync is off: a power cut can lose confirmed events, and damage the database.");
    }
    if persistence.as_deref() == Some("u") {
        warnings.push("The table is UNLOGGED: a crash of the server empties it.");
    }
    Ok(warnings.into_iter().map(str::to_owned).collect())
}
