//! Statements: prepared once on each connection, and what their rows hold.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};
use uuid::Uuid;

use super::failure::Failure;
use crate::domain::{DeliveryId, EventId, SinkName};
use crate::store::StoreError;

/// The values of a statement.
pub type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The rows of a statement.
pub async fn rows(client: &ClientWrapper, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Failure> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

/// The first row of a statement, if there is one.
pub async fn first(client: &ClientWrapper, sql: &str, values: Values<'_>) -> Result<Option<Row>, Failure> {
    Ok(rows(client, sql, values).await?.into_iter().next())
}

/// Runs a statement; returns how many rows it changed.
pub async fn execute(client: &ClientWrapper, sql: &str, values: Values<'_>) -> Result<u64, Failure> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}

/// A number as the database counts rows.
pub fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A column.
pub fn get<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

/// A column that holds a text from outside.
pub fn text(row: &Row, column: &str) -> Result<String, Failure> {
    Ok(super::text::told(row.try_get(column)?))
}

/// A column that may hold one.
pub fn maybe_text(row: &Row, column: &str) -> Result<Option<String>, Failure> {
    Ok(row.try_get::<_, Option<String>>(column)?.map(super::text::told))
}

/// A column that holds one of a closed set of texts.
pub fn parsed<T>(row: &Row, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Failure> {
    let found = text(row, column)?;
    parse(&found).ok_or_else(|| unknown(column, &found))
}

/// As [`parsed`], for a column that may hold nothing.
pub fn maybe_parsed<T>(row: &Row, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>, Failure> {
    let found = maybe_text(row, column)?;
    found.map(|found| parse(&found).ok_or_else(|| unknown(column, &found))).transpose()
}

/// A column that holds an event's id.
pub fn event_id(row: &Row, column: &str) -> Result<EventId, Failure> {
    Ok(EventId(get::<Uuid>(row, column)?))
}

/// A column that holds a delivery's id.
pub fn delivery_id(row: &Row, column: &str) -> Result<DeliveryId, Failure> {
    Ok(DeliveryId(get::<Uuid>(row, column)?))
}

/// A column that holds a sink's name.
pub fn sink(row: &Row, column: &str) -> Result<SinkName, Failure> {
    Ok(SinkName::new(&text(row, column)?))
}

/// The error for a value that this version does not write.
pub fn unknown(column: &str, found: &str) -> Failure {
    StoreError::Database(format!("{column}: found {found:?}, expected one of the values that this version writes"))
        .into()
}
