//! The exchanges of attempts: bounded in entries and bytes, the oldest make room.

use std::collections::BTreeMap;

use super::ids;
use super::rows::{ExchangeRow, Rows};
use super::tx::Tx;
use reelhook::domain::{DeliveryId, Exchange, Exchanged, Outcome};
use reelhook::store::Keeping;

/// Keeps the exchange of a recorded outcome, if there is one to keep. Returns what became of it.
pub fn add(tx: &mut Tx<'_>, outcome: &Outcome) -> Keeping {
    let keeping = keeping(tx, outcome);
    if let (Keeping::Kept, Exchanged::Told(exchange)) = (keeping, &outcome.attempt.exchange) {
        let id = tx.rows.exchanges.last_key_value().map_or(0, |(id, _)| id + 1);
        tx.rows.exchanges.insert(
            id,
            ExchangeRow {
                delivery: ids::delivery_row(outcome.lease.delivery.id.0),
                key: (outcome.attempt.started_at, outcome.attempt.number),
                exchange: Exchange::clone(exchange),
            },
        );
    }
    trim(tx);
    keeping
}

/// What becomes of the exchange of an outcome.
pub fn keeping(tx: &Tx<'_>, outcome: &Outcome) -> Keeping {
    Keeping::of(&outcome.attempt.exchange, &tx.around.settings)
}

/// Removes the oldest beyond the bounds. Returns how many.
pub fn trim(tx: &mut Tx<'_>) -> u64 {
    let (most, most_bytes) = (tx.around.settings.exchanges_max_entries, tx.around.settings.exchanges_max_bytes);
    let size = |row: &ExchangeRow| serde_json::to_vec(&row.exchange).map_or(0, |json| json.len() as u64);
    let mut n_bytes: u64 = tx.rows.exchanges.values().map(size).sum();
    let mut n_removed = 0;
    while tx.rows.exchanges.len() > most || n_bytes > most_bytes {
        let Some((_, row)) = tx.rows.exchanges.pop_first() else { break };
        (n_bytes, n_removed) = (n_bytes - size(&row), n_removed + 1);
    }
    n_removed
}

/// Those of a delivery's attempts, by their numbers as operators see them.
pub fn of(rows: &Rows, id: DeliveryId) -> BTreeMap<u32, Exchange> {
    let number = ids::delivery_row(id.0);
    let Some(row) = rows.deliveries.get(&number).filter(|row| row.view.id == id) else { return BTreeMap::new() };
    let failures = row.view.failures.iter().map(|failure| (failure.started_at, failure.number));
    let success = row.view.success.map(|success| (success.started_at, row.n_attempts));
    let keys: Vec<_> = failures.chain(success).collect();
    let kept = rows.exchanges.values().filter(|it| it.delivery == number);
    let numbered = kept.filter_map(|it| {
        let (number, _) = (1..).zip(&keys).find(|(_, key)| **key == it.key)?;
        Some((number, it.exchange.clone()))
    });
    numbered.collect()
}
