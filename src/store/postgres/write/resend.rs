//! Sending delivered events again: a new delivery beside the first one, which it names.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::deliveries::Deliveries;
use super::placing::{self, Wanted};
use crate::domain::{DeliveryId, NewDelivery, RouteName, SinkName};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, text};
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::{DeliveryState, Resent, ids};

/// How many deliveries one transaction makes.
pub const ROUND: usize = 500;

/// Makes a new delivery for each of these that was delivered, to its own sink or to `to`. The others are passed over, and
/// those whose sink does not take the event.
pub struct Resend {
    /// The deliveries.
    pub ids: Vec<DeliveryId>,
    /// Another sink.
    pub to: Option<SinkName>,
}

/// A delivery that is to be made.
struct New {
    of: DeliveryId,
    first: DeliveryId,
    number: i64,
    operation: Option<i64>,
    new: NewDelivery,
}

#[async_trait]
impl Work for Resend {
    type Done = Vec<Resent>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Resent>, Failure> {
        let numbers: Vec<i64> = self.ids.iter().map(|id| ids::delivery_row(id.0)).collect();
        let deliveries = Deliveries::load(tx, &numbers).await?;
        let mut events = events(tx, &numbers).await?;
        let mut new = Vec::new();
        for id in &self.ids {
            new.extend(self.one(tx, &deliveries, (*id, &mut events)));
        }
        let created_at = tx.wall;
        let wanted = new.iter().map(|it| Wanted {
            number: it.number,
            operation: it.operation,
            new: &it.new,
            created_at,
            resend_of: Some(it.first),
            n_bytes: None,
        });
        let placed = placing::place(tx, &wanted.collect::<Vec<_>>()).await?;
        Ok(new.iter().zip(placed).map(|(new, placed)| Resent { of: new.of, id: placed.id }).collect())
    }
}

impl Resend {
    fn one(
        &self,
        tx: &Tx<'_>,
        deliveries: &Deliveries,
        (id, events): (DeliveryId, &mut BTreeMap<i64, (String, i64)>),
    ) -> Option<New> {
        let row = deliveries.of_id(id).filter(|row| row.state == DeliveryState::Delivered)?;
        let event = ids::event_of(row.number);
        let (kind, last) = events.get_mut(&event)?;
        if *last >= ids::last_delivery(event) {
            tracing::warn!(delivery = %id, "the event was sent again too often: it can have no further delivery");
            return None;
        }
        let new = NewDelivery {
            sink: self.to.clone().unwrap_or_else(|| row.sink.clone()),
            route: RouteName::new(&row.route),
            // What was written as a map reads as one.
            captures: row.captures.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
        };
        if !tx.shared.takes(&new.sink, kind) {
            return None;
        }
        *last += 1;
        Some(New { of: id, first: row.resend_of.unwrap_or(id), number: *last, operation: row.operation, new })
    }
}

/// The types of the events of deliveries, and the numbers of their last deliveries.
async fn events(tx: &Tx<'_>, deliveries: &[i64]) -> Result<BTreeMap<i64, (String, i64)>, Failure> {
    let statement = "SELECT e.number, e.kind, (SELECT max(d.number) FROM deliveries d \
        WHERE d.number BETWEEN e.number << 12 AND (e.number << 12) + 4095) AS last \
        FROM events e WHERE e.number = ANY($1)";
    let numbers: Vec<i64> = deliveries.iter().map(|number| ids::event_of(*number)).collect();
    let rows = sql::rows(tx.client, statement, &[&numbers]).await?;
    let read = |row: &tokio_postgres::Row| {
        let last: Option<i64> = get(row, "last")?;
        Ok((get(row, "number")?, (text(row, "kind")?, last.unwrap_or_default())))
    };
    rows.iter().map(read).collect()
}
