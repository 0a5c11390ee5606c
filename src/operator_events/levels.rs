//! Measures that should stay on one side of a level: the share of slow answers, and the free space of the disk.
//!
//! **Invariants**
//! 1. Crossing a level is told once. It can be told again after the measure was on the good side of a second level, so that
//!    a measure that moves around the first one is told once; and for answers not within 10 minutes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{OperatorData, OperatorEvent};
use crate::store::{Report, Space};
use crate::telemetry::SlowShares;

/// From this share on, answers are slow. With twice as many, Graph delays notifications.
const SLOW_SHARE: f64 = 0.05;
/// Of fewer answers, the share says nothing: it is high after one that was slow.
const FEWEST_ANSWERS: u64 = 10;
/// The shares are those of so long.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

/// A level that was crossed, to the bad side or back.
#[derive(Clone, Debug)]
pub(super) enum Level {
    Slow { path: &'static str, share: f64 },
    Low(Space),
}

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Levels {
    slow: BTreeSet<&'static str>,
    quiet_until: BTreeMap<&'static str, Timestamp>,
    is_disk_low: bool,
}

impl Levels {
    /// What is to be told now.
    pub(super) fn changes(
        &mut self,
        shares: &BTreeMap<&'static str, SlowShares>,
        space: Space,
        now: Timestamp,
    ) -> Vec<Level> {
        let mut changes = Vec::new();
        for (path, shares) in shares {
            let (path, share) = (*path, shares.over_3s);
            let is_quiet = self.quiet_until.get(path).is_some_and(|until| *until > now);
            if share <= SLOW_SHARE / 2.0 {
                self.slow.remove(path);
            } else if share > SLOW_SHARE && shares.n >= FEWEST_ANSWERS && !is_quiet && !self.slow.contains(path) {
                changes.push(Level::Slow { path, share });
            }
        }
        let (low, enough) = (space.reserve_bytes.saturating_mul(2), space.reserve_bytes.saturating_mul(3));
        let free = space.disk_free_bytes.saturating_add(space.reusable_bytes);
        if free >= enough {
            self.is_disk_low = false;
        } else if free < low && !self.is_disk_low {
            changes.push(Level::Low(space));
        }
        changes
    }

    /// A level was told.
    pub(super) fn told(&mut self, level: Level, now: Timestamp) {
        match level {
            Level::Slow { path, .. } => {
                self.slow.insert(path);
                self.quiet_until.insert(path, now.saturating_add(WINDOW).unwrap_or(Timestamp::MAX));
            }
            Level::Low(_space) => self.is_disk_low = true,
        }
    }
}

impl Level {
    pub(super) fn report(&self) -> Report {
        match self {
            Self::Slow { path, share } => slow(path, *share),
            Self::Low(space) => low(*space),
        }
    }
}

fn slow(path: &'static str, share: f64) -> Report {
    let percent = share * 100.0;
    let message = format!(
        "{percent:.0} % of the answers on the path {path} took over 3 s in the last 10 minutes: above 10 %, Graph delays \
         notifications"
    );
    let data = OperatorData {
        message,
        path: Some(path),
        share: Some(share),
        limit: Some(SLOW_SHARE),
        ..OperatorData::default()
    };
    Report { event: OperatorEvent::AnswersSlow, subject: format!("reelhook/answers/{path}"), data }
}

fn low(space: Space) -> Report {
    let (free, reserve) = (space.disk_free_bytes, space.reserve_bytes);
    let message =
        format!("the store's disk has {free} free bytes: with less than {reserve}, notifications are refused");
    let data = OperatorData {
        message,
        free_bytes: Some(free),
        reusable_bytes: Some(space.reusable_bytes),
        reserve_bytes: Some(reserve),
        ..OperatorData::default()
    };
    Report { event: OperatorEvent::DiskLow, subject: "reelhook/disk".into(), data }
}
