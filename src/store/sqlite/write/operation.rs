//! The operation's row: it finds the operation of a notification, and applies the notification to it.
//!
//! An operation is identified by its id and its call. A notification without a call belongs to the one operation of
//! that id, if there is only one. A notification with a call also sets the call of the one operation of that id whose
//! call is unknown. If several operations share the id, nothing is guessed: notifications without a call then make an
//! operation of their own.
//!
//! **Invariants**
//! 1. A notification with weaker proof does not change what stronger proof established or a client announced: it is
//!    only an event of the operation. Stronger proof replaces what weaker proof established.

use rusqlite::params;

use super::binding::{self, End};
use super::known;
use super::operation_row::{Notified, OperationRow};
use crate::domain::{Channel, GraphId, Order, Proof};
use crate::store::decisions::announced::Announced;
use crate::store::decisions::known::{Known, choose};
use crate::store::decisions::news::News;
use crate::store::decisions::taken::Taken;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// Applies a notification to its operation, and makes the operation if there is none.
pub fn take(tx: &Tx<'_>, news: &News<'_>, known: Vec<Known>, lookup: i64) -> Result<Taken, Failure> {
    let (known, ambiguous) = find(tx, news, known, lookup)?;
    let is_open = !news.operation.status.is_terminal();
    let Some(known) = known else {
        let seq = insert(tx, news, lookup)?;
        let (order, previous, announced) = (Order::First, None, None);
        let (is_new, is_recovered, client_context, is_long) = (true, false, None, false);
        return Ok(Taken {
            seq,
            is_new,
            order,
            previous,
            ambiguous,
            announced,
            is_recovered,
            is_open,
            client_context,
            is_long,
        });
    };
    let order = known.order(news);
    let (previous, is_long) = (known.heard().cloned(), known.is_long);
    if !order.moves() {
        tx.execute("UPDATE operations SET n_unchanged = n_unchanged + 1 WHERE seq = ?1", [known.seq])?;
    }
    if order == Order::Weaker {
        let announced = known.announced.map(Announced::without_sinks);
        return Ok(Taken {
            seq: known.seq,
            is_new: false,
            order,
            previous,
            ambiguous,
            announced,
            is_recovered: false,
            is_open: false,
            client_context: None,
            is_long,
        });
    }
    update(tx, &known, news, order)?;
    let has_ended = order.moves() && news.operation.status.is_terminal() && !known.status.is_terminal();
    let Known { seq, is_watched, announced, client_context, .. } = known;
    let client_context = client_context.filter(|_| news.notification.client_context.is_none());
    let end = End { is_watched, recovers: news.operation.recovers() };
    let is_recovered = has_ended && binding::end(tx, seq, announced.as_ref(), end)?;
    let is_new = false;
    Ok(Taken { seq, is_new, order, previous, ambiguous, announced, is_recovered, is_open, client_context, is_long })
}

/// The operation of a notification, known or announced, and whether another unfinished one has the same client context.
fn find(tx: &Tx<'_>, news: &News<'_>, known: Vec<Known>, lookup: i64) -> Result<(Option<Known>, bool), Failure> {
    let (context, operation) = (news.client_context(), news.operation);
    let call_id = operation.call_id.as_ref().map_or("", GraphId::as_str);
    if let Some(known) = choose(known, call_id) {
        let sql = "SELECT 1 FROM operations INDEXED BY operations_open_by_context \
                   WHERE client_context = ?1 AND is_terminal = 0 AND seq <> ?2 LIMIT 1";
        let ambiguous = match context {
            Some(context) => tx.first(sql, params![context, known.seq], |_| Ok(()))?.is_some(),
            None => false,
        };
        return Ok((Some(known), ambiguous));
    }
    let (mut expected, ambiguous) = binding::look(tx, context, call_id)?;
    if context.is_none() && operation.status.is_terminal() && news.notification.channel == Channel::Calls {
        expected = binding::only_of_call(tx, call_id)?;
    }
    let Some(expected) = expected.filter(|_| news.proof >= Proof::FOR_EXPECTATIONS) else {
        return Ok((None, ambiguous || expected.is_some()));
    };
    binding::bind(tx, expected, &operation.id, lookup)?;
    let sql = format!(
        "{} FROM operations o LEFT JOIN expectations x ON x.operation = o.seq WHERE o.seq = ?1",
        known::COLUMNS
    );
    Ok((tx.first(&sql, [expected], known::read)?, ambiguous))
}

fn insert(tx: &Tx<'_>, news: &News<'_>, lookup: i64) -> Result<i64, Failure> {
    let (operation, number) = (news.operation, tx.shared.numbers.operation());
    let row = OperationRow {
        number,
        id: operation.id.as_str(),
        lookup,
        call_id: operation.call_id.as_ref().map_or("", GraphId::as_str),
        client_context: news.client_context(),
        status: &operation.status,
        created_at: news.known_at,
        tenant_id: news.notification.tenant_id.as_deref(),
        notified: Some(Notified {
            completion_reason: operation.completion_reason.as_deref(),
            code: news.code(),
            subcode: news.subcode(),
            event: news.event,
            proof: news.proof,
        }),
    };
    row.insert(tx).map(|()| number)
}

fn update(tx: &Tx<'_>, known: &Known, news: &News<'_>, order: Order) -> Result<(), Failure> {
    let operation = news.operation;
    if order.moves() {
        // A status that the client already has from Graph does not go back.
        let is_late = !known.is_weaker_than(news) && Order::of(Some(&known.status), &operation.status) == Order::Late;
        let status = if is_late { &known.status } else { &operation.status };
        let sql = "UPDATE operations SET status = ?2, is_terminal = ?3, modified_at = ?4, \
                   client_context = coalesce(?5, client_context), tenant_id = coalesce(?6, tenant_id), \
                   completion_reason = ?7, result_code = ?8, result_subcode = ?9, state_event = ?10, \
                   proof = ?11, version = version + 1 WHERE seq = ?1";
        tx.execute(
            sql,
            params![
                known.seq,
                status.as_str(),
                status.is_terminal(),
                news.known_at,
                news.client_context(),
                news.notification.tenant_id,
                operation.completion_reason,
                news.code(),
                news.subcode(),
                news.event,
                news.proof.rank(),
            ],
        )?;
    }
    if let Some(call_id) = &operation.call_id
        && known.call_id != call_id.as_str()
    {
        let sql = "UPDATE operations SET call_id = ?2, version = version + 1 WHERE seq = ?1";
        tx.execute(sql, params![known.seq, call_id.as_str()])?;
    }
    Ok(())
}
