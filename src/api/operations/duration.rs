//! ISO 8601 durations such as `PT3M` and `P7D`. Months and years are refused, because their length depends on when they
//! begin.

use jiff::fmt::temporal::SpanParser;
use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Reads a duration; a day has 24 hours.
pub fn parse(text: &str) -> Option<SignedDuration> {
    let span: Span = SpanParser::new().parse_span(text).ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601_and_nothing_else() {
        for (text, seconds) in [("PT3M", 180), ("P7D", 604_800), ("P1W", 604_800), ("PT1H30M", 5400), ("-PT1S", -1)] {
            assert_eq!(parse(text), Some(SignedDuration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "P", "PT", "3m", "180", "P1M", "P1Y", "PT3M ", "00:03:00", "PT99999999999999999999S"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
