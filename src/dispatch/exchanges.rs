//! Which exchanges are kept: those of all attempts that failed, and of those that succeeded some in each second. Pure: the
//! time is an argument.

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::domain::Exchanged;
use crate::sinks::Note;

/// Of so many successful attempts of a sink the exchange is kept in each second. More would cost the deliveries time, and
/// tell nothing new.
pub const KEPT_A_SECOND: u32 = 20;

/// Counts the successes of a sink whose exchanges were kept: the second of the last one, and how many there were in it.
#[derive(Debug, Default)]
pub(super) struct Kept(Mutex<(i64, u32)>);

impl Kept {
    /// Whether the exchange of an attempt that succeeded at an instant of steady time is kept.
    fn one_more(&self, at: Timestamp) -> bool {
        let mut last = self.0.lock();
        let n = if at.as_second() == last.0 { last.1 } else { 0 };
        let is_kept = n < KEPT_A_SECOND;
        *last = (at.as_second(), n + u32::from(is_kept));
        is_kept
    }

    /// What an attempt that ended at an instant of steady time tells of its exchange.
    pub(super) fn told(&self, note: &Note, has_failed: bool, at: Timestamp) -> Exchanged {
        if note.has_begun() && !has_failed && !self.one_more(at) {
            return Exchanged::OneOfMany;
        }
        note.exchange().map_or(Exchanged::Nothing, |exchange| Exchanged::Told(Box::new(exchange)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{Exchange, Headers, Sent};
    use crate::sinks::Seen;

    struct Request;

    impl Seen for Request {
        fn exchange(&self) -> Exchange {
            Exchange { request: Sent { line: "POST / HTTP/1.1".into(), headers: Headers::default() }, answer: None }
        }
    }

    fn noted() -> Note {
        let note = Note::default();
        note.begin(Arc::new(Request));
        note
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(millis).unwrap()
    }

    #[test]
    fn of_the_successes_so_many_a_second_are_told() {
        let (kept, note) = (Kept::default(), noted());
        let n_told = |n: u32, millis: i64| {
            (0..n).filter(|_| matches!(kept.told(&note, false, at(millis)), Exchanged::Told(_))).count()
        };
        assert_eq!((n_told(15, 5_000), n_told(15, 5_999), n_told(1, 5_999)), (15, 5, 0));
        assert_eq!(n_told(100, 6_000), 20);
        assert_eq!(n_told(100, 90_000), 20);
    }

    #[test]
    fn each_failure_is_told() {
        let (kept, note) = (Kept::default(), noted());
        assert!((0..100).all(|_| matches!(kept.told(&note, true, at(0)), Exchanged::Told(_))));
        assert!(matches!(kept.told(&note, false, at(0)), Exchanged::Told(_)), "failures use up nothing");
    }

    #[test]
    fn what_was_not_noted_is_nothing() {
        let kept = Kept::default();
        let nothing = Note::default();
        let told = [true, false].map(|has_failed| kept.told(&nothing, has_failed, at(0)));
        assert_eq!(told, [Exchanged::Nothing, Exchanged::Nothing]);
    }
}
