//! Whether an item was accepted before: finds earlier events with the same bytes, and what identifies a repeat.

use super::item::Item;
use super::rows::EventRow;
use super::tx::Tx;
use reelhook::domain::{EventId, RepeatOf};

/// How many earlier events are looked at, the newest first.
const MOST: usize = 16;

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
struct Earlier<'a> {
    row: &'a EventRow,
    has_same_bytes: bool,
    is_unanswered: bool,
    /// Whether it set its operation's state.
    stands: bool,
}

/// Looks for an item, among `known` if it is about an operation. Events accepted up to `since` do not count.
pub fn look(tx: &mut Tx<'_>, item: &Item, known: &[i64], since: i64) -> Seen {
    let seen = {
        let earlier = match item.notification.operation() {
            Some(_operation) if item.notification.graph_id.is_none() => of_operations(tx, item, known),
            _ => of_all(tx, item),
        };
        judge(item, &earlier, since)
    };
    if let Some((of, _)) = seen.repeat {
        tx.rows.unanswered.remove(&super::ids::event_row(of.0));
    }
    seen
}

/// Events with the same Graph id, or with the same bytes if it has none, newest first.
fn of_all<'a>(tx: &'a Tx<'_>, item: &Item) -> Vec<Earlier<'a>> {
    let Item { notification, identity, .. } = item;
    let is_alike = |row: &&EventRow| {
        let is_of_subscription = row.view.envelope.subscription_id == notification.subscription_id;
        let is_same = notification.graph_id.is_some() || (row.operation.is_none() && row.identity == *identity);
        row.graph_id == notification.graph_id && is_of_subscription && is_same
    };
    tx.rows.events.values().rev().filter(is_alike).take(MOST).map(|row| earlier(tx, item, row)).collect()
}

/// Events with the same bytes of the operations that have the item's id, the newest of each operation first.
fn of_operations<'a>(tx: &'a Tx<'_>, item: &Item, known: &[i64]) -> Vec<Earlier<'a>> {
    let of_one = |operation: &i64| {
        let stands = tx.rows.operations.get(operation).and_then(|row| row.state_event);
        let numbers = tx.rows.events_of.get(operation).into_iter().flatten().rev();
        let rows = numbers.filter_map(|number| tx.rows.events.get(number)).filter(|row| row.identity == item.identity);
        let found = rows
            .take(MOST)
            .map(move |row| Earlier { stands: stands == Some(row.view.number), ..earlier(tx, item, row) });
        found.collect::<Vec<_>>()
    };
    known.iter().flat_map(of_one).collect()
}

fn earlier<'a>(tx: &Tx<'_>, item: &Item, row: &'a EventRow) -> Earlier<'a> {
    let is_unanswered = tx.rows.unanswered.contains(&row.view.number);
    Earlier { row, has_same_bytes: row.identity == item.identity, is_unanswered, stands: false }
}

fn judge(item: &Item, earlier: &[Earlier<'_>], since: i64) -> Seen {
    let is_same = |it: &&Earlier<'_>| it.has_same_bytes && it.row.view.received_at.as_microsecond() > since;
    let identified = earlier.iter().filter(is_same).find_map(|it| Some((it.row.view.id, identified(item, it)?)));
    // An earlier event with an identifier comes first. It leaves unanswered events for the repeats that they wait for.
    let unanswered = || earlier.iter().filter(is_same).find(|it| it.is_unanswered);
    Seen {
        repeat: identified.or_else(|| unanswered().map(|it| (it.row.view.id, RepeatOf::Unanswered))),
        possible_repeat: earlier.iter().any(|it| is_same(&it)),
        id_conflict: item.notification.graph_id.is_some() && earlier.iter().any(|it| !it.has_same_bytes),
    }
}

/// What identifies an item with the same bytes as the same notification.
fn identified(item: &Item, earlier: &Earlier<'_>) -> Option<RepeatOf> {
    if item.notification.graph_id.is_some() {
        return Some(RepeatOf::Notification);
    }
    if item.mark.is_some() {
        return item.mark;
    }
    if earlier.row.message.is_some() && item.messages.contains(&earlier.row.message) {
        return Some(RepeatOf::Message);
    }
    earlier.stands.then_some(RepeatOf::State)
}
