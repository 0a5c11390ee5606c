//! The lease: the right to attempt a delivery. It is taken, given back, or void when its process ends.
//!
//! **Invariants**
//! 1. A lease's token grows with each lease of the row, so an old token matches nothing.
//! 2. A blocked delivery is leased only to the holder of the open one before it. Its lease counts from the moment it is
//!    unblocked; before that, and after the lease has ended, it waits as if it had none.
//! 3. No more bytes are leased than the sink's memory has room for. The only exception: one delivery if the memory
//!    holds nothing.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, Row, params};

use super::delivery::{BLOCKED, OPEN, unblock_next};
use crate::clock::Clock;
use crate::domain::{Lease, SinkName};
use crate::store::decisions::leases::{self, Leased, Lost};
use crate::store::ids;
use crate::store::instants::micros;
use crate::store::seal::Seal;
use crate::store::sqlite::engine::backlogs::Change;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::rows::{Unread, delivery_id, event_of_delivery, maybe_delivery_id};
use crate::store::{Limit, StoreError};

/// The columns of [`Leased`], and the event's size. SQLite reads a value's length from the head of the row, so the value itself is not read.
const LEASED: &str = "SELECT seq, id, route, captures, n_attempts, lease_token, state, resend_of, \
                      (SELECT length(sealed) FROM events WHERE events.seq = deliveries.seq >> 12)";

/// The deliveries of one operation to one sink.
struct Chain<'a> {
    sink: &'a SinkName,
    op_seq: i64,
    /// Until when they are leased.
    expires_at: i64,
}

/// Leases the due deliveries that fit, the longest due first.
pub fn lease(tx: &Tx<'_>, sink: &SinkName, limit: Limit, ttl: Duration) -> Result<Vec<Leased>, Failure> {
    let expires_at = tx.steady.saturating_add(micros(ttl));
    let most = i64::try_from(limit.n).unwrap_or(i64::MAX);
    let of = |is_leased: bool| {
        let is_leased = u8::from(is_leased);
        format!(
            "{LEASED}, op_seq, at FROM deliveries INDEXED BY deliveries_due \
             WHERE sink = ?1 AND state = 0 AND is_leased = {is_leased} AND at <= ?2"
        )
    };
    // SQLite merges the two as it reads: those that are not leased, and those whose lease has ended.
    let sql = format!("{} UNION ALL {} ORDER BY at LIMIT ?3", of(false), of(true));
    let due_row = |row: &Row<'_>| Ok((read(row, expires_at)?, row.get::<_, Option<i64>>(9)?));
    let due = tx.all(&sql, params![sink.as_str(), tx.steady, most], due_row)?;
    let mut room = most.saturating_sub(i64::try_from(due.len()).unwrap_or(i64::MAX));
    let mut leased = Vec::with_capacity(due.len());
    for (first, op_seq) in due {
        leased.push(first);
        if let Some(op_seq) = op_seq.filter(|_| room > 0)
            && tx.any_blocked()?
        {
            let behind = behind(tx, &Chain { sink, op_seq, expires_at }, room)?;
            room = room.saturating_sub(i64::try_from(behind.len()).unwrap_or(i64::MAX));
            leased.extend(behind);
        }
    }
    // A delivery that follows another one stands behind it, and is cut off first.
    leased.truncate(limit.fit(leased.iter().map(|(_, n_bytes)| *n_bytes)));
    let sql = "UPDATE deliveries SET is_leased = 1, at = ?2, lease_token = ?3 WHERE seq = ?1";
    for (it, _) in &leased {
        tx.execute(sql, [it.number, expires_at, it.token])?;
    }
    Ok(leased.into_iter().map(|(it, _)| it).collect())
}

/// The deliveries that wait behind the open delivery of an operation, in the order in which they would be unblocked.
fn behind(tx: &Tx<'_>, chain: &Chain<'_>, limit: i64) -> Result<Vec<(Leased, usize)>, Failure> {
    let Chain { sink, op_seq, expires_at } = *chain;
    let sql = format!(
        "{LEASED} FROM deliveries INDEXED BY deliveries_unsettled \
         WHERE sink = ?1 AND op_seq = ?2 AND state < 2 AND state = 1 ORDER BY seq LIMIT ?3"
    );
    tx.all(&sql, params![sink.as_str(), op_seq, limit], |row| read(row, expires_at))
}

/// A row of [`LEASED`], and the stored size of its event.
fn read(row: &Row<'_>, expires_at: i64) -> rusqlite::Result<(Leased, usize)> {
    let leased = Leased {
        number: row.get(0)?,
        id: delivery_id(row, 1)?,
        route: row.get(2)?,
        captures: row.get(3)?,
        attempt: row.get::<_, u32>(4)?.saturating_add(1),
        token: row.get::<_, i64>(5)?.saturating_add(1),
        expires_at,
        follows: row.get(6)?,
        resend_of: maybe_delivery_id(row, 7)?,
    };
    let n_bytes = usize::try_from(row.get::<_, Option<i64>>(8)?.unwrap_or_default()).unwrap_or(usize::MAX);
    Ok((leased, n_bytes))
}

/// Reads the events of leased deliveries. Events that can never be read are returned separately, with the reason.
///
/// # Errors
/// The database failed: none of them could be decided.
pub fn with_events(
    connection: &Connection,
    seal: &Seal,
    sink: &SinkName,
    leased: Vec<Leased>,
) -> Result<(Vec<Lease>, Vec<Lost>), StoreError> {
    leases::with_events(sink, leased, |row| match event_of_delivery(connection, seal, row) {
        Ok(event) => Ok(Ok(Arc::new(event))),
        Err(Unread::Lost(reason)) => Ok(Err(reason)),
        Err(Unread::Failed(error)) => Err(error),
    })
}

/// Hands leases back: due again at `due_at`, in microseconds of steady time.
pub fn release(tx: &Tx<'_>, leases: &[Lease], due_at: i64) -> Result<(), Failure> {
    for lease in leases {
        let row = ids::delivery_row(lease.delivery.id.0);
        hand_back(tx, &lease.delivery.sink, &[(row, lease.token)], due_at)?;
    }
    Ok(())
}

/// Hands rows back, each with the token of its lease.
pub fn hand_back(tx: &Tx<'_>, sink: &SinkName, rows: &[(i64, i64)], due_at: i64) -> Result<(), Failure> {
    let sql = "UPDATE deliveries SET is_leased = 0, at = ?3 \
               WHERE seq = ?1 AND lease_token = ?2 AND is_leased = 1 AND state < 2";
    for (row, token) in rows {
        if tx.execute(sql, [*row, *token, due_at])? > 0 {
            tx.wake(sink);
        }
    }
    Ok(())
}

/// Makes leased deliveries whose events cannot be read dead letters: no attempt was made.
pub fn give_up(tx: &Tx<'_>, sink: &SinkName, lost: &[Lost]) -> Result<(), Failure> {
    let sql = "UPDATE deliveries SET state = 3, is_leased = 0, at = ?4, reason = ?5, settled_at = ?6 \
               WHERE seq = ?1 AND lease_token = ?2 AND is_leased = 1 AND state = ?3";
    for Lost { number: row, token, reason } in lost {
        let n_died = tx.execute(sql, params![row, token, OPEN, tx.wall, reason, tx.steady])?;
        tx.backlog(sink, Change::DIED.times(n_died));
        if n_died == 0 {
            let n_died = tx.execute(sql, params![row, token, BLOCKED, tx.wall, reason, tx.steady])?;
            tx.backlog(sink, Change::DIED.times(n_died));
        } else if tx.any_blocked()? {
            unblock_next(tx, *row, sink)?;
        }
    }
    Ok(())
}

/// Makes every leased delivery due at once, because its holder ended with its process. Their age keeps their order.
pub fn void_leases(connection: &Connection, clock: &Clock) -> rusqlite::Result<usize> {
    let sql = "UPDATE deliveries SET is_leased = 0 WHERE seq IN \
               (SELECT seq FROM deliveries INDEXED BY deliveries_blocked WHERE state = 1 AND is_leased = 1)";
    connection.execute(sql, [])?;
    let (now, lead) = (clock.steady().as_microsecond(), clock.lead().as_micros());
    connection.execute(
        "UPDATE deliveries SET is_leased = 0, at = min(created_at - ?2, ?1) WHERE seq IN \
         (SELECT seq FROM deliveries INDEXED BY deliveries_due WHERE state = 0 AND is_leased = 1)",
        [now, i64::try_from(lead).unwrap_or_default()],
    )
}
