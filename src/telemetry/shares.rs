//! The share of slow answers, by which Microsoft Graph judges an endpoint
//! (<https://learn.microsoft.com/graph/change-notifications-delivery-webhooks>): if more than 10 % of the POSTs of 10
//! min take over 3 s it delays notifications, and if more than 15 % take over 10 s it drops them.
//!
//! Graph judges each endpoint only by its own POSTs. So each path is counted separately, and only POSTs of verified
//! senders count: strangers' requests are answered fast and would hide slow answers.
//!
//! **Invariants**
//! 1. It holds [`WINDOW_SECONDS`] of each path and no more, whatever the clock does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;

/// The window over which Graph judges an endpoint, in seconds.
const WINDOW_SECONDS: i64 = 600;
/// An answer that took longer is slow.
const SLOW: Duration = Duration::from_secs(3);
/// An answer that took longer counts as none.
const DROPPED: Duration = Duration::from_secs(10);

/// The shares of a path's answers in the last 10 min, 0 to 1; 0 where there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SlowShares {
    /// How many answers there were.
    pub n: u64,
    /// Those that took over 3 s.
    pub over_3s: f64,
    /// Those that took over 10 s.
    pub over_10s: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    second: i64,
    n: u64,
    n_slow: u64,
    n_dropped: u64,
}

/// The answers of the last 10 min, by path.
#[derive(Debug)]
pub struct Shares(Mutex<BTreeMap<&'static str, VecDeque<Second>>>);

impl Shares {
    /// Of these paths, none of which has answered yet.
    pub fn of(paths: &[&'static str]) -> Self {
        Self(Mutex::new(paths.iter().map(|path| (*path, VecDeque::new())).collect()))
    }

    /// An answer to a known sender left on `path`.
    pub fn answered(&self, path: &'static str, took: Duration, now: Timestamp) {
        let mut paths = self.0.lock();
        let kept = paths.entry(path).or_default();
        let now = now.as_second();
        // If the clock was set back, the last second that it had reached counts.
        if kept.back().is_none_or(|last| last.second < now) {
            kept.push_back(Second { second: now, ..Second::default() });
            while kept.front().is_some_and(|first| first.second <= now - WINDOW_SECONDS) {
                kept.pop_front();
            }
        }
        if let Some(last) = kept.back_mut() {
            last.n += 1;
            last.n_slow += u64::from(took > SLOW);
            last.n_dropped += u64::from(took > DROPPED);
        }
    }

    /// The shares of each path.
    pub fn now(&self, now: Timestamp) -> BTreeMap<&'static str, SlowShares> {
        let oldest = now.as_second() - WINDOW_SECONDS;
        let shares = |kept: &VecDeque<Second>| {
            let within = kept.iter().filter(|second| second.second > oldest);
            let (n, n_slow, n_dropped) =
                within.fold((0, 0, 0), |(n, slow, dropped), it| (n + it.n, slow + it.n_slow, dropped + it.n_dropped));
            let n_all = n.max(1) as f64;
            SlowShares { n, over_3s: n_slow as f64 / n_all, over_10s: n_dropped as f64 / n_all }
        };
        self.0.lock().iter().map(|(path, kept)| (*path, shares(kept))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;

    #[test]
    fn the_share_of_slow_answers_forgets_what_is_older_than_ten_minutes() {
        let (shares, start) = (Shares::of(&[]), Timestamp::UNIX_EPOCH);
        shares.answered("notifications", Duration::from_secs(11), start);
        shares.answered("notifications", Duration::from_secs(4), start);
        shares.answered("notifications", Duration::from_millis(5), start);
        shares.answered("notifications", Duration::from_secs(3), start);
        let of = |seconds| shares.now(start + SignedDuration::from_secs(seconds))["notifications"];
        assert_eq!(of(599), SlowShares { n: 4, over_3s: 0.5, over_10s: 0.25 });
        assert_eq!(of(601), SlowShares::default());
    }

    #[test]
    fn one_path_does_not_thin_out_another() {
        let (shares, now) = (Shares::of(&["lifecycle", "notifications"]), Timestamp::UNIX_EPOCH);
        shares.answered("notifications", Duration::from_secs(4), now);
        for _ in 0..200 {
            shares.answered("lifecycle", Duration::from_millis(1), now);
        }
        let found = shares.now(now);
        assert_eq!((found["notifications"].over_3s, found["lifecycle"].over_3s), (1.0, 0.0));
    }

    #[test]
    fn a_clock_that_jumps_loses_nothing_and_grows_nothing() {
        let shares = Shares::of(&[]);
        for seconds in (0..3_000).chain([0, 2_999]) {
            shares.answered("notifications", Duration::from_secs(4), Timestamp::from_second(seconds).unwrap());
        }
        let paths = shares.0.lock();
        let kept = &paths["notifications"];
        assert_eq!(kept.len(), WINDOW_SECONDS as usize);
        assert_eq!(kept.back().unwrap().n, 3);
    }
}
