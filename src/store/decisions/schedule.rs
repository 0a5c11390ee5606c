//! When housekeeping looks at an event: first when its token may be wiped, or when it may be removed.

use crate::config;
use crate::store::instants::micros;

/// How soon an event that is not settled is checked again, in microseconds: soon enough for its token's retention.
const LOOK_AGAIN: std::ops::RangeInclusive<i64> = 60_000_000..=3_600_000_000;

/// When an event that arrived at an instant of steady time is checked first.
pub fn first_look(settings: &config::Store, arrived_at: i64, has_token: bool) -> i64 {
    arrived_at.saturating_add(if has_token { micros(settings.token_retention) } else { retention(settings) })
}

/// How long an event is kept after its last delivery was settled, in microseconds.
pub fn retention(settings: &config::Store) -> i64 {
    micros(settings.retention.max(settings.deduplicate))
}

/// How long until an event that is not settled is checked again, in microseconds.
pub fn look_again(settings: &config::Store) -> i64 {
    micros(settings.token_retention / 24).clamp(*LOOK_AGAIN.start(), *LOOK_AGAIN.end())
}
