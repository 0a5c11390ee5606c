//! Reads the stored operations that a notification may be about.

use rusqlite::{Row, params};

use super::binding;
use crate::domain::{ClientContext, GraphId, RecordOperation, Status};
use crate::store::decisions::known::{Known, MOST};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::newest_events::MANY;
use crate::store::sqlite::read::rows::maybe_parsed;

/// The columns of [`read`].
pub const COLUMNS: &str = "SELECT o.seq, o.call_id, o.status, x.operation IS NULL OR o.state_event IS NOT NULL, \
            EXISTS (SELECT 1 FROM watches w WHERE w.operation = o.seq), o.state_event, o.proof, x.state, x.metadata, x.sinks, \
            o.client_context, o.version + o.n_unchanged";

/// The operations with this id, whatever their call. If many calls share it: the one of this call, and the newest ones.
pub fn of_id(tx: &Tx<'_>, operation: &RecordOperation, lookup: i64) -> Result<Vec<Known>, Failure> {
    let sql = format!(
        "{COLUMNS} FROM lookups l JOIN operations o ON o.seq = l.target LEFT JOIN expectations x ON x.operation = o.seq \
         WHERE l.hash = ?1 AND o.id = ?2 LIMIT ?3"
    );
    let id = operation.id.as_str();
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let found = tx.all(&sql, params![lookup, id, limit], read)?;
    if found.len() <= MOST { Ok(found) } else { known_among_many(tx, operation, lookup) }
}

fn known_among_many(tx: &Tx<'_>, operation: &RecordOperation, lookup: i64) -> Result<Vec<Known>, Failure> {
    let (id, call_id) = (operation.id.as_str(), operation.call_id.as_ref().map_or("", GraphId::as_str));
    let sql = format!(
        "{COLUMNS} FROM operations o INDEXED BY operations_by_call LEFT JOIN expectations x ON x.operation = o.seq \
         WHERE substr(o.call_id, 1, 8) = substr(?1, 1, 8) AND o.call_id = ?1 AND o.call_id <> '' AND o.id = ?2 LIMIT 1"
    );
    let mut found = tx.all(&sql, params![call_id, id], read)?;
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
    for table in ["lookups_recent", "lookups_settled"] {
        let sql = format!(
            "{COLUMNS} FROM {table} l CROSS JOIN operations o ON o.seq = l.target \
             LEFT JOIN expectations x ON x.operation = o.seq \
             WHERE l.hash = ?1 AND o.id = ?2 ORDER BY l.target DESC LIMIT ?3"
        );
        for newest in tx.all(&sql, params![lookup, id, limit], read)? {
            if found.iter().all(|known| known.seq != newest.seq) {
                found.push(newest);
            }
        }
    }
    Ok(found)
}

/// Reads a row of [`COLUMNS`].
pub fn read(row: &Row<'_>) -> rusqlite::Result<Known> {
    let status: String = row.get(2)?;
    Ok(Known {
        seq: row.get(0)?,
        call_id: row.get(1)?,
        status: Status::parse(&status),
        is_heard: row.get(3)?,
        is_watched: row.get(4)?,
        state_event: row.get(5)?,
        proof: row.get(6)?,
        announced: binding::announced(row, 7)?,
        client_context: maybe_parsed(row, 10, |text| ClientContext::new(text))?,
        is_long: row.get::<_, i64>(11)? > MANY,
    })
}
