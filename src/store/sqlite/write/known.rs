//! The stored operations that a notification may be about, and the choice among them.

use rusqlite::{Row, params};

use super::binding::Announced;
use super::news::News;
use crate::domain::{ClientContext, GraphId, Order, Proof, RecordOperation, Status};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::newest_events::MANY;
use crate::store::sqlite::read::rows::maybe_parsed;

/// Up to this many calls may share an operation's id before only some of them are read.
const MOST: usize = 8;
/// The columns of [`Known`].
pub const COLUMNS: &str = "SELECT o.seq, o.call_id, o.status, x.operation IS NULL OR o.state_event IS NOT NULL, \
            EXISTS (SELECT 1 FROM watches w WHERE w.operation = o.seq), o.state_event, o.proof, x.state, x.metadata, x.sinks, \
            o.client_context, o.version + o.n_unchanged";

/// A stored operation.
pub struct Known {
    /// Its row.
    pub seq: i64,
    /// The event that set its state.
    pub state_event: Option<i64>,
    /// Its call; empty if that is not known.
    pub call_id: String,
    /// Its status.
    pub status: Status,
    /// Whether a notification of it arrived. If not, only its client announced it.
    is_heard: bool,
    /// Whether it is watched.
    pub is_watched: bool,
    /// The rank of its proof.
    proof: i64,
    /// The announcement of its client.
    pub announced: Option<Announced>,
    /// Its client context.
    pub client_context: Option<ClientContext>,
    /// Whether it has had many events.
    pub is_long: bool,
}

/// The operations with this id, whatever their call. If many calls share it: the one of this call, and the newest ones.
pub fn of_id(tx: &Tx<'_>, operation: &RecordOperation, lookup: i64) -> Result<Vec<Known>, Failure> {
    let sql = format!(
        "{COLUMNS} FROM lookups l JOIN operations o ON o.seq = l.target LEFT JOIN expectations x ON x.operation = o.seq \
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
        "{COLUMNS} FROM operations o INDEXED BY operations_by_call LEFT JOIN expectations x ON x.operation = o.seq \
         WHERE substr(o.call_id, 1, 8) = substr(?1, 1, 8) AND o.call_id = ?1 AND o.call_id <> '' AND o.id = ?2 LIMIT 1"
    );
    let mut found = tx.all(&sql, params![call_id, id], Known::read)?;
    let limit = i64::try_from(MOST).unwrap_or(i64::MAX);
    for table in ["lookups_recent", "lookups_settled"] {
        let sql = format!(
            "{COLUMNS} FROM {table} l CROSS JOIN operations o ON o.seq = l.target \
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

impl Known {
    /// Its status, if Graph notified of it.
    pub fn heard(&self) -> Option<&Status> {
        Some(&self.status).filter(|_| self.is_heard)
    }

    /// How a notification compares with it.
    pub fn order(&self, news: &News<'_>) -> Order {
        let announced = if self.announced.is_some() { Proof::FOR_EXPECTATIONS.rank() } else { 0 };
        if news.proof.rank() < self.proof.max(announced) {
            return Order::Weaker;
        }
        match Order::of(self.heard(), &news.operation.status) {
            Order::Late | Order::Conflicting if self.is_weaker_than(news) => Order::Advanced,
            order => order,
        }
    }

    /// Whether Graph notified of it before, with weaker proof than this notification has.
    pub fn is_weaker_than(&self, news: &News<'_>) -> bool {
        self.is_heard && self.proof < news.proof.rank()
    }

    /// Reads a row of [`COLUMNS`].
    pub fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
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
            is_long: row.get::<_, i64>(11)? > MANY,
        })
    }
}

/// The operation of a notification among those that share its id; an empty call means that the call is unknown.
pub fn choose(mut known: Vec<Known>, call_id: &str) -> Option<Known> {
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
            is_long: false,
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
