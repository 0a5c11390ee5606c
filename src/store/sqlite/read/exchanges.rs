//! The exchanges of a delivery's attempts.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::{DeliveryId, Exchange};
use crate::store::ids;
use crate::store::seal::Seal;
use crate::store::sealed::{self, AttemptKey};

/// By the numbers of the attempts as operators see them: numbered through.
pub fn of(connection: &Connection, seal: &Seal, id: DeliveryId) -> rusqlite::Result<BTreeMap<u32, Exchange>> {
    let delivery = ids::delivery_row(id.0);
    let sql = "SELECT started_at, n_attempts FROM deliveries WHERE seq = ?1 AND id = ?2";
    let success = connection.prepare_cached(sql)?.query_row(params![delivery, id.0.as_bytes()], key).optional()?;
    let Some(success) = success else { return Ok(BTreeMap::new()) };
    let sql = "SELECT started_at, number FROM attempts WHERE delivery = ?1 ORDER BY started_at, number";
    let mut attempts: Vec<_> = connection.prepare_cached(sql)?.query_map([delivery], key)?.collect::<Result<_, _>>()?;
    attempts.push(success);
    let sql = "SELECT started_at, number, sealed FROM exchanges WHERE delivery = ?1 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([delivery], |row| Ok((key(row)?, row.get::<_, Vec<u8>>(2)?)))?;
    let mut found = BTreeMap::new();
    for row in rows {
        let (key, sealed) = row?;
        let Some((number, Some((started_at, attempt)))) = (1..).zip(&attempts).find(|(_, it)| **it == key) else {
            continue;
        };
        match sealed::open_exchange(seal, AttemptKey { delivery, started_at: *started_at, number: *attempt }, &sealed) {
            Ok(exchange) => drop(found.insert(number, exchange)),
            Err(error) => tracing::warn!(delivery = %id, %error, "an attempt is shown without its exchange"),
        }
    }
    Ok(found)
}

/// When an attempt began, and its number since the last replay. `None`: nothing was delivered, or an older version did.
fn key(row: &Row<'_>) -> rusqlite::Result<Option<(i64, i64)>> {
    Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?))
}
