//! Removing events and operations, by retention or at a client's request.

use async_trait::async_trait;

use super::{exchanges, unanswered};
use crate::store::operations::Deleted;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get};
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;

/// The tables with rows of events' deliveries, and what names the delivery there.
const OF_DELIVERIES: [(&str, &str); 5] = [
    ("attempts", "delivery"),
    ("waiting", "number"),
    ("settled", "number"),
    ("dead", "number"),
    ("deliveries", "number"),
];

/// Removes events with their deliveries, their attempts and exchanges.
pub async fn events(tx: &mut Tx<'_>, events: &[i64]) -> Result<(), Failure> {
    exchanges::remove(tx, events).await?;
    for (table, column) in OF_DELIVERIES {
        let statement = format!(
            "DELETE FROM {table} t USING unnest($1::bigint[]) AS e (number) \
             WHERE t.{column} BETWEEN e.number << 12 AND (e.number << 12) + 4095 RETURNING t.{column} AS number"
        );
        for row in sql::rows(tx.client, &statement, &[&events]).await? {
            tx.effects.no_longer_fresh(get(&row, "number")?);
        }
    }
    sql::execute(tx.client, "DELETE FROM events WHERE number = ANY($1)", &[&events]).await?;
    unanswered::clear(tx, events).await
}

/// Removes operations that have no events.
pub async fn operations(tx: &mut Tx<'_>, numbers: &[i64]) -> Result<(), Failure> {
    sql::execute(tx.client, "DELETE FROM operations WHERE number = ANY($1)", &[&numbers]).await?;
    numbers.iter().for_each(|number| tx.effects.changed(*number));
    Ok(())
}

/// Removes an operation with its events at a client's request; one with open deliveries only if `force` is set.
pub struct Delete {
    /// The operation.
    pub number: i64,
    /// The version that it must have.
    pub version: Option<i64>,
    /// Whether open deliveries go as well.
    pub force: bool,
}

#[async_trait]
impl Work for Delete {
    type Done = Deleted;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Deleted, Failure> {
        let found = sql::first(tx.client, "SELECT version FROM operations WHERE number = $1", &[&self.number]).await?;
        let Some(row) = found else { return Ok(Deleted::Missing) };
        let current: i64 = get(&row, "version")?;
        if self.version.is_some_and(|version| version != current) {
            return Ok(Deleted::Stale(current));
        }
        let statement = "SELECT number, (SELECT count(*) FROM delivery_rows d \
            WHERE d.number BETWEEN e.number << 12 AND (e.number << 12) + 4095 AND d.state < 2) AS n_open \
            FROM events e WHERE operation = $1";
        let rows = sql::rows(tx.client, statement, &[&self.number]).await?;
        let n_open = rows.iter().map(|row| get::<i64>(row, "n_open")).sum::<Result<i64, _>>()?;
        if n_open > 0 && !self.force {
            return Ok(Deleted::Open(n_open.cast_unsigned()));
        }
        let numbers = rows.iter().map(|row| get(row, "number")).collect::<Result<Vec<i64>, _>>()?;
        events(tx, &numbers).await?;
        operations(tx, &[self.number]).await?;
        Ok(Deleted::Done)
    }
}
