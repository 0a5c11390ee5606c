//! `[expectations]`.

use std::time::Duration;

use crate::config::section::Section;
use crate::config::value::{count, duration};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// `[expectations]`
#[derive(Clone, Debug)]
pub struct Expectations {
    /// How long after the end of a call its unfinished operations are lost.
    pub lost_after: Duration,
    /// The deadline of announced operations that name none; `None`: no deadline.
    pub default_within: Option<Duration>,
    /// How long an ended call is stored.
    pub remember_calls: Duration,
    /// How many ended calls are stored.
    pub max_remembered_calls: u32,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            lost_after: Duration::from_secs(30),
            default_within: None,
            remember_calls: DAY,
            max_remembered_calls: 100_000,
        }
    }
}

/// Reads `[expectations]`.
pub fn expectations(root: &mut Section<'_>) -> Expectations {
    let (mut section, otherwise) = (root.section_or_empty("expectations"), Expectations::default());
    Expectations {
        lost_after: section.or("lost_after", otherwise.lost_after, duration(Duration::ZERO..=HOUR)),
        default_within: section.read("default_within", duration(Duration::from_secs(1)..=7 * DAY)),
        remember_calls: section.or(
            "remember_calls",
            otherwise.remember_calls,
            duration(Duration::from_secs(60)..=30 * DAY),
        ),
        max_remembered_calls: section.or(
            "max_remembered_calls",
            otherwise.max_remembered_calls,
            count(1000..=10_000_000),
        ),
    }
}
