//! One log line for each rejection, but not more than a few a second: a flood of refusals must not become a flood of
//! lines.

use std::collections::BTreeMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::Metrics;
use crate::clock::Clock;
use crate::domain::Reason;

/// Lines a second for one reason.
const LINES_PER_SECOND: u32 = 10;

/// Counts and logs rejections.
#[derive(Debug)]
pub struct Rejections {
    metrics: std::sync::Arc<Metrics>,
    clock: Clock,
    written: Mutex<BTreeMap<Reason, Second>>,
}

#[derive(Debug)]
struct Second {
    second: i64,
    n_lines: u32,
    n_suppressed: u64,
}

impl Rejections {
    /// Counts into `metrics`.
    pub fn new(metrics: std::sync::Arc<Metrics>, clock: Clock) -> Self {
        Self { metrics, clock, written: Mutex::new(BTreeMap::new()) }
    }

    /// Counts one rejection on `path` and writes a line, unless too many were written this second.
    pub fn note(&self, path: &'static str, reason: Reason, request_id: Option<&str>) {
        self.metrics.rejected(path, reason);
        if let Some(n_suppressed) = self.may_write(reason, self.clock.now()) {
            let request_id = request_id.map(|id| id.chars().take(128).collect::<String>());
            tracing::warn!(path, reason = reason.as_str(), request_id, n_suppressed, "refused");
        }
    }

    /// `Some(lines suppressed since the last one)` where a line may be written.
    fn may_write(&self, reason: Reason, now: Timestamp) -> Option<u64> {
        let mut written = self.written.lock();
        let entry = written.entry(reason).or_insert(Second { second: 0, n_lines: 0, n_suppressed: 0 });
        if entry.second != now.as_second() {
            entry.second = now.as_second();
            entry.n_lines = 0;
        }
        if entry.n_lines >= LINES_PER_SECOND {
            entry.n_suppressed += 1;
            return None;
        }
        entry.n_lines += 1;
        Some(std::mem::take(&mut entry.n_suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_whole_and_logged_in_part() {
        let metrics = std::sync::Arc::new(Metrics::new());
        let rejections = Rejections::new(std::sync::Arc::clone(&metrics), Clock::manual(Timestamp::UNIX_EPOCH));
        let written = (0..100).filter(|_| rejections.may_write(Reason::JwtExp, Timestamp::UNIX_EPOCH).is_some());
        assert_eq!(written.count(), 10);
        let a_second_later = Timestamp::from_second(1).unwrap();
        assert_eq!(rejections.may_write(Reason::JwtExp, a_second_later), Some(90));
    }
}
