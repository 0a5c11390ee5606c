//! Making deliveries due that wait for their next attempt, because an operator does not want to wait. In rounds, the
//! longest due first. Attempts go on being counted, and a delivery that waits behind another one goes on doing that.

use rusqlite::{Connection, Row, params};

use crate::domain::{DeliveryId, SinkName};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::rows::delivery_id;
use crate::store::{DeliveryState, MadeDue, ids};

/// How many deliveries one transaction makes due.
pub const ROUND: usize = 500;

/// A delivery that waits for its next attempt: its row, and when it is due.
pub type Later = (i64, i64);

/// The deliveries of a sink that are due later than now. Reads one index.
pub fn later(connection: &Connection, sink: &SinkName, now: i64) -> rusqlite::Result<Vec<Later>> {
    let sql = "SELECT seq, at FROM deliveries INDEXED BY deliveries_due \
               WHERE sink = ?1 AND state = 0 AND at > ?2 AND is_leased = 0 ORDER BY at";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(params![sink.as_str(), now], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// How many deliveries of a sink are due and not under way. Reads one index.
pub fn count(connection: &Connection, sink: &SinkName, now: i64) -> rusqlite::Result<u64> {
    // Those that are not leased, and those whose lease has ended.
    let sql = "SELECT (SELECT count(*) FROM deliveries INDEXED BY deliveries_due \
               WHERE sink = ?1 AND state = 0 AND is_leased = 0 AND at <= ?2) \
               + (SELECT count(*) FROM deliveries INDEXED BY deliveries_due \
               WHERE sink = ?1 AND state = 0 AND is_leased = 1 AND at <= ?2)";
    let n = connection.prepare_cached(sql)?.query_row(params![sink.as_str(), now], |row| row.get::<_, i64>(0))?;
    Ok(n.cast_unsigned())
}

/// Makes these due now, if they still wait for the same instant: one that was attempted meanwhile does not. Returns how
/// many.
pub fn some(tx: &Tx<'_>, sink: &SinkName, later: &[Later]) -> Result<u64, Failure> {
    let sql = "UPDATE deliveries SET at = ?3 WHERE seq = ?1 AND at = ?2 AND state = 0 AND is_leased = 0 AND sink = ?4";
    let mut n_due = 0;
    for (row, at) in later {
        n_due += tx.execute(sql, params![row, at, tx.steady, sink.as_str()])? as u64;
    }
    if n_due > 0 {
        tx.wake(sink);
    }
    Ok(n_due)
}

/// A delivery that is open.
struct First {
    row: i64,
    id: DeliveryId,
    at: i64,
    is_leased: bool,
}

/// Makes one delivery due now, or the one that it waits for. `None`: no delivery has this id.
pub fn one(tx: &Tx<'_>, id: DeliveryId) -> Result<Option<MadeDue>, Failure> {
    let sql = "SELECT state, sink, op_seq FROM deliveries WHERE seq = ?1 AND id = ?2";
    let row = ids::delivery_row(id.0);
    let found = tx.first(sql, params![row, id.0.as_bytes()], |row| {
        Ok((row.get::<_, i64>(0)?, SinkName::new(&row.get::<_, String>(1)?), row.get::<_, Option<i64>>(2)?))
    })?;
    let Some((state, sink, op_seq)) = found else { return Ok(None) };
    let read = |row: &Row<'_>| {
        Ok(First { row: row.get(0)?, id: delivery_id(row, 1)?, at: row.get(2)?, is_leased: row.get(3)? })
    };
    let first = match state {
        0 => tx.first("SELECT seq, id, at, is_leased FROM deliveries WHERE seq = ?1", [row], read)?,
        1 => {
            let sql = "SELECT seq, id, at, is_leased FROM deliveries INDEXED BY deliveries_unsettled \
                       WHERE sink = ?1 AND op_seq = ?2 AND state < 2 AND state = 0 LIMIT 1";
            tx.first(sql, params![sink.as_str(), op_seq], read)?
        }
        2 => return Ok(Some(MadeDue::Settled(DeliveryState::Delivered))),
        _ => return Ok(Some(MadeDue::Settled(DeliveryState::Dead))),
    };
    let Some(first) = first else { return Ok(None) };
    if first.is_leased && first.at > tx.steady {
        return Ok(Some(MadeDue::UnderWay(first.id)));
    }
    if first.at > tx.steady {
        tx.execute("UPDATE deliveries SET at = ?2 WHERE seq = ?1 AND state = 0", [first.row, tx.steady])?;
    }
    tx.wake(&sink);
    Ok(Some(MadeDue::Due(first.id)))
}
