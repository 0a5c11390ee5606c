//! The exchanges of a delivery's attempts.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;

use crate::domain::{DeliveryId, Exchange};
use crate::store::ids;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get};
use crate::store::seal::Seal;
use crate::store::sealed::{self, AttemptKey};

/// By the numbers of the attempts as operators see them: numbered through.
pub async fn of(client: &ClientWrapper, seal: &Seal, id: DeliveryId) -> Result<BTreeMap<u32, Exchange>, Failure> {
    let delivery = ids::delivery_row(id.0);
    let statement = "SELECT started_at, n_attempts FROM delivery_rows WHERE number = $1 AND id = $2";
    let Some(row) = sql::first(client, statement, &[&delivery, &id.0]).await? else { return Ok(BTreeMap::new()) };
    let statement = "SELECT started_at, number FROM attempts WHERE delivery = $1 ORDER BY started_at, number";
    let rows = sql::rows(client, statement, &[&delivery]).await?;
    let key = |row: &tokio_postgres::Row| Ok((get::<i64>(row, "started_at")?, get::<i64>(row, "number")?));
    let mut attempts = rows.iter().map(key).collect::<Result<Vec<_>, Failure>>()?;
    if let Some(started_at) = get::<Option<i64>>(&row, "started_at")? {
        attempts.push((started_at, get(&row, "n_attempts")?));
    }
    let statement = "SELECT started_at, number, sealed FROM exchanges WHERE delivery = $1 ORDER BY id";
    let mut found = BTreeMap::new();
    for row in sql::rows(client, statement, &[&delivery]).await? {
        let (started_at, attempt) = key(&row)?;
        let Some((number, _)) = (1..).zip(&attempts).find(|(_, it)| **it == (started_at, attempt)) else { continue };
        match sealed::open_exchange(seal, AttemptKey { delivery, started_at, number: attempt }, get(&row, "sealed")?) {
            Ok(exchange) => drop(found.insert(number, exchange)),
            Err(error) => tracing::warn!(delivery = %id, %error, "an attempt is shown without its exchange"),
        }
    }
    Ok(found)
}
