//! Whether a store can be opened: its server, what that can do, its key. For a check of a config; nothing is changed.

use super::engine::connections::Connections;
use super::engine::{key, migrations, sql};
use crate::config;
use crate::store::StoreError;
use crate::store::seal::Seal;

/// What a store needs of a server, each as a statement that fails, or says no, on a server without it.
const NEEDS: [(&str, &str); 2] = [
    ("locks of a transaction", "SELECT pg_try_advisory_xact_lock(0) IS NOT NULL AS can"),
    ("sequences", "SELECT count(*) >= 0 AS can FROM pg_sequences"),
];

/// What was found, in words.
///
/// # Errors
/// The server would not start, or could not keep what it acknowledges.
pub async fn probe(settings: &config::Store) -> Result<Vec<String>, StoreError> {
    let seal = Seal::of_shared_key(settings.encryption_key.as_ref())?;
    let connections = Connections::new(super::address(settings)?)?;
    let client = connections.get().await?;
    let shown = "SELECT current_setting('server_version') AS version, current_setting('synchronous_commit') AS commits, \
                 current_setting('fsync') AS fsync, pg_is_in_recovery() AS is_replica";
    let mut found = Vec::new();
    if let Some(row) = sql::first(&client, shown, &[]).await? {
        let text = |column| sql::get::<String>(&row, column);
        found.push(format!("PostgreSQL {}", text("version")?));
        found.push(format!("synchronous_commit {}", text("commits")?));
        if text("fsync")? == "off" {
            found
                .push("fsync off: a power cut can lose acknowledged notifications, and damage the database".to_owned());
        }
        if sql::get(&row, "is_replica")? {
            return Err(StoreError::Unusable("found a replica, expected a server that takes writes".into()));
        }
    }
    for (name, statement) in NEEDS {
        let can = sql::first(&client, statement, &[]).await.map(|row| row.is_some());
        if !can.unwrap_or_default() {
            return Err(StoreError::Unusable(format!(
                "found a server without {name}, expected PostgreSQL 15 or later"
            )));
        }
        found.push(name.to_owned());
    }
    found.push(migrations::state(&client).await?);
    if migrations::is_there(&client).await? {
        key::matches(&client, &seal).await?;
    }
    Ok(found)
}
