//! Changing an operation at its client's request.

use rusqlite::params;

use super::{announce, watches};
use crate::domain::{ClientContext, ExpectationState, Operation, Status};
use crate::store::decisions::announcing::Terms;
use crate::store::operations::{Change, Updated};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read;

/// Changes an operation if it still has `version`.
pub fn update(tx: &Tx<'_>, number: i64, version: Option<i64>, change: &Change) -> Result<Updated, Failure> {
    let Some(before) = read::operation::one(tx.connection(), &tx.shared.seal, number)? else {
        return Ok(Updated::Missing);
    };
    if version.is_some_and(|version| version != before.version) {
        return Ok(Updated::Stale(before.version));
    }
    if let Some(context) = change.client_context.as_ref().filter(|new| Some(*new) != before.client_context.as_ref()) {
        if before.status != Status::NotStarted {
            return Ok(Updated::Started);
        }
        if is_taken(tx, number, context)? {
            return Ok(Updated::Taken);
        }
        rename(tx, number, context)?;
    }
    let Change { metadata, expected_by, sinks, .. } = change;
    if metadata.is_some() || expected_by.is_some() || sinks.is_some() {
        change_terms(tx, &before, change)?;
    }
    announce::touch(tx, number)?;
    Ok(Updated::Done(Box::new(announce::operation(tx, number)?)))
}

fn is_taken(tx: &Tx<'_>, number: i64, context: &ClientContext) -> Result<bool, Failure> {
    // An operation that is overdue or lost may never end, so it does not block its client context.
    let sql = "SELECT 1 FROM operations o INDEXED BY operations_open_by_context \
               LEFT JOIN expectations x ON x.operation = o.seq WHERE o.client_context = ?1 AND o.is_terminal = 0 \
               AND o.seq <> ?2 AND (x.state IS NULL OR x.state = 'waiting') LIMIT 1";
    Ok(tx.first(sql, params![context.as_str(), number], |_| Ok(()))?.is_some())
}

/// Gives the operation another client context. If its notifications are still expected, they are now expected with that
/// one.
fn rename(tx: &Tx<'_>, number: i64, context: &ClientContext) -> Result<(), Failure> {
    let sql = "UPDATE operations SET client_context = ?2 WHERE seq = ?1";
    tx.execute(sql, params![number, context.as_str()])?;
    let sql = "UPDATE expectations SET waits_for = ?2 WHERE operation = ?1 AND waits_for IS NOT NULL";
    tx.execute(sql, params![number, context.as_str()]).map(drop)
}

/// Changes the terms of the announcement. If the operation was not announced, this announces it.
fn change_terms(tx: &Tx<'_>, before: &Operation, change: &Change) -> Result<(), Failure> {
    let terms = Terms::changed(before, change);
    let state = announce::set(tx, before, &terms)?;
    if change.expected_by.is_some() && state == ExpectationState::Waiting {
        watches::set_deadline(tx, before.number, terms.expected_by.map(|at| at.as_microsecond()))?;
    }
    Ok(())
}
