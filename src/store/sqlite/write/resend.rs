//! Sending delivered events again: a new delivery beside the first one, which it names.

use rusqlite::{Row, params};

use super::delivery::{self, NewRow};
use crate::domain::{DeliveryId, NewDelivery, RouteName, SinkName};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::{Resent, ids};

/// How many deliveries one transaction makes.
pub const ROUND: usize = 500;

/// A delivery that was delivered.
struct First {
    sink: String,
    route: String,
    captures: Option<String>,
    op_seq: Option<i64>,
    /// The delivery that it is a resend of.
    of: Option<[u8; 16]>,
    /// The event's type.
    kind: String,
}

/// Makes a new delivery for each of these that was delivered, to its own sink or to `to`. The others are passed over, and
/// those whose sink does not take the event.
pub fn some(tx: &Tx<'_>, ids: &[DeliveryId], to: Option<&SinkName>) -> Result<Vec<Resent>, Failure> {
    let mut resent = Vec::with_capacity(ids.len());
    for id in ids {
        resent.extend(one(tx, *id, to)?.map(|new| Resent { of: *id, id: new }));
    }
    Ok(resent)
}

fn one(tx: &Tx<'_>, id: DeliveryId, to: Option<&SinkName>) -> Result<Option<DeliveryId>, Failure> {
    let sql = "SELECT sink, route, captures, op_seq, resend_of, (SELECT kind FROM events WHERE seq = deliveries.seq >> 12) \
         FROM deliveries WHERE seq = ?1 AND id = ?2 AND state = 2";
    let row = ids::delivery_row(id.0);
    let read = |row: &Row<'_>| {
        let (sink, route, captures) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(First { sink, route, captures, op_seq: row.get(3)?, of: row.get(4)?, kind: row.get(5)? })
    };
    let Some(first) = tx.first(sql, params![row, id.0.as_bytes()], read)? else { return Ok(None) };
    let event = ids::event_of(row);
    let range = [ids::first_delivery(event), ids::last_delivery(event)];
    let sql = "SELECT max(seq) FROM deliveries WHERE seq BETWEEN ?1 AND ?2";
    let last = tx.first(sql, range, |row| row.get::<_, i64>(0))?.unwrap_or(row);
    if last >= range[1] {
        tracing::warn!(delivery = %id, "the event was sent again too often: it can have no further delivery");
        return Ok(None);
    }
    let new = NewDelivery {
        sink: to.cloned().unwrap_or_else(|| SinkName::new(&first.sink)),
        route: RouteName::new(&first.route),
        // What was written as a map reads as one.
        captures: first.captures.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
    };
    if !tx.shared.takes(&new.sink, &first.kind) {
        return Ok(None);
    }
    let is_blocked = delivery::is_waited_for(tx, &new.sink, first.op_seq)?;
    let resend_of = Some(first.of.map_or(id, |of| DeliveryId(uuid::Uuid::from_bytes(of))));
    let row =
        NewRow { seq: last + 1, op_seq: first.op_seq, is_blocked, leased_until: None, created_at: tx.wall, resend_of };
    delivery::insert(tx, &new, &row).map(Some)
}
