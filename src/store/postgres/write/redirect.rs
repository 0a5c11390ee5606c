//! Redirecting deliveries: those that wait for one sink go to another sink, or become dead letters. In rounds, the
//! oldest first.
//!
//! **Invariants**
//! 1. A delivery that is being attempted is left alone. One whose lease has ended is not attempted any more.
//! 2. A delivery does not overtake an earlier one of its operation that is being attempted: it is moved after that one.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::deliveries::{Deliveries, DeliveryRow};
use super::{placing, replay};
use crate::domain::SinkName;
use crate::store::DeliveryState;
use crate::store::decisions::deliveries::DROPPED;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;

/// How many deliveries one transaction changes.
const ROUND: i64 = 500;
/// No delivery of the same operation to the same sink is being attempted: neither a leased one nor a fresh one.
const BEHIND_NONE: &str = "AND (w.operation IS NULL OR NOT EXISTS (SELECT 1 FROM waiting f \
        WHERE f.operation = w.operation AND f.sink = w.sink AND f.is_leased AND f.at > $2) \
    AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.operation = w.operation AND d.sink = w.sink \
        AND d.epoch IS NOT NULL AND d.number >= (SELECT coalesce(min(oldest), 0) FROM epochs) \
        AND NOT EXISTS (SELECT 1 FROM waiting o WHERE o.number = d.number) \
        AND NOT EXISTS (SELECT 1 FROM settled s WHERE s.number = d.number) \
        AND NOT EXISTS (SELECT 1 FROM dead x WHERE x.number = d.number)))";

/// Moves a round of the deliveries that wait for a sink to another one, with the same ids and in the same order. Returns how
/// many.
pub struct Move {
    /// From this sink.
    pub from: SinkName,
    /// To this one.
    pub to: SinkName,
}

#[async_trait]
impl Work for Move {
    type Done = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        if self.from == self.to {
            return Ok(0);
        }
        let numbers = waiting(tx, &self.from, BEHIND_NONE).await?;
        let mut deliveries = Deliveries::load(tx, &numbers).await?;
        let numbers = still_free(tx, &deliveries, numbers);
        for number in &numbers {
            if let Some(row) = deliveries.change(*number) {
                row.sink = self.to.clone();
            }
        }
        let pairs = deliveries.all().filter_map(|row| Some((row.operation?, self.to.clone()))).collect();
        let occupied = placing::unsettled_of(tx, pairs).await?;
        replay::wait_again(tx, &mut deliveries, (&numbers, occupied));
        deliveries.flush(tx).await?;
        Ok(numbers.len() as u64)
    }
}

/// Makes dead letters of a round of the deliveries that wait for a sink. Returns how many.
pub struct Drop {
    /// The sink.
    pub sink: SinkName,
}

#[async_trait]
impl Work for Drop {
    type Done = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let numbers = waiting(tx, &self.sink, "").await?;
        let mut deliveries = Deliveries::load(tx, &numbers).await?;
        let numbers = still_free(tx, &deliveries, numbers);
        for number in &numbers {
            if let Some(row) = deliveries.change(*number) {
                (row.state, row.is_leased, row.at) = (DeliveryState::Dead, false, tx.wall);
                (row.settled_at, row.reason) = (Some(tx.steady), Some(DROPPED.to_owned()));
            }
        }
        deliveries.flush(tx).await?;
        Ok(numbers.len() as u64)
    }
}

/// Those of them that nobody has leased before they were locked.
fn still_free(tx: &Tx<'_>, deliveries: &Deliveries, mut numbers: Vec<i64>) -> Vec<i64> {
    let is_free = |row: &DeliveryRow| row.state.is_waiting() && !(row.is_leased && row.at > tx.steady);
    let free: BTreeSet<i64> = deliveries.all().filter(|row| is_free(row)).map(|row| row.number).collect();
    numbers.retain(|number| free.contains(number));
    numbers
}

/// The deliveries that wait for a sink and are not being attempted; an operation's oldest first.
async fn waiting(tx: &Tx<'_>, sink: &SinkName, condition: &str) -> Result<Vec<i64>, Failure> {
    let statement = format!(
        "SELECT w.number FROM waiting w WHERE w.sink = $1 AND NOT (w.is_leased AND w.at > $2) {condition} \
         ORDER BY w.number LIMIT $3"
    );
    let sink = text::stored(sink.as_str());
    let rows = sql::rows(tx.client, &statement, &[&sink, &tx.steady, &ROUND]).await?;
    rows.iter().map(|row| get(row, "number")).collect()
}
