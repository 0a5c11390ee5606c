//! `[expectations]`.

use std::time::Duration;

use crate::config::Expectations;
use crate::config::section::Section;
use crate::config::value::{count, duration};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Reads `[expectations]`.
pub fn expectations(root: &mut Section<'_>) -> Expectations {
    let mut section = root.section_or_empty("expectations");
    Expectations {
        lost_after: section.or("lost_after", Duration::from_secs(30), duration(Duration::ZERO..=HOUR)),
        default_within: section.read("default_within", duration(Duration::from_secs(1)..=7 * DAY)),
        remember_calls: section.or("remember_calls", DAY, duration(Duration::from_secs(60)..=30 * DAY)),
        max_remembered_calls: section.or("max_remembered_calls", 100_000, count(1000..=10_000_000)),
    }
}
