//! Adding an event.

use super::rows::EventRow;
use super::sweep;
use super::tx::Tx;

/// Adds an event, and schedules its first check by housekeeping.
pub fn add(tx: &mut Tx<'_>, row: EventRow) {
    let number = row.view.number;
    if let Some(operation) = row.operation {
        tx.rows.events_of.entry(operation).or_default().insert(number);
    }
    let look_at = sweep::first_look(&tx.around.settings, tx.steady, row.token.is_some());
    tx.rows.upkeep.insert((look_at, number));
    tx.rows.events.insert(number, row);
}
