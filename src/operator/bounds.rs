//! What an action on many entries may do: nothing to what came after the entries were counted, and to no more than were
//! counted.

use jiff::Timestamp;

use crate::store::Counted;

/// How many entries an action is for, as they were counted at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Their number.
    pub counted: Counted,
    /// When they were counted.
    pub at: Timestamp,
}

impl Count {
    /// What an action may do after this count.
    pub fn bounds(&self) -> Bounds {
        let left = if self.counted.is_all { self.counted.n } else { u64::MAX };
        Bounds { until: self.at, left }
    }
}

/// What a round of an action may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Entries that came after this instant are left out.
    pub until: Timestamp,
    /// The most entries that something is done to.
    pub left: u64,
}

impl Bounds {
    /// Any number of entries that came until this instant.
    pub fn until(until: Timestamp) -> Self {
        Self { until, left: u64::MAX }
    }

    /// What is left after so many.
    pub fn less(self, n_done: u64) -> Self {
        Self { left: self.left.saturating_sub(n_done), ..self }
    }

    /// How many entries a round takes that takes `most` at most.
    pub(super) fn round(self, most: usize) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_done_than_was_counted_if_all_was_counted() {
        let at = Timestamp::UNIX_EPOCH;
        let bounds = |n, is_all| Count { counted: Counted { n, is_all }, at }.bounds();
        assert_eq!(bounds(700, true).round(500), 500);
        assert_eq!(bounds(700, true).less(500).round(500), 200);
        assert_eq!(bounds(700, true).less(701).round(500), 0);
        assert_eq!(bounds(700, false).less(701).round(500), 500, "at least 700");
    }
}
