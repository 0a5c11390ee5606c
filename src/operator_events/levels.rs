//! Measures that should stay on one side of a level: the share of slow answers, and the free space of the disk.
//!
//! **Invariants**
//! 1. Crossing a level is told once. It can be told again after the measure was on the good side of a second level, so that
//!    a measure that moves around the first one is told once; and for answers not within 10 minutes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::standing::{Known, OVER, Standing};
use crate::domain::{OperatorData, OperatorEvent};
use crate::store::{Report, Space};
use crate::telemetry::SlowShares;

/// From this share on, answers are slow. With twice as many, Graph delays notifications.
const SLOW_SHARE: f64 = 0.05;
/// Of fewer answers, the share says nothing: it is high after one that was slow.
const FEWEST_ANSWERS: u64 = 10;
/// The shares are those of so long.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);

const SLOW: &str = "slow";
const LOW: &str = "low";
const DISK: &str = "reelhook/disk";

/// How fast the answers on each path are, where that may have to be told.
pub(super) fn answers(known: &Known, shares: &BTreeMap<&'static str, SlowShares>, now: Timestamp) -> Vec<Standing> {
    let standing = |(path, shares): (&&'static str, &SlowShares)| {
        let (subject, share) = (answers_on(path), shares.over_3s);
        let was_slow = known.state(&subject) == SLOW;
        let begins = share > SLOW_SHARE && shares.n >= FEWEST_ANSWERS && !known.is_quiet(&subject, WINDOW, now);
        let is_slow = if was_slow { share > SLOW_SHARE / 2.0 } else { begins };
        let report = is_slow.then(|| slow(path, share));
        (is_slow || was_slow).then_some(Standing { subject, state: if is_slow { SLOW } else { OVER }, report })
    };
    shares.iter().filter_map(standing).collect()
}

/// How much room the disk has, where that may have to be told.
pub(super) fn disk(known: &Known, space: Space) -> Option<Standing> {
    let (few, enough) = (space.reserve_bytes.saturating_mul(2), space.reserve_bytes.saturating_mul(3));
    let free = space.disk_free_bytes.saturating_add(space.reusable_bytes);
    let was_low = known.state(DISK) == LOW;
    let is_low = free < if was_low { enough } else { few };
    let report = is_low.then(|| low(space));
    (is_low || was_low).then(|| Standing { subject: DISK.into(), state: if is_low { LOW } else { OVER }, report })
}

fn answers_on(path: &str) -> String {
    format!("reelhook/answers/{path}")
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
    Report { event: OperatorEvent::AnswersSlow, subject: answers_on(path), data }
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
    Report { event: OperatorEvent::DiskLow, subject: DISK.into(), data }
}
