//! When housekeeping looks at an event: first when its token may be wiped, or when it may be removed.

use crate::config;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::instants::micros;
use crate::store::sqlite::engine::tx::Tx;

/// When an event that arrived at an instant of steady time is checked first.
pub fn first_look(settings: &config::Store, arrived_at: i64, has_token: bool) -> i64 {
    arrived_at.saturating_add(if has_token { micros(settings.token_retention) } else { retention(settings) })
}

/// Schedules the check of an event, at an instant of steady time.
pub fn look_at(tx: &Tx<'_>, event: i64, at: i64) -> Result<(), Failure> {
    tx.execute("INSERT INTO upkeep (look_at, event) VALUES (?1, ?2)", [at, event]).map(drop)
}

/// How long an event is kept after its last delivery was settled, in microseconds.
pub fn retention(settings: &config::Store) -> i64 {
    micros(settings.retention.max(settings.deduplicate))
}
