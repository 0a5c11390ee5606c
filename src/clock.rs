//! The clock, as a value: code that needs the time gets one, so that tests can move it.
//!
//! It has two times. [`Clock::now`] is the machine's time, for people, tokens and other servers. It may be set back or
//! forward at any moment. [`Clock::steady`] is for timers: it never jumps and never runs back. The store continues it
//! across restarts ([`Clock::anchor`]). So something that is due in 5 s happens in 5 s, even if the machine's clock is
//! set meanwhile.
//!
//! **Invariants**
//! 1. Within a process steady time grows with the monotonic clock and with nothing else.
//! 2. A step of the machine's clock is reported once ([`Clock::noticed_step`]); timers do not notice it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

/// The least change of the machine's clock against the monotonic one that counts as a step. Smaller ones are normal
/// adjustments.
const LEAST_STEP: SignedDuration = SignedDuration::from_secs(1);

/// The clock. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub struct Clock {
    hands: Hands,
    steady: Arc<Steady>,
}

#[derive(Clone, Debug)]
enum Hands {
    System(Instant),
    Manual(Arc<Manual>),
}

/// In microseconds.
#[derive(Debug)]
struct Manual {
    wall: AtomicI64,
    elapsed: AtomicI64,
}

/// In microseconds.
#[derive(Debug)]
struct Steady {
    /// Steady time when the clock was made.
    began: AtomicI64,
    /// How far the machine's clock was ahead of steady time at the last check.
    known_lead: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self::with(Hands::System(Instant::now()))
    }

    /// A clock that shows `start` until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        let wall = AtomicI64::new(start.as_microsecond());
        Self::with(Hands::Manual(Arc::new(Manual { wall, elapsed: AtomicI64::new(0) })))
    }

    fn with(hands: Hands) -> Self {
        let steady = Arc::new(Steady { began: AtomicI64::new(0), known_lead: AtomicI64::new(0) });
        let clock = Self { hands, steady };
        clock.steady.began.store(clock.now().as_microsecond(), Ordering::SeqCst);
        clock
    }

    /// The machine's time. For people, tokens and other servers; never for a timer.
    pub fn now(&self) -> Timestamp {
        match &self.hands {
            #[allow(clippy::disallowed_methods, reason = "here is the clock")]
            Hands::System(_) => Timestamp::now(),
            Hands::Manual(manual) => instant(manual.wall.load(Ordering::SeqCst)),
        }
    }

    /// The time for timers: two of its instants are as far apart as the time that passed between them.
    pub fn steady(&self) -> Timestamp {
        instant(self.steady.began.load(Ordering::SeqCst).saturating_add(self.elapsed()))
    }

    /// Continues steady time from `at`. `known_lead` is how far the machine's clock was ahead of it when that was
    /// stored: if it differs now, the clock was set meanwhile. Call this before anything reads a time.
    pub fn anchor(&self, at: Timestamp, known_lead: SignedDuration) {
        self.steady.began.store(at.as_microsecond().saturating_sub(self.elapsed()), Ordering::SeqCst);
        self.steady.known_lead.store(micros(known_lead), Ordering::SeqCst);
    }

    /// How far the machine's clock is ahead of steady time: 0 unless it was set, or the machine was suspended.
    pub fn lead(&self) -> SignedDuration {
        self.now().duration_since(self.steady())
    }

    /// By how much the machine's clock was set since the last call, if it was.
    pub fn noticed_step(&self) -> Option<SignedDuration> {
        let lead = self.lead();
        let known = SignedDuration::from_micros(self.steady.known_lead.load(Ordering::SeqCst));
        let step = lead.saturating_sub(known);
        if step.abs() < LEAST_STEP {
            return None;
        }
        self.steady.known_lead.store(micros(lead), Ordering::SeqCst);
        Some(step)
    }

    /// The machine's time at an instant of steady time, if nobody sets the clock.
    pub fn shown(&self, steady: Timestamp) -> Timestamp {
        steady.saturating_add(self.lead()).unwrap_or(steady)
    }

    /// Whether it stands still until it is moved.
    pub fn is_manual(&self) -> bool {
        matches!(self.hands, Hands::Manual(_))
    }

    /// Lets time pass on a manual clock; the machine's clock cannot be moved.
    pub fn advance(&self, by: SignedDuration) {
        self.step(by);
        if let Hands::Manual(manual) = &self.hands {
            manual.elapsed.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// Sets a manual clock without letting time pass, as an operator sets a machine's clock.
    pub fn step(&self, by: SignedDuration) {
        if let Hands::Manual(manual) = &self.hands {
            manual.wall.fetch_add(micros(by), Ordering::SeqCst);
        }
    }

    /// How long ago the clock was made, in microseconds.
    fn elapsed(&self) -> i64 {
        match &self.hands {
            Hands::System(began) => i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX),
            Hands::Manual(manual) => manual.elapsed.load(Ordering::SeqCst),
        }
    }
}

fn instant(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

fn micros(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(if duration.is_negative() { i64::MIN } else { i64::MAX })
}

/// From one instant to another, never below zero.
pub fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn hours(n: i64) -> SignedDuration {
        SignedDuration::from_hours(n)
    }

    #[test]
    fn steady_time_passes_and_does_not_jump() {
        let clock = Clock::manual(START);
        clock.advance(hours(1));
        clock.step(hours(-2));
        assert_eq!((clock.now(), clock.steady()), (START - hours(1), START + hours(1)));
        clock.advance(hours(1));
        assert_eq!((clock.now(), clock.steady()), (START, START + hours(2)));
        assert_eq!(clock.shown(clock.steady() + hours(1)), START + hours(1));
    }

    #[test]
    fn a_step_is_noticed_once() {
        let clock = Clock::manual(START);
        clock.advance(hours(1));
        assert_eq!(clock.noticed_step(), None);
        clock.step(SignedDuration::from_millis(300));
        assert_eq!(clock.noticed_step(), None, "so clocks are kept right");
        clock.step(hours(2));
        assert_eq!(clock.noticed_step(), Some(hours(2) + SignedDuration::from_millis(300)));
        assert_eq!(clock.noticed_step(), None);
        clock.step(hours(-2));
        assert_eq!(clock.noticed_step(), Some(hours(-2)));
    }

    #[test]
    fn an_anchored_clock_goes_on_and_tells_what_was_set_meanwhile() {
        let clock = Clock::manual(START);
        clock.advance(hours(3));
        clock.anchor(START + hours(9), hours(-4));
        assert_eq!((clock.steady(), clock.lead()), (START + hours(9), hours(-6)));
        assert_eq!(clock.noticed_step(), Some(hours(-2)));
        clock.advance(hours(1));
        assert_eq!(clock.steady(), START + hours(10));
    }
}
