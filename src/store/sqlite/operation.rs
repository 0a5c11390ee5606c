//! The operation's row: which one a notification is about, and what the notification does to it.
//!
//! An operation is its id and its call together. A notification that names no call joins the one operation of that id, if
//! there is one; one that names a call gives it to the one operation of that id whose call is not known. Where several
//! operations share the id nothing is guessed: those without a call are then an operation of their own.

use rusqlite::params;

use super::failure::Failure;
use super::lookups;
use super::tx::Tx;
use crate::domain::{ClientContext, GraphId, Notification, Order, RecordOperation, Status};

/// An operation that is known.
pub struct Known {
    seq: i64,
    call_id: String,
    status: Status,
}

/// What a notification did to its operation.
pub struct Taken {
    /// The operation's row.
    pub seq: i64,
    /// How the notification stood to what was known.
    pub order: Order,
    /// The status that was known.
    pub previous: Option<Status>,
    /// Whether another operation that has not ended has the same client context.
    pub ambiguous: bool,
}

/// The operations that have the id, whatever their call.
pub fn known(tx: &Tx<'_>, id: &GraphId, lookup: i64) -> Result<Vec<Known>, Failure> {
    let sql = "SELECT o.seq, o.call_id, o.status FROM lookups l JOIN operations o ON o.seq = l.target \
               WHERE l.hash = ?1 AND o.id = ?2";
    tx.all(sql, params![lookup, id.as_str()], |row| {
        let status: String = row.get(2)?;
        Ok(Known { seq: row.get(0)?, call_id: row.get(1)?, status: Status::parse(&status) })
    })
}

/// Whether one of the operations has an event of these bytes that arrived after `since`.
pub fn has_bytes(tx: &Tx<'_>, known: &[Known], hash: &[u8; 16], since: i64) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM events WHERE op_seq = ?1 AND hash = ?2 AND received_at > ?3 LIMIT 1";
    for operation in known {
        if tx.first(sql, params![operation.seq, hash, since], |_| Ok(()))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes a notification into its operation, which it makes where there is none.
pub fn take(
    tx: &Tx<'_>,
    (notification, operation): (&Notification, &RecordOperation),
    (known, lookup): (&[Known], i64),
    received_at: i64,
) -> Result<Taken, Failure> {
    let client_context = notification.client_context.as_ref().map(ClientContext::as_str);
    let known = choose(known, operation.call_id.as_ref().map_or("", GraphId::as_str));
    let order = Order::of(known.map(|known| &known.status), &operation.status);
    let seq = match known {
        None => insert(tx, (operation, client_context), lookup, received_at)?,
        Some(known) => {
            update(tx, known, (operation, client_context), (order, received_at))?;
            known.seq
        }
    };
    let sql = "SELECT 1 FROM operations WHERE client_context = ?1 AND is_terminal = 0 AND seq <> ?2 LIMIT 1";
    let ambiguous = match client_context {
        Some(context) => tx.first(sql, params![context, seq], |_| Ok(()))?.is_some(),
        None => false,
    };
    Ok(Taken { seq, order, previous: known.map(|known| known.status.clone()), ambiguous })
}

fn insert(
    tx: &Tx<'_>,
    (operation, client_context): (&RecordOperation, Option<&str>),
    lookup: i64,
    received_at: i64,
) -> Result<i64, Failure> {
    let call_id = operation.call_id.as_ref().map_or("", GraphId::as_str);
    let (status, is_terminal) = (operation.status.as_str(), operation.status.is_terminal());
    let sql = "INSERT INTO operations (id, call_id, client_context, status, is_terminal, created_at, modified_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)";
    tx.execute(sql, params![operation.id.as_str(), call_id, client_context, status, is_terminal, received_at])?;
    let seq = tx.connection().last_insert_rowid();
    lookups::add(tx, lookup, seq)?;
    Ok(seq)
}

fn update(
    tx: &Tx<'_>,
    known: &Known,
    (operation, client_context): (&RecordOperation, Option<&str>),
    (order, received_at): (Order, i64),
) -> Result<(), Failure> {
    if order.moves() {
        let (status, is_terminal) = (operation.status.as_str(), operation.status.is_terminal());
        let sql = "UPDATE operations SET status = ?2, is_terminal = ?3, modified_at = ?4, \
                   client_context = coalesce(?5, client_context) WHERE seq = ?1";
        tx.execute(sql, params![known.seq, status, is_terminal, received_at, client_context])?;
    }
    if let Some(call_id) = &operation.call_id
        && known.call_id != call_id.as_str()
    {
        tx.execute("UPDATE operations SET call_id = ?2 WHERE seq = ?1", params![known.seq, call_id.as_str()])?;
    }
    Ok(())
}

/// Which of the operations of one id a notification is about; an empty call is one that is not known.
fn choose<'a>(known: &'a [Known], call_id: &str) -> Option<&'a Known> {
    let exact = known.iter().find(|operation| operation.call_id == call_id);
    exact.or(match known {
        [only] if only.call_id.is_empty() || call_id.is_empty() => Some(only),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(calls: &[&str], call_id: &str) -> Option<String> {
        let known = calls.iter().zip(1..);
        let known = known.map(|(call, seq)| Known { seq, call_id: (*call).into(), status: Status::Running });
        choose(&known.collect::<Vec<_>>(), call_id).map(|known| known.call_id.clone())
    }

    #[test]
    fn a_notification_joins_the_operation_of_its_call() {
        assert_eq!(chosen(&["a", "b"], "b").as_deref(), Some("b"));
        assert_eq!(chosen(&["a"], "b"), None);
        assert_eq!(chosen(&[], "a"), None);
    }

    #[test]
    fn an_unknown_call_joins_the_only_operation() {
        assert_eq!(chosen(&["a"], "").as_deref(), Some("a"));
        assert_eq!(chosen(&[""], "a").as_deref(), Some(""));
    }

    #[test]
    fn where_it_would_be_a_guess_nothing_is_joined() {
        assert_eq!(chosen(&["a", "b"], ""), None);
        assert_eq!(chosen(&["", "a"], "b"), None);
        assert_eq!(chosen(&["a", "b", ""], "").as_deref(), Some(""));
    }
}
