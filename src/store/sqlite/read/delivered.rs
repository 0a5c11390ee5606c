//! Delivered deliveries, in the order of their events. They have no index of their own, because most deliveries are
//! delivered: they are read by their keys, a part at a time, from the first event on that is meant.

use rusqlite::{Connection, Row, params};

use super::rows::{delivery_id, event_id};
use super::walk::first_event;
use crate::domain::{DeliveryId, SinkName};
use crate::store::ids;
use crate::store::{Delivered, Found, Looked};

/// A delivery as far as the search looks at it.
struct Seen {
    id: DeliveryId,
    /// What is told of it, if it is meant.
    meant: Option<Found>,
}

/// The part of the deliveries that is looked at.
pub struct Part {
    /// From the first event on that arrived at this instant, in microseconds of steady time.
    pub since: i64,
    /// How far the machine's clock is ahead of steady time, in microseconds.
    pub lead: i64,
    /// Behind this delivery.
    pub after: Option<DeliveryId>,
    /// The most deliveries.
    pub limit: usize,
}

/// Looks at a part of the deliveries.
pub fn look(connection: &Connection, which: &Delivered, part: &Part) -> rusqlite::Result<Looked> {
    let Part { since, lead, after, limit } = *part;
    let start = match after {
        Some(id) => ids::delivery_row(id.0),
        None => ids::first_delivery(first_event(connection, since)?) - 1,
    };
    let sql = "SELECT d.id, d.sink, d.route, e.kind, d.created_at, e.id, d.state = 2 AND d.resend_of IS NULL, d.at, \
               iif(e.accepted_at IS NULL, NULL, e.received_at) \
               FROM deliveries d CROSS JOIN events e ON e.seq = d.seq >> 12 WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2";
    let (until, delivered_until) = (which.until.as_microsecond(), which.delivered_until.as_microsecond());
    let read = |row: &Row<'_>| {
        let (sink, route, kind): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        // An event out of the quarantine was received before its number was given.
        let arrived_at = match row.get::<_, Option<i64>>(8)? {
            Some(received_at) => received_at.saturating_sub(lead),
            None => ids::made_at(event_id(row, 5)?.0),
        };
        let is_in_time = row.get::<_, i64>(4)? <= until && arrived_at >= since;
        let is_meant = row.get::<_, bool>(6)?
            && row.get::<_, i64>(7)? <= delivered_until
            && is_in_time
            && which.means(&sink, &route, &kind);
        let id = delivery_id(row, 0)?;
        Ok(Seen { id, meant: is_meant.then(|| Found { id, sink: SinkName::new(&sink), kind }) })
    };
    let limit_in_sql = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    let seen: Vec<Seen> = statement.query_map(params![start, limit_in_sql], read)?.collect::<Result<_, _>>()?;
    let last = seen.last().filter(|_last| seen.len() == limit).map(|last| last.id);
    let n_seen = seen.len();
    let found = seen.into_iter().filter_map(|seen| seen.meant).collect();
    Ok(Looked { found, n_seen, last })
}
