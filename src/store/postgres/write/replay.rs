//! Replaying dead letters, and routing unmatched events again.

use async_trait::async_trait;

use super::deliveries::Deliveries;
use super::placing;
use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};
use crate::store::decisions::deliveries::{check_number_of, each_sink_once};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, text};
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::{DeliveryState, ids};

/// How many dead letters one transaction makes due.
pub const ROUND: usize = 500;

/// Makes dead letters due again, in their order. Their attempts are counted from 1 again. Returns how many there were.
pub struct Replay {
    /// Their ids.
    pub ids: Vec<DeliveryId>,
}

#[async_trait]
impl Work for Replay {
    type Done = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let numbers: Vec<i64> = self.ids.iter().map(|id| ids::delivery_row(id.0)).collect();
        let mut deliveries = Deliveries::load(tx, &numbers).await?;
        let is_dead = |deliveries: &Deliveries, id| {
            deliveries.of_id(id).filter(|row| row.state == DeliveryState::Dead).map(|row| row.number)
        };
        let mut dead: Vec<i64> = self.ids.iter().filter_map(|id| is_dead(&deliveries, *id)).collect();
        dead.sort_unstable();
        dead.dedup();
        let open = occupied(tx, &deliveries, &dead).await?;
        wait_again(tx, &mut deliveries, (&dead, open));
        deliveries.flush(tx).await?;
        Ok(dead.len() as u64)
    }
}

/// The operations and sinks of these deliveries that have another one which is neither delivered nor dead.
pub async fn occupied(tx: &Tx<'_>, deliveries: &Deliveries, numbers: &[i64]) -> Result<Vec<(i64, SinkName)>, Failure> {
    let of = |row: &&super::deliveries::DeliveryRow| numbers.contains(&row.number) && row.operation.is_some();
    let pairs: Vec<_> =
        deliveries.all().filter(of).filter_map(|row| Some((row.operation?, row.sink.clone()))).collect();
    placing::unsettled_of(tx, pairs).await
}

/// Opens deliveries, or makes them wait for their operation's other one.
pub fn wait_again(
    tx: &mut Tx<'_>,
    deliveries: &mut Deliveries,
    (numbers, mut occupied): (&[i64], Vec<(i64, SinkName)>),
) {
    for number in numbers {
        let steady = tx.steady;
        let Some(row) = deliveries.change(*number) else { continue };
        let pair = row.operation.map(|operation| (operation, row.sink.clone()));
        let is_blocked = pair.as_ref().is_some_and(|pair| occupied.contains(pair));
        row.state = if is_blocked { DeliveryState::Blocked } else { DeliveryState::Open };
        (row.at, row.n_attempts, row.is_leased, row.settled_at) = (steady, 0, false, None);
        if !is_blocked {
            tx.effects.wake(&row.sink);
            occupied.extend(pair);
        }
    }
}

/// Adds deliveries to an event that matched no route. Returns how many; `None`: there is no such event, or it is matched.
pub struct Route {
    /// The event.
    pub id: EventId,
    /// What routing asks for.
    pub deliveries: Vec<NewDelivery>,
}

#[async_trait]
impl Work for Route {
    type Done = Option<usize>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<usize>, Failure> {
        each_sink_once(&mut self.deliveries);
        check_number_of(&self.deliveries)?;
        if self.deliveries.is_empty() {
            return Ok(None);
        }
        let number = ids::event_row(self.id.0);
        let statement = "UPDATE events SET is_matched = true WHERE number = $1 AND id = $2 AND NOT is_matched \
                         RETURNING operation, kind";
        let Some(row) = sql::first(tx.client, statement, &[&number, &self.id.0]).await? else { return Ok(None) };
        let (operation, kind): (Option<i64>, String) = (get(&row, "operation")?, text(&row, "kind")?);
        let first = ids::first_delivery(number);
        let event = placing::OfEvent { first, kind: &kind, operation, created_at: tx.wall };
        let wanted = placing::wanted(tx, &event, &self.deliveries);
        placing::place(tx, &wanted).await?;
        Ok(Some(wanted.len()))
    }
}
