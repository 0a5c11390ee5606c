//! The retry rule: the outcome of an attempt for its delivery. Pure: the time and the random number are arguments.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::SinkDispatch;
use crate::domain::Settlement;
use crate::sinks::DeliveryError;
use crate::wording::counted;

/// The shortest pause of a sink that asked for one.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The outcome of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The delivery's settlement.
    pub settlement: Settlement,
    /// How long the whole sink should pause.
    pub pause: Option<Duration>,
}

/// An attempt that ended.
#[derive(Debug)]
pub struct Ended {
    /// Its number, from 1.
    pub number: u32,
    /// How it ended.
    pub result: Result<(), DeliveryError>,
    /// When.
    pub at: Timestamp,
}

/// Decides after an attempt. `chance` lies in 0..1 and varies the delay by the configured jitter.
pub fn decide(settings: &SinkDispatch, ended: Ended, chance: f64) -> Decision {
    let Ended { number: attempt, result, at: now } = ended;
    let (reason, after, pause) = match result {
        Ok(()) => return Decision { settlement: Settlement::Delivered, pause: None },
        Err(DeliveryError::Reject { reason }) => {
            return Decision { settlement: Settlement::Dead { reason }, pause: None };
        }
        Err(DeliveryError::Retry { reason, after, pause }) => (reason, after, pause),
    };
    let after = after.map(|after| after.min(settings.max_retry_after));
    let planned = usize::try_from(attempt).ok().and_then(|next| settings.retry.get(next));
    let Some(planned) = planned else {
        let attempts = counted(attempt.into(), &attempt.to_string(), "attempt");
        let reason = format!("{reason} (given up after {attempts})");
        return Decision { settlement: Settlement::Dead { reason }, pause: pause_of(pause, after, None) };
    };
    let delay = jittered(*planned, settings.jitter, chance).max(after.unwrap_or_default());
    let at = now.checked_add(SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX)).unwrap_or(Timestamp::MAX);
    Decision { settlement: Settlement::RetryAt { at, reason }, pause: pause_of(pause, after, Some(*planned)) }
}

fn pause_of(pause: bool, after: Option<Duration>, planned: Option<Duration>) -> Option<Duration> {
    // If the sink gave no time, a short pause: the schedule belongs to the delivery, the pause to the sink.
    let fallback = planned.unwrap_or(SHORTEST_PAUSE).min(Duration::from_secs(30));
    pause.then(|| after.unwrap_or(fallback).max(SHORTEST_PAUSE))
}

fn jittered(delay: Duration, jitter: f64, chance: f64) -> Duration {
    let factor = 1.0 + jitter * (2.0 * chance - 1.0);
    Duration::try_from_secs_f64(delay.as_secs_f64() * factor).unwrap_or(delay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings() -> SinkDispatch {
        SinkDispatch {
            concurrency: 1,
            timeout: Duration::from_secs(30),
            queue: 16,
            queue_bytes: 1 << 20,
            retry: [0, 5, 300].map(Duration::from_secs).to_vec(),
            jitter: 0.2,
            max_retry_after: Duration::from_secs(3600),
        }
    }

    fn decided(number: u32, result: Result<(), DeliveryError>, chance: f64) -> Decision {
        decide(&settings(), Ended { number, result, at: NOW }, chance)
    }

    fn failed(after: Option<u64>, pause: bool) -> Result<(), DeliveryError> {
        Err(DeliveryError::Retry { reason: "503".into(), after: after.map(Duration::from_secs), pause })
    }

    fn delay(decision: &Decision) -> f64 {
        match &decision.settlement {
            Settlement::RetryAt { at, .. } => at.duration_since(Timestamp::UNIX_EPOCH).as_secs_f64(),
            other => panic!("{other:?}"),
        }
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn the_second_attempt_waits_for_the_second_delay() {
        assert_eq!(delay(&decided(1, failed(None, false), 0.5)), 5.0);
        assert_eq!(delay(&decided(2, failed(None, false), 0.5)), 300.0);
    }

    #[test]
    fn when_the_delays_are_used_up_it_is_a_dead_letter() {
        let decision = decided(3, failed(None, false), 0.5);
        assert!(matches!(decision.settlement, Settlement::Dead { .. }));
    }

    #[test]
    fn a_rejection_is_a_dead_letter_at_once() {
        let result = Err(DeliveryError::Reject { reason: "410".into() });
        assert_eq!(decided(1, result, 0.5).settlement, Settlement::Dead { reason: "410".into() });
    }

    #[test]
    fn retry_after_is_honoured_and_capped() {
        assert_eq!(delay(&decided(1, failed(Some(60), true), 0.5)), 60.0);
        let decision = decided(1, failed(Some(9_999_999_999), true), 0.5);
        assert_eq!(delay(&decision), 3600.0);
        assert_eq!(decision.pause, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn a_sink_that_says_503_without_a_time_is_paused_for_the_planned_delay() {
        assert_eq!(decided(1, failed(None, true), 0.5).pause, Some(Duration::from_secs(5)));
    }

    proptest! {
        #[test]
        fn a_delay_stays_within_its_jitter(attempt in 1u32..3, chance in 0.0f64..1.0) {
            let planned = settings().retry[attempt as usize].as_secs_f64();
            let waited = delay(&decided(attempt, failed(None, false), chance));
            prop_assert!(waited >= planned * 0.8 - 1e-3 && waited <= planned * 1.2 + 1e-3);
        }
    }
}
