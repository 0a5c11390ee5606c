//! The epoch of a process: from its start to its end. Its fresh deliveries are its own as long as it beats.
//!
//! **Invariants**
//! 1. `oldest` in the database is never above a fresh delivery of the epoch that is not settled: numbers are noted before
//!    they are committed, and forgotten after the commit that settles them.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::connections::{Client, Connections};
use super::failure::Failure;
use super::{migrations, sql};
use crate::domain::SinkName;
use crate::store::StoreError;

const BEGIN: &str = "INSERT INTO epochs (number, version, schema, began_at, beat_at, oldest) \
                     VALUES (nextval('epoch_numbers'), $1, $2, clock_timestamp(), clock_timestamp(), $3) RETURNING number";

/// The epoch of this process.
#[derive(Debug)]
pub struct Epoch {
    /// Its number.
    pub number: i64,
    fresh: Mutex<Fresh>,
}

/// The fresh deliveries that are not settled: their sinks, and until when they are leased.
#[derive(Debug, Default)]
struct Fresh {
    by_number: BTreeMap<i64, (SinkName, i64)>,
    /// Behind the last one that was noted.
    end: i64,
}

impl Epoch {
    /// Begins one.
    ///
    /// # Errors
    /// The database could not be written.
    pub async fn begin(connections: &Connections) -> Result<Self, StoreError> {
        let client = connections.get().await?;
        let row = sql::first(&client, BEGIN, &[&env!("CARGO_PKG_VERSION"), &migrations::NEWEST, &0_i64]).await?;
        let number = row.map_or(Ok(0), |row| sql::get(&row, "number"))?;
        Ok(Self { number, fresh: Mutex::default() })
    }

    /// Notes fresh deliveries, before they are committed.
    pub fn note(&self, number: i64, sink: &SinkName, until: i64) {
        let mut fresh = self.fresh.lock();
        fresh.by_number.insert(number, (sink.clone(), until));
        fresh.end = fresh.end.max(number + 1);
    }

    /// Forgets deliveries that are settled, or wait.
    pub fn forget(&self, numbers: &[i64]) {
        let mut fresh = self.fresh.lock();
        for number in numbers {
            fresh.by_number.remove(number);
        }
    }

    /// No delivery below this is fresh and not settled.
    pub fn oldest(&self) -> i64 {
        let fresh = self.fresh.lock();
        fresh.by_number.first_key_value().map_or(fresh.end, |(number, _)| *number)
    }

    /// The fresh deliveries of a sink whose lease has ended.
    pub fn expired(&self, sink: &SinkName, now: i64) -> Vec<i64> {
        let fresh = self.fresh.lock();
        let expired = fresh.by_number.iter().filter(|(_, (of, until))| of == sink && *until <= now);
        expired.map(|(number, _)| *number).collect()
    }

    /// Writes the epoch again, if the process counted as dead. What it held was taken over; what it accepts from now on is its
    /// own again.
    ///
    /// # Errors
    /// The database failed.
    pub async fn goes_on(&self, client: &Client) -> Result<(), Failure> {
        let statement = "INSERT INTO epochs (number, version, schema, began_at, beat_at, oldest) \
            SELECT $1, $2, $3, clock_timestamp(), clock_timestamp(), $4 \
            WHERE NOT EXISTS (SELECT 1 FROM epochs WHERE number = $1) ON CONFLICT (number) DO NOTHING";
        let values: sql::Values<'_> = &[&self.number, &env!("CARGO_PKG_VERSION"), &migrations::NEWEST, &self.oldest()];
        if sql::execute(client, statement, values).await? > 0 {
            tracing::warn!("this process counted as dead: others have taken over what it was delivering");
        }
        Ok(())
    }

    /// Shows that the process lives.
    ///
    /// # Errors
    /// The database could not be written.
    pub async fn beat(&self, client: &Client) -> Result<(), Failure> {
        let sql = "UPDATE epochs SET beat_at = clock_timestamp(), oldest = $2 WHERE number = $1";
        sql::execute(client, sql, &[&self.number, &self.oldest()]).await.map(drop)
    }
}
