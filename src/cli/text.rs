//! Text for a terminal. Text from outside is escaped: it cannot move the cursor or colour the line.

use crate::wording;
pub use crate::wording::untrusted_text::shown as safe;
pub use crate::wording::{duration, instant};

/// `1 dead letter`, `2 dead letters`, `no dead letters`.
pub fn counted(n: usize, what: &str) -> String {
    wording::counted(n as u64, &n.to_string(), what)
}

/// The same for a number that may not be the whole one.
pub fn counted_at_least(n: usize, is_at_least: bool, what: &str) -> String {
    match (n, is_at_least) {
        (0, true) => format!("an unknown number of {}", counted(2, what).replacen("2 ", "", 1)),
        (_, true) => format!("at least {}", counted(n, what)),
        (_, false) => counted(n, what),
    }
}

/// Reads how many entries a list may show.
///
/// # Errors
/// It is none from 1 on.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a whole number from 1 on".to_owned())
}

/// The line below a list that shows at most `limit` entries.
pub fn listed(n: usize, limit: usize, what: &str) -> String {
    format!("{}{}", counted(n, what), if n >= limit { " (there may be more: --limit)" } else { "" })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_is_told_from_many() {
        assert_eq!(counted(0, "dead letter"), "no dead letters");
        assert_eq!(counted(1, "entry"), "1 entry");
        assert_eq!(counted_at_least(3, true, "entry"), "at least 3 entries");
        assert_eq!(counted_at_least(0, true, "entry"), "an unknown number of entries");
        assert_eq!(listed(2, 2, "entry"), "2 entries (there may be more: --limit)");
    }

    #[test]
    fn a_list_shows_at_least_one_entry() {
        assert_eq!((at_least_one("1"), at_least_one("70")), (Ok(1), Ok(70)));
        for wrong in ["0", "-1", "", "x", "1.5"] {
            assert!(at_least_one(wrong).is_err_and(|told| told.contains("from 1 on")), "{wrong}");
        }
    }

    #[test]
    fn a_duration_is_told_in_its_largest_units() {
        assert_eq!(duration(Duration::from_millis(12)), "12 ms");
        assert_eq!(duration(Duration::from_secs(3720)), "1 h 2 min");
        assert_eq!(duration(Duration::from_secs(30 * 86_400)), "30 d");
    }
}
