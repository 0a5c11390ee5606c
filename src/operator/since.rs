//! Since when: an instant, or how long ago.

use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, Span, Timestamp};

use crate::config::value::parse_duration;

/// Reads `2h`, or `2026-11-24T08:00:00Z`.
///
/// # Errors
/// It is neither.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = |ago| now.checked_sub(SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX)).ok();
    let found = parse_duration(text).and_then(ago).or_else(|| text.parse().ok());
    found.ok_or_else(|| {
        format!("{}{EXPECTED}", if is_too_far(text) { "found a time that is too far from now, " } else { "" })
    })
}

/// What can be read.
const EXPECTED: &str = "expected how long ago, such as 30m or 2h, or an instant such as 2026-11-24T08:00:00Z";

/// Whether a text that could not be read is how long ago, or an instant.
fn is_too_far(text: &str) -> bool {
    let is_duration = match text.trim().parse::<Span>() {
        Ok(_) => parse_duration(text).is_some(),
        Err(error) => error.is_range(),
    };
    is_duration || Pieces::parse(text).is_ok_and(|pieces| pieces.time().is_some() && pieces.offset().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_duration_or_an_instant() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        assert_eq!(since("2h", now).unwrap().to_string(), "2026-11-24T06:00:00Z");
        assert_eq!(since("2026-11-01T00:00:00+01:00", now).unwrap().to_string(), "2026-10-31T23:00:00Z");
        for wrong in ["", "x", "-2h", "yesterday", "99999999d"] {
            assert!(since(wrong, now).unwrap_err().contains("2h"), "{wrong}");
        }
    }

    #[test]
    fn a_time_that_is_too_far_is_told_from_what_is_none() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        for far in ["99999999999d", "99999999d", "20000y", "9999-12-31T23:59:59Z", "-009999-01-01T00:00:00Z"] {
            let told = since(far, now).unwrap_err();
            assert!(told.starts_with("found a time that is too far from now, expected how long ago"), "{far}: {told}");
        }
        for none in
            ["", "x", "-2h", "yesterday", "2026-13-01T00:00:00Z", "2026-11-24", "2026-11-24T08:00:00", "99999999999"]
        {
            let told = since(none, now).unwrap_err();
            assert!(told.starts_with("expected how long ago"), "{none}: {told}");
        }
    }
}
