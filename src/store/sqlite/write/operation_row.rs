//! The operation's new row: the one place that names the columns of `operations` to insert them.

use rusqlite::params;

use crate::domain::{Proof, Status};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::lookups;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::newest_events::MANY;

/// Whether an operation has had many events.
pub fn is_long(tx: &Tx<'_>, operation: i64) -> Result<bool, Failure> {
    let sql = "SELECT version + n_unchanged > ?2 FROM operations WHERE seq = ?1";
    Ok(tx.first(sql, [operation, MANY], |row| row.get(0))?.unwrap_or(false))
}

/// A row to insert.
pub struct OperationRow<'a> {
    /// Its number.
    pub number: i64,
    /// Its id.
    pub id: &'a str,
    /// The key for looking it up by its id.
    pub lookup: i64,
    /// Its call; empty if that is not known.
    pub call_id: &'a str,
    /// Its client context.
    pub client_context: Option<&'a str>,
    /// Its status.
    pub status: &'a Status,
    /// When it became known, in microseconds of the machine's clock.
    pub created_at: i64,
    /// Its tenant.
    pub tenant_id: Option<&'a str>,
    /// What the notification said of it; `None` if only its client announced it.
    pub notified: Option<Notified<'a>>,
}

/// The columns that only a notification fills.
#[derive(Clone, Copy)]
pub struct Notified<'a> {
    /// Why it ended.
    pub completion_reason: Option<&'a str>,
    /// The result's code.
    pub code: Option<i64>,
    /// The result's subcode.
    pub subcode: Option<i64>,
    /// The event that set the state.
    pub event: i64,
    /// The proof of that event.
    pub proof: Proof,
}

impl OperationRow<'_> {
    /// Inserts the row and its lookup.
    pub fn insert(&self, tx: &Tx<'_>) -> Result<(), Failure> {
        let sql = "INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at, \
                   tenant_id, completion_reason, result_code, result_subcode, state_event, proof) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        let row = params![
            self.number,
            self.id,
            self.call_id,
            self.client_context,
            self.status.as_str(),
            self.status.is_terminal(),
            self.created_at,
            self.tenant_id,
            self.notified.and_then(|notified| notified.completion_reason),
            self.notified.and_then(|notified| notified.code),
            self.notified.and_then(|notified| notified.subcode),
            self.notified.map(|notified| notified.event),
            self.notified.map_or(0, |notified| notified.proof.rank()),
        ];
        tx.execute(sql, row)?;
        lookups::add(tx, self.lookup, self.number)
    }
}
