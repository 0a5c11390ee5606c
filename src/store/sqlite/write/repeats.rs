//! Finds the earlier events by which it is judged whether an item was accepted before.
//!
//! **Invariants**
//! 1. The work does not grow with the store: each statement reads an index that holds only matching rows, and only the
//!    newest [`MOST`] of them.

use rusqlite::{Row, params};

use crate::store::decisions::item::Item;
use crate::store::decisions::known::Known;
use crate::store::decisions::repeats::{Earlier, MOST, Seen, judge};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::unanswered;
use crate::store::sqlite::read::rows::event_id;

/// The columns of [`Earlier`]; `e` is the event, and `?1` the bytes' hash.
const EARLIER: &str = "SELECT e.seq, e.id, e.received_at, e.message, e.hash = ?1, \
                       EXISTS (SELECT 1 FROM unanswered u WHERE u.event = e.seq)";

/// Looks for an item, among `known` if it is about an operation. Events accepted up to `since` do not count.
pub fn look(tx: &Tx<'_>, item: &Item, known: &[Known], since: i64) -> Result<Seen, Failure> {
    let earlier = match item.lookup {
        Some(lookup) => by_lookup(tx, item, lookup)?,
        None => of_operations(tx, item, known)?,
    };
    let seen = judge(item, &earlier, since);
    if let Some((of, _)) = seen.repeat
        && let Some(repeated) = earlier.iter().find(|it| it.id == of && it.is_unanswered)
    {
        unanswered::clear(tx, repeated.seq)?;
    }
    Ok(seen)
}

/// Events with the same Graph id, or with the same bytes if it has none, newest first.
fn by_lookup(tx: &Tx<'_>, item: &Item, lookup: i64) -> Result<Vec<Earlier>, Failure> {
    let (graph_id, subscription_id) = (&item.notification.graph_id, &item.notification.subscription_id);
    let mut found = Vec::new();
    // Recent lookups are newer than settled ones with the same hash.
    for table in ["lookups_recent", "lookups_settled"] {
        let sql = format!(
            "{EARLIER} FROM {table} l CROSS JOIN events e ON e.seq = l.target \
             WHERE l.hash = ?2 AND e.graph_id IS ?3 AND e.subscription_id IS ?4 ORDER BY l.target DESC LIMIT ?5"
        );
        let left = MOST - i64::try_from(found.len()).unwrap_or(MOST);
        if left > 0 {
            found.extend(tx.all(&sql, params![item.hash, lookup, graph_id, subscription_id, left], read)?);
        }
    }
    Ok(found)
}

/// Events with the same bytes of the operations that have the item's id, the newest of each operation first.
fn of_operations(tx: &Tx<'_>, item: &Item, known: &[Known]) -> Result<Vec<Earlier>, Failure> {
    let sql = format!(
        "{EARLIER} FROM events e INDEXED BY events_by_bytes WHERE e.op_seq = ?2 AND e.hash = ?1 \
         ORDER BY e.seq DESC LIMIT ?3"
    );
    let mut found = Vec::new();
    for operation in known {
        let of_one = tx.all(&sql, params![item.hash, operation.seq, MOST], read)?;
        let stands = |it: Earlier| Earlier { stands: operation.state_event == Some(it.seq), ..it };
        found.extend(of_one.into_iter().map(stands));
    }
    Ok(found)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    Ok(Earlier {
        seq: row.get(0)?,
        id: event_id(row, 1)?,
        received_at: row.get(2)?,
        message: row.get(3)?,
        has_same_bytes: row.get(4)?,
        is_unanswered: row.get(5)?,
        stands: false,
    })
}
