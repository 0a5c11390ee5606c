//! Replaying dead letters, and routing unmatched events again. In rounds, because the server waits for the same
//! database.

use rusqlite::params;

use super::delivery::{self, NewRow};
use super::tallies;
use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};
use crate::store::decisions::deliveries::check_number_of;
use crate::store::ids;
use crate::store::sqlite::engine::backlogs::Change;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// How many dead letters one transaction makes due.
pub const ROUND: usize = 500;

/// Makes one dead letter due again. Returns how many there were.
pub fn one(tx: &Tx<'_>, id: DeliveryId) -> Result<u64, Failure> {
    let sql = "SELECT sink, op_seq FROM deliveries WHERE seq = ?1 AND id = ?2 AND state = 3";
    let row = ids::delivery_row(id.0);
    let found = tx.first(sql, params![row, id.0.as_bytes()], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    let Some((sink, op_seq)) = found else { return Ok(0) };
    reopen(tx, &SinkName::new(&sink), row, op_seq).map(|()| 1)
}

/// Makes these dead letters due again. Returns how many there were.
pub fn some(tx: &Tx<'_>, ids: &[DeliveryId]) -> Result<u64, Failure> {
    let mut n_replayed = 0;
    for id in ids {
        n_replayed += one(tx, *id)?;
    }
    Ok(n_replayed)
}

/// Adds deliveries to an event that matched no route. Returns how many; `None`: there is no such event, or it is
/// matched.
pub fn route(tx: &Tx<'_>, id: EventId, deliveries: &[NewDelivery]) -> Result<Option<usize>, Failure> {
    check_number_of(deliveries)?;
    let event = ids::event_row(id.0);
    let sql = "SELECT op_seq, kind FROM events WHERE seq = ?1 AND id = ?2 AND is_matched = 0";
    let found = tx.first(sql, params![event, id.0.as_bytes()], |row| {
        Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, String>(1)?))
    })?;
    let Some((op_seq, kind)) = found.filter(|_| !deliveries.is_empty()) else { return Ok(None) };
    let mut routed: Vec<&NewDelivery> = Vec::with_capacity(deliveries.len());
    for new in deliveries {
        if routed.iter().any(|earlier| earlier.sink == new.sink) || !tx.shared.takes(&new.sink, &kind) {
            continue;
        }
        let is_blocked = delivery::is_waited_for(tx, &new.sink, op_seq)?;
        let seq = ids::first_delivery(event) + i64::try_from(routed.len()).unwrap_or(i64::MAX);
        delivery::insert(
            tx,
            new,
            &NewRow { seq, op_seq, is_blocked, leased_until: None, created_at: tx.wall, resend_of: None },
        )?;
        routed.push(new);
    }
    tx.execute("UPDATE events SET is_matched = 1 WHERE seq = ?1", [event])?;
    tallies::unmatched(tx, -1)?;
    Ok(Some(routed.len()))
}

/// Opens a dead letter, or makes it wait for the operation's other delivery. Its attempts are counted from 1 again, so
/// the retry schedule starts from the beginning; its earlier failures stay on record.
fn reopen(tx: &Tx<'_>, sink: &SinkName, row: i64, op_seq: Option<i64>) -> Result<(), Failure> {
    let is_blocked = delivery::is_waited_for(tx, sink, op_seq)?;
    let sql = "UPDATE deliveries SET state = ?2, at = ?3, n_attempts = 0 WHERE seq = ?1 AND state = 3";
    let n_reopened = tx.execute(sql, params![row, is_blocked, tx.steady])?;
    tx.backlog(sink, Change::REOPENED.times(n_reopened));
    if is_blocked {
        tx.blocked()
    } else {
        tx.wake(sink)
    }
    Ok(())
}
