//! Finds the earlier events by which it is judged whether items were accepted before.
//!
//! **Invariants**
//! 1. The work does not grow with the store: of each key a limited number of the newest events is read.

use tokio_postgres::Row;

use super::operations::Operations;
use super::unanswered;
use crate::domain::EventId;
use crate::store::decisions::item::Item;
use crate::store::decisions::repeats::{Earlier, MOST, Seen, judge};
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, event_id, get, maybe_text};
use crate::store::postgres::engine::tx::Tx;

/// How many of an operation's newest events are searched for equal bytes.
const MOST_OF_OPERATION: i64 = 500;
const COLUMNS: &str = "e.number, e.id, e.received_at, e.message, e.hash, e.lookup, e.operation, e.graph_id, e.subscription_id, \
                       EXISTS (SELECT 1 FROM unanswered u WHERE u.event = e.number) AS is_unanswered";

/// The earlier events that some items may be repeats of, the newest last.
#[derive(Debug, Default)]
pub struct Before {
    events: Vec<Event>,
    /// Those whose repeat arrived.
    answered: Vec<i64>,
}

#[derive(Debug)]
struct Event {
    number: i64,
    id: EventId,
    received_at: i64,
    message: Option<i64>,
    hash: Vec<u8>,
    lookup: Option<i64>,
    operation: Option<i64>,
    graph_id: Option<String>,
    subscription_id: Option<String>,
    is_unanswered: bool,
}

impl Before {
    /// Reads those of some items; of those that are about an operation, among the events of the operations that were read.
    pub async fn load(tx: &Tx<'_>, items: &[&Item], operations: &Operations) -> Result<Self, Failure> {
        let lookups: Vec<i64> = items.iter().filter_map(|item| item.lookup).collect();
        let (mut numbers, mut hashes) = (Vec::new(), Vec::new());
        for item in items.iter().filter(|item| item.lookup.is_none()) {
            let id = item.notification.operation().map(|operation| operation.id.as_str()).unwrap_or_default();
            for known in operations.of_id(id) {
                numbers.push(known.seq);
                hashes.push(&item.hash[..]);
            }
        }
        let by_lookup = format!(
            "SELECT DISTINCT f.* FROM unnest($1::bigint[]) AS k (lookup) CROSS JOIN LATERAL \
             (SELECT {COLUMNS} FROM events e WHERE e.lookup = k.lookup ORDER BY e.number DESC LIMIT $2) f"
        );
        let of_operation = format!(
            "SELECT DISTINCT {COLUMNS} FROM unnest($1::bigint[], $2::bytea[]) AS k (operation, hash) CROSS JOIN LATERAL \
             (SELECT * FROM events WHERE operation = k.operation ORDER BY number DESC LIMIT $3) e WHERE e.hash = k.hash"
        );
        let mut rows = Vec::new();
        if !lookups.is_empty() {
            rows = sql::rows(tx.client, &by_lookup, &[&lookups, &MOST]).await?;
        }
        if !numbers.is_empty() {
            rows.extend(sql::rows(tx.client, &of_operation, &[&numbers, &hashes, &MOST_OF_OPERATION]).await?);
        }
        let mut events = rows.iter().map(Event::read).collect::<Result<Vec<_>, _>>()?;
        events.sort_by_key(|event| event.number);
        Ok(Self { events, answered: Vec::new() })
    }

    /// Judges an item. Events accepted up to `since` do not count.
    pub fn look(&mut self, item: &Item, operations: &Operations, since: i64) -> Seen {
        let earlier = match item.lookup {
            Some(lookup) => self.by_lookup(item, lookup),
            None => self.of_operations(item, operations),
        };
        let seen = judge(item, &earlier, since);
        if let Some((of, _)) = seen.repeat
            && let Some(event) = self.events.iter_mut().find(|event| event.id == of && event.is_unanswered)
        {
            event.is_unanswered = false;
            self.answered.push(event.number);
        }
        seen
    }

    /// Adds an item that was accepted: others of the same transaction may repeat it.
    pub fn add(&mut self, item: &Item, operation: Option<i64>, received_at: i64) {
        self.events.push(Event {
            number: item.seq,
            id: item.id,
            received_at,
            message: item.messages[0],
            hash: item.hash.to_vec(),
            lookup: item.lookup,
            operation,
            graph_id: item.notification.graph_id.clone(),
            subscription_id: item.notification.subscription_id.clone(),
            is_unanswered: false,
        });
    }

    /// Writes which unanswered events were repeated.
    pub async fn flush(self, tx: &Tx<'_>) -> Result<(), Failure> {
        unanswered::clear(tx, &self.answered).await
    }

    fn by_lookup(&self, item: &Item, lookup: i64) -> Vec<Earlier> {
        let notification = &item.notification;
        let is_alike = |event: &&Event| {
            event.lookup == Some(lookup)
                && event.graph_id == notification.graph_id
                && event.subscription_id == notification.subscription_id
        };
        let newest = self.events.iter().rev().filter(is_alike).take(usize::try_from(MOST).unwrap_or(usize::MAX));
        newest.map(|event| event.earlier(item, false)).collect()
    }

    fn of_operations(&self, item: &Item, operations: &Operations) -> Vec<Earlier> {
        let id = item.notification.operation().map(|operation| operation.id.as_str()).unwrap_or_default();
        let mut found = Vec::new();
        for known in operations.of_id(id) {
            let is_alike = |event: &&Event| event.operation == Some(known.seq) && event.hash == item.hash;
            let newest = self.events.iter().rev().filter(is_alike).take(usize::try_from(MOST).unwrap_or(usize::MAX));
            found.extend(newest.map(|event| event.earlier(item, known.state_event == Some(event.number))));
        }
        found
    }
}

impl Event {
    fn earlier(&self, item: &Item, stands: bool) -> Earlier {
        Earlier {
            seq: self.number,
            id: self.id,
            received_at: self.received_at,
            message: self.message,
            has_same_bytes: self.hash == item.hash,
            is_unanswered: self.is_unanswered,
            stands,
        }
    }

    fn read(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            number: get(row, "number")?,
            id: event_id(row, "id")?,
            received_at: get(row, "received_at")?,
            message: get(row, "message")?,
            hash: get(row, "hash")?,
            lookup: get(row, "lookup")?,
            operation: get(row, "operation")?,
            graph_id: maybe_text(row, "graph_id")?,
            subscription_id: maybe_text(row, "subscription_id")?,
            is_unanswered: get(row, "is_unanswered")?,
        })
    }
}
