//! Whether an item was accepted before. Finds earlier events with the same bytes, and what identifies the item as a
//! repeat.
//!
//! **Invariants**
//! 1. Equal bytes alone never drop an item; a [`RepeatOf`] says why it is dropped.
//! 2. The work does not grow with the store: each statement reads an index that holds only matching rows, and only the
//!    newest [`MOST`] of them.

use rusqlite::{Row, params};

use super::known::Known;
use super::prepare::Item;
use crate::domain::{EventId, RepeatOf};
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::engine::unanswered;
use crate::store::sqlite::read::rows::event_id;

/// How many earlier events are read, the newest first. A repeat behind more events with the same bytes counts as a
/// change.
const MOST: i64 = 16;
/// The columns of [`Earlier`]; `e` is the event, and `?1` the bytes' hash.
const EARLIER: &str = "SELECT e.seq, e.id, e.received_at, e.message, e.hash = ?1, \
                       EXISTS (SELECT 1 FROM unanswered u WHERE u.event = e.seq)";

/// How an item compares with what was accepted before.
#[derive(Default)]
pub struct Seen {
    /// The event that it repeats, and what identifies it.
    pub repeat: Option<(EventId, RepeatOf)>,
    /// Whether the same bytes were accepted before.
    pub possible_repeat: bool,
    /// Whether its Graph id was accepted before with other bytes.
    pub id_conflict: bool,
}

/// An event that the item may be a repeat of.
struct Earlier {
    seq: i64,
    id: EventId,
    received_at: i64,
    message: Option<i64>,
    has_same_bytes: bool,
    is_unanswered: bool,
    /// Whether it set its operation's state.
    stands: bool,
}

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
            found.extend(tx.all(&sql, params![item.hash, lookup, graph_id, subscription_id, left], Earlier::read)?);
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
        let of_one = tx.all(&sql, params![item.hash, operation.seq, MOST], Earlier::read)?;
        let stands = |it: Earlier| Earlier { stands: operation.state_event == Some(it.seq), ..it };
        found.extend(of_one.into_iter().map(stands));
    }
    Ok(found)
}

fn judge(item: &Item, earlier: &[Earlier], since: i64) -> Seen {
    let is_same = |it: &&Earlier| it.has_same_bytes && it.received_at > since;
    let identified = earlier.iter().filter(is_same).find_map(|it| Some((it.id, identified(item, it)?)));
    // An earlier event with an identifier comes first. It leaves unanswered events for the repeats that they wait for.
    let unanswered = || earlier.iter().filter(is_same).find(|it| it.is_unanswered);
    Seen {
        repeat: identified.or_else(|| unanswered().map(|it| (it.id, RepeatOf::Unanswered))),
        possible_repeat: earlier.iter().any(|it| is_same(&it)),
        id_conflict: item.notification.graph_id.is_some() && earlier.iter().any(|it| !it.has_same_bytes),
    }
}

/// What identifies an item with the same bytes as the same notification.
fn identified(item: &Item, earlier: &Earlier) -> Option<RepeatOf> {
    if item.notification.graph_id.is_some() {
        return Some(RepeatOf::Notification);
    }
    if item.mark.is_some() {
        return item.mark;
    }
    if earlier.message.is_some_and(|message| item.messages.contains(&Some(message))) {
        return Some(RepeatOf::Message);
    }
    earlier.stands.then_some(RepeatOf::State)
}

impl Earlier {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            id: event_id(row, 1)?,
            received_at: row.get(2)?,
            message: row.get(3)?,
            has_same_bytes: row.get(4)?,
            is_unanswered: row.get(5)?,
            stands: false,
        })
    }
}
