//! Migrations: embedded, in their order, forward only.
//!
//! **Invariants**
//! 1. Several processes may migrate at once: one does, under a lock of its transaction, and the others wait for it.
//! 2. Each migration is one transaction with the note that it was done.
//! 3. A database with a migration that this version does not know is refused, because it may not know its rules either.

use tokio_postgres::Client;

use super::connections::{self, Connections};
use super::failure::{Failure, store_error};
use super::sql;
use crate::store::StoreError;

/// The migrations, each with its number.
const ALL: &[(i32, &str)] = &[(1, include_str!("../../../../migrations/postgres/0001_tables.sql"))];
/// Where it is noted which were done. Who may make no tables can use a store that is there.
const NOTES: &str = "CREATE TABLE migrations (number integer PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now())";
/// The lock that a migration holds.
const LOCK: i64 = 0x0072_6565_6c68_0001;
/// The oldest server that is used.
const OLDEST: i32 = 150_000;

/// The newest migration that this version knows.
pub const NEWEST: i32 = ALL[ALL.len() - 1].0;

/// Brings the database to this version.
///
/// # Errors
/// It is of a later version, its server is too old, or a migration failed and was undone.
pub async fn run(connections: &Connections) -> Result<(), StoreError> {
    // A look first, on a connection that says what is wrong with the server.
    drop(connections.get().await?);
    let (mut client, driver) = connections.own().await?;
    let done = migrate(&mut client).await;
    drop(client);
    driver.abort();
    done.map_err(StoreError::from)
}

/// Whether there is a store.
///
/// # Errors
/// The database could not be read.
pub async fn is_there(client: &connections::Client) -> Result<bool, Failure> {
    let statement = "SELECT to_regclass('migrations') IS NOT NULL AS is_there";
    sql::first(client, statement, &[]).await?.map_or(Ok(false), |row| sql::get(&row, "is_there"))
}

/// What a start would do, in words.
///
/// # Errors
/// The store is of a later version, or the role may not make one.
pub async fn state(client: &connections::Client) -> Result<String, Failure> {
    let statement = "SELECT has_schema_privilege(current_schema(), 'CREATE') AS may_create";
    let may_create = sql::first(client, statement, &[]).await?;
    let may_create = may_create.map_or(Ok(None), |row| sql::get::<Option<bool>>(&row, "may_create"))? == Some(true);
    let done = match is_there(client).await? {
        false => 0,
        true => {
            let row = sql::first(client, "SELECT coalesce(max(number), 0) AS done FROM migrations", &[]).await?;
            row.map_or(Ok(0), |row| sql::get::<i32>(&row, "done"))?
        }
    };
    if done > NEWEST {
        return Err(later(done).into());
    }
    if done < NEWEST && !may_create {
        return Err(StoreError::Unusable("the role may not make tables in the schema that it works in".into()).into());
    }
    Ok(match done {
        0 => "no store yet: the first start makes it".to_owned(),
        NEWEST => format!("migration {done}"),
        _ => format!("migration {done}: the next start migrates to {NEWEST}"),
    })
}

async fn migrate(client: &mut Client) -> Result<(), Failure> {
    let version: String = client.query_one("SHOW server_version_num", &[]).await?.try_get(0)?;
    if version.parse().unwrap_or(0) < OLDEST {
        let found = format!("store.url: found a server of version {version}, expected PostgreSQL 15 or later");
        return Err(StoreError::Unusable(found).into());
    }
    loop {
        let transaction = client.transaction().await?;
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        let made: bool =
            transaction.query_one("SELECT to_regclass('migrations') IS NOT NULL", &[]).await?.try_get(0)?;
        if !made {
            transaction.batch_execute(NOTES).await.map_err(|error| failed(0, &error))?;
        }
        let done: i32 =
            transaction.query_one("SELECT coalesce(max(number), 0) FROM migrations", &[]).await?.try_get(0)?;
        if done > NEWEST {
            return Err(later(done).into());
        }
        let Some((number, text)) = ALL.iter().find(|(number, _)| *number > done) else {
            return Ok(transaction.commit().await?);
        };
        transaction.batch_execute(text).await.map_err(|error| failed(*number, &error))?;
        transaction.execute("INSERT INTO migrations (number) VALUES ($1)", &[number]).await?;
        transaction.commit().await?;
        tracing::info!("the store was migrated: migration {number}");
    }
}

fn later(done: i32) -> StoreError {
    StoreError::Unusable(format!(
        "store.url: found a store of a later version (migration {done}), expected one up to {NEWEST}: start the version \
         that made it, or a later one"
    ))
}

fn failed(number: i32, error: &tokio_postgres::Error) -> StoreError {
    StoreError::Unusable(format!(
        "store.url: migration {number} failed and was undone: {}; the role needs the right to make tables in the schema \
         that it works in",
        store_error(error)
    ))
}
