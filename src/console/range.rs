//! How far back the plots of the first page reach.

use jiff::Timestamp;

use crate::domain::{Counts, Minute};

/// How far back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// 15 minutes, one by one.
    #[default]
    Quarter,
    /// An hour, minute by minute.
    Hour,
    /// A day, by half hours.
    Day,
}

/// What happened in one step of a plot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The first minute of steady time.
    pub minute: i64,
    /// What happened.
    pub counts: Counts,
}

impl Step {
    /// When it began, in steady time.
    pub fn began(&self) -> Timestamp {
        Timestamp::from_second(self.minute * 60).unwrap_or_default()
    }
}

impl Range {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Quarter, Self::Hour, Self::Day];

    /// Its name in an address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quarter => "15m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// The range of this name; nothing stands for the shortest.
    pub fn parse(name: &str) -> Option<Self> {
        if name.is_empty() { Some(Self::default()) } else { Self::ALL.into_iter().find(|it| it.name() == name) }
    }

    /// For people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Quarter => "15 min",
            Self::Hour => "1 h",
            Self::Day => "24 h",
        }
    }

    /// The length of a step, for people.
    pub const fn step_words(self) -> &'static str {
        match self {
            Self::Quarter | Self::Hour => "minute",
            Self::Day => "30 min",
        }
    }

    /// How many minutes a step has.
    pub const fn step_minutes(self) -> i64 {
        match self {
            Self::Quarter | Self::Hour => 1,
            Self::Day => 30,
        }
    }

    /// How many steps it has.
    pub const fn n_steps(self) -> i64 {
        match self {
            Self::Quarter => 15,
            Self::Hour => 60,
            Self::Day => 48,
        }
    }

    /// The minutes of the day at which the axis has a label are multiples of this.
    pub const fn label_minutes(self) -> i64 {
        match self {
            Self::Quarter => 5,
            Self::Hour => 15,
            Self::Day => 360,
        }
    }

    /// How many minutes the plots need.
    pub const fn n_minutes(self) -> i64 {
        self.n_steps() * self.step_minutes()
    }

    /// The steps of these minutes. The newest step is not over: it begins at a multiple of its length.
    pub fn steps(self, minutes: &[Minute]) -> Vec<Step> {
        let length = self.step_minutes();
        let newest = minutes.last().map_or(0, |last| last.minute).div_euclid(length);
        let oldest = newest - self.n_steps() + 1;
        let mut steps: Vec<Step> =
            (oldest..=newest).map(|at| Step { minute: at * length, ..Step::default() }).collect();
        for Minute { minute, counts } in minutes {
            let at = usize::try_from(minute.div_euclid(length) - oldest).ok();
            if let Some(step) = at.and_then(|at| steps.get_mut(at)) {
                step.counts += *counts;
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_what_happened_in_its_minutes_and_the_newest_is_not_over() {
        let counts = Counts { n_accepted: 1, ..Counts::default() };
        let minutes: Vec<Minute> = (1..=1440).map(|minute| Minute { minute, counts }).collect();
        let steps = Range::Day.steps(&minutes);
        let n: Vec<u64> = steps.iter().map(|it| it.counts.n_accepted).collect();
        assert_eq!((n.len(), n[0], n[46], n[47]), (48, 30, 30, 1));
        assert_eq!((steps[47].minute, steps[47].began()), (1440, Timestamp::from_second(86_400).unwrap()));
        assert_eq!(Range::Hour.steps(&minutes).iter().map(|it| it.counts.n_accepted).sum::<u64>(), 60);
    }

    #[test]
    fn a_range_is_found_by_its_name() {
        for range in Range::ALL {
            assert_eq!(Range::parse(range.name()), Some(range));
        }
        assert_eq!((Range::parse(""), Range::parse("2h")), (Some(Range::Quarter), None));
    }
}
