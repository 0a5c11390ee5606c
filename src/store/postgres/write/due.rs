//! Making deliveries due that wait for their next attempt, because an operator does not want to wait.

use async_trait::async_trait;

use super::deliveries::{Deliveries, DeliveryRow};
use super::settle::add_next;
use crate::domain::{DeliveryId, SinkName};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql;
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::{DeliveryState, MadeDue, ids};

/// Makes the deliveries of a sink due that wait for their next attempt. Returns how many.
pub struct All {
    /// The sink.
    pub sink: SinkName,
}

#[async_trait]
impl Work for All {
    type Done = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let statement = "UPDATE waiting SET at = $2 WHERE sink = $1 AND state = 0 AND NOT is_leased AND at > $2";
        let sink = text::stored(self.sink.as_str());
        let n = sql::execute(tx.client, statement, &[&sink, &tx.steady]).await?;
        if n > 0 {
            tx.effects.wake(&self.sink);
        }
        Ok(n)
    }
}

/// Makes one delivery due now, or the one that it waits for. `None`: no delivery has this id.
pub struct One {
    /// Its id.
    pub id: DeliveryId,
}

#[async_trait]
impl Work for One {
    type Done = Option<MadeDue>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<MadeDue>, Failure> {
        let mut deliveries = Deliveries::load(tx, &[ids::delivery_row(self.id.0)]).await?;
        let Some(row) = deliveries.of_id(self.id).cloned() else { return Ok(None) };
        let first = match row.state {
            DeliveryState::Open => row,
            DeliveryState::Blocked => {
                let before = before(tx, &mut deliveries, &row).await?;
                let Some(first) = before else { return Ok(None) };
                first
            }
            settled => return Ok(Some(MadeDue::Settled(settled))),
        };
        if first.is_leased && first.at > tx.steady {
            return Ok(Some(MadeDue::UnderWay(first.id)));
        }
        if let Some(row) = deliveries.change(first.number) {
            row.at = row.at.min(tx.steady);
        }
        tx.effects.wake(&first.sink);
        deliveries.flush(tx).await?;
        Ok(Some(MadeDue::Due(first.id)))
    }
}

/// The open delivery that a blocked one waits for: fresh ones are in `deliveries` alone.
async fn before(tx: &Tx<'_>, deliveries: &mut Deliveries, row: &DeliveryRow) -> Result<Option<DeliveryRow>, Failure> {
    let Some(operation) = row.operation else { return Ok(None) };
    add_next(tx, deliveries).await?;
    let statement = "SELECT number FROM delivery_rows WHERE operation = $1 AND sink = $2 AND state = 0 AND number IN ( \
        SELECT number FROM waiting WHERE operation = $1 AND sink = $2 AND state = 0 UNION ALL \
        SELECT number FROM deliveries WHERE operation = $1 AND epoch IS NOT NULL \
        AND number >= (SELECT coalesce(min(oldest), 0) FROM epochs)) LIMIT 1";
    let sink = text::stored(row.sink.as_str());
    if let Some(found) = sql::first(tx.client, statement, &[&operation, &sink]).await? {
        deliveries.add(tx, &[sql::get(&found, "number")?]).await?;
    }
    Ok(deliveries.unsettled_of(&row.sink, operation).find(|it| it.state == DeliveryState::Open).cloned())
}
