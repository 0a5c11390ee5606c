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

use rusqlite::{Row, params};

use super::binding::{self, Announced, End};
use crate::domain::{Channel, ClientContext, GraphId, Notification, Order, Proof, RecordOperation, Status};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::lookups;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::rows::maybe_parsed;

/// Up to this many calls may share an operation's id before only some of them are read.
const MOST: usize = 8;
/// The columns of [`Known`].
const KNOWN: &str = "SELECT o.seq, o.call_id, o.status, x.operation IS NULL OR o.state_event IS NOT NULL, \
            EXISTS (SELECT 1 FROM watches w WHERE w.operation = o.seq), o.state_event, o.proof, x.state, x.metadata, x.sinks, \
            o.client_context";

/// A stored operation.
pub struct Known {
    /// Its row.
    pub seq: i64,
    /// The event that set its state.
    pub state_event: Option<i64>,
    call_id: String,
    status: Status,
    /// Whether a notification of it arrived. If not, only its client announced it.
    is_heard: bool,
    is_watched: bool,
    /// The rank of its proof.
    proof: i64,
    announced: Option<Announced>,
    client_context: Option<ClientContext>,
}

/// The result of applying a notification.
pub struct Taken {
    /// The operation's row.
    pub seq: i64,
    /// Whether the row is new.
    pub is_new: bool,
    /// How the notification compares with the stored state.
    pub order: Order,
    /// The status before it.
    pub previous: Option<Status>,
    /// Whether another unfinished operation has the same client context.
    pub ambiguous: bool,
    /// The announcement of its client.
    pub announced: Option<Announced>,
    /// Whether it ended after it had been reported as overdue or lost.
    pub is_recovered: bool,
    /// Whether it is still unfinished.
    pub is_open: bool,
    /// The stored client context, if the notification has none.
    pub client_context: Option<ClientContext>,
}

/// The operations with this id, whatever their call. If many calls share it: the one of this call, and the newest ones.
pub fn known(tx: &Tx<'_>, operation: &RecordOperation, lookup: i64) -> Result<Vec<Known>, Failure> {
    let sql = format!(
        "{KNOWN} FROM lookups l JOIN operations o ON o.seq = l.target LEFT JOIN expectations x ON x.operation = o.seq \
         WHERE l.hash = ?1 AND o.id = ?2 LIMIT ?3"
    );
    let id = operation.id.as_str();
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let found = tx.all(&sql, params![lookup, id, limit], Known::read)?;
    if found.len() <= MOST { Ok(found) } else { known_among_many(tx, operation, lookup) }
}

fn known_among_many(tx: &Tx<'_>, operation: &RecordOperation, lookup: i64) -> Result<Vec<Known>, Failure> {
    let (id, call_id) = (operation.id.as_str(), operation.call_id.as_ref().map_or("", GraphId::as_str));
    let sql = format!(
        "{KNOWN} FROM operations o INDEXED BY operations_by_call LEFT JOIN expectations x ON x.operation = o.seq \
         WHERE substr(o.call_id, 1, 8) = substr(?1, 1, 8) AND o.call_id = ?1 AND o.call_id <> '' AND o.id = ?2 LIMIT 1"
    );
    let mut found = tx.all(&sql, params![call_id, id], Known::read)?;
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
    for table in ["lookups_recent", "lookups_settled"] {
        let sql = format!(
            "{KNOWN} FROM {table} l CROSS JOIN operations o ON o.seq = l.target \
             LEFT JOIN expectations x ON x.operation = o.seq \
             WHERE l.hash = ?1 AND o.id = ?2 ORDER BY l.target DESC LIMIT ?3"
        );
        for newest in tx.all(&sql, params![lookup, id, limit], Known::read)? {
            if found.iter().all(|known| known.seq != newest.seq) {
                found.push(newest);
            }
        }
    }
    Ok(found)
}

/// The facts of one notification about its operation.
pub struct Told<'a> {
    /// The notification.
    pub notification: &'a Notification,
    /// The operation in it.
    pub operation: &'a RecordOperation,
    /// Its proof.
    pub proof: Proof,
    /// The event that it makes.
    pub event: i64,
    /// In microseconds.
    pub received_at: i64,
}

/// Applies a notification to its operation, and makes the operation if there is none.
pub fn take(tx: &Tx<'_>, told: &Told<'_>, (known, lookup): (Vec<Known>, i64)) -> Result<Taken, Failure> {
    let (known, ambiguous) = find(tx, told, (known, lookup))?;
    let is_open = !told.operation.status.is_terminal();
    let Some(known) = known else {
        let seq = insert(tx, told, lookup)?;
        let (order, previous, announced) = (Order::First, None, None);
        let (is_new, is_recovered, client_context) = (true, false, None);
        return Ok(Taken { seq, is_new, order, previous, ambiguous, announced, is_recovered, is_open, client_context });
    };
    let order = known.order(told);
    let previous = known.heard().cloned();
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
        });
    }
    update(tx, &known, told, order)?;
    let has_ended = order.moves() && told.operation.status.is_terminal() && !known.status.is_terminal();
    let Known { seq, is_watched, announced, client_context, .. } = known;
    let client_context = client_context.filter(|_| told.notification.client_context.is_none());
    let end = End { is_watched, recovers: told.operation.recovers() };
    let is_recovered = has_ended && binding::end(tx, seq, announced.as_ref(), end)?;
    let is_new = false;
    Ok(Taken { seq, is_new, order, previous, ambiguous, announced, is_recovered, is_open, client_context })
}

/// The operation of a notification, known or announced, and whether another unfinished one has the same client context.
fn find(tx: &Tx<'_>, told: &Told<'_>, (known, lookup): (Vec<Known>, i64)) -> Result<(Option<Known>, bool), Failure> {
    let (context, operation) = (told.client_context(), told.operation);
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
    if context.is_none() && operation.status.is_terminal() && told.notification.channel == Channel::Calls {
        expected = binding::only_of_call(tx, call_id)?;
    }
    let Some(expected) = expected.filter(|_| told.proof >= Proof::FOR_EXPECTATIONS) else {
        return Ok((None, ambiguous || expected.is_some()));
    };
    binding::bind(tx, expected, &operation.id, lookup)?;
    let sql = format!("{KNOWN} FROM operations o LEFT JOIN expectations x ON x.operation = o.seq WHERE o.seq = ?1");
    Ok((tx.first(&sql, [expected], Known::read)?, ambiguous))
}

impl Told<'_> {
    fn client_context(&self) -> Option<&str> {
        self.notification.client_context.as_ref().map(ClientContext::as_str)
    }

    fn code(&self) -> Option<i64> {
        self.operation.result_info.as_ref().map(|result| result.code)
    }

    fn subcode(&self) -> Option<i64> {
        self.operation.result_info.as_ref().map(|result| result.subcode)
    }
}

fn insert(tx: &Tx<'_>, told: &Told<'_>, lookup: i64) -> Result<i64, Failure> {
    let seq = tx.shared.numbers.operation();
    let operation = told.operation;
    let call_id = operation.call_id.as_ref().map_or("", GraphId::as_str);
    let sql = "INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at, \
               tenant_id, completion_reason, result_code, result_subcode, state_event, proof) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
    tx.execute(
        sql,
        params![
            seq,
            operation.id.as_str(),
            call_id,
            told.client_context(),
            operation.status.as_str(),
            operation.status.is_terminal(),
            told.received_at,
            told.notification.tenant_id,
            operation.completion_reason,
            told.code(),
            told.subcode(),
            told.event,
            told.proof.rank(),
        ],
    )?;
    lookups::add(tx, lookup, seq)?;
    Ok(seq)
}

fn update(tx: &Tx<'_>, known: &Known, told: &Told<'_>, order: Order) -> Result<(), Failure> {
    let operation = told.operation;
    if order.moves() {
        // A status that the client already has from Graph does not go back.
        let is_late = !known.is_weaker_than(told) && Order::of(Some(&known.status), &operation.status) == Order::Late;
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
                told.received_at,
                told.client_context(),
                told.notification.tenant_id,
                operation.completion_reason,
                told.code(),
                told.subcode(),
                told.event,
                told.proof.rank(),
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

impl Known {
    /// Its status, if Graph notified of it.
    fn heard(&self) -> Option<&Status> {
        Some(&self.status).filter(|_| self.is_heard)
    }

    /// How a notification compares with it.
    fn order(&self, told: &Told<'_>) -> Order {
        let announced = if self.announced.is_some() { Proof::FOR_EXPECTATIONS.rank() } else { 0 };
        if told.proof.rank() < self.proof.max(announced) {
            return Order::Weaker;
        }
        match Order::of(self.heard(), &told.operation.status) {
            Order::Late | Order::Conflicting if self.is_weaker_than(told) => Order::Advanced,
            order => order,
        }
    }

    /// Whether Graph notified of it before, with weaker proof than this notification has.
    fn is_weaker_than(&self, told: &Told<'_>) -> bool {
        self.is_heard && self.proof < told.proof.rank()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let status: String = row.get(2)?;
        Ok(Self {
            seq: row.get(0)?,
            call_id: row.get(1)?,
            status: Status::parse(&status),
            is_heard: row.get(3)?,
            is_watched: row.get(4)?,
            state_event: row.get(5)?,
            proof: row.get(6)?,
            announced: Announced::read(row, 7)?,
            client_context: maybe_parsed(row, 10, |text| ClientContext::new(text))?,
        })
    }
}

/// The operation of a notification among those that share its id; an empty call means that the call is unknown.
fn choose(mut known: Vec<Known>, call_id: &str) -> Option<Known> {
    let joins = |operation: &Known| operation.call_id.is_empty() || call_id.is_empty();
    let at = match &known[..] {
        [only] if joins(only) => 0,
        _ => known.iter().position(|operation| operation.call_id == call_id)?,
    };
    Some(known.swap_remove(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(calls: &[&str], call_id: &str) -> Option<String> {
        let known = calls.iter().zip(1..);
        let known = known.map(|(call, seq)| Known {
            seq,
            call_id: (*call).into(),
            status: Status::Running,
            is_heard: true,
            is_watched: false,
            state_event: None,
            proof: 4,
            announced: None,
            client_context: None,
        });
        choose(known.collect(), call_id).map(|known| known.call_id)
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
