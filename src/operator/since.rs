//! Since when: an instant, or how long ago.

use jiff::{SignedDuration, Timestamp};

use crate::config::value::parse_duration;

/// Reads `2h`, or `2026-11-24T08:00:00Z`.
///
/// # Errors
/// It is neither.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let ago = |ago| now.checked_sub(SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX)).ok();
    let found = parse_duration(text).and_then(ago).or_else(|| text.parse().ok());
    found.ok_or_else(|| {
        "expected how long ago, such as 30m or 2h, or an instant such as 2026-11-24T08:00:00Z".to_owned()
    })
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
}
