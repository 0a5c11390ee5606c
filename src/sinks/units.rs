//! Sizes and durations in a sink's table, always with a unit.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A size: "64MiB".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
}

/// A duration that is not zero: "24h", "7 days", "PT30M".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period(pub(super) Duration);

const SIZE: &str = "a size with its unit, such as \"64MiB\"";
const PERIOD: &str = "a duration with its unit, such as \"24h\" or \"7d\"";

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
        let size: ByteSize = text.parse().ok().filter(|_| has_unit)?;
        (size.as_u64() > 0).then_some(Self { bytes: size.as_u64() })
    }
}

impl Period {
    fn parse(text: &str) -> Option<Self> {
        let span: Span = text.parse().ok()?;
        let duration: SignedDuration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(duration).ok().filter(|it| !it.is_zero()).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithUnit { expected: SIZE, parse: Self::parse })
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WithUnit { expected: PERIOD, parse: Self::parse })
    }
}

struct WithUnit<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for WithUnit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::custom(format!("found {text:?}, expected {}", self.expected)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_need_a_unit_and_are_not_zero() {
        assert_eq!(Size::parse("64MiB"), Some(Size { bytes: 64 << 20 }));
        assert_eq!(Size::parse("1 kB"), Some(Size { bytes: 1000 }));
        for wrong in ["64", "0MiB", "-1MiB", "MiB", "", "1 lightyear"] {
            assert_eq!(Size::parse(wrong), None, "{wrong}");
        }
        for (text, hours) in [("24h", 24), ("1d", 24), ("1 week", 168), ("PT3H", 3)] {
            assert_eq!(Period::parse(text), Some(Period(Duration::from_secs(hours * 3600))), "{text}");
        }
        for wrong in ["24", "0s", "-1h", "", "soon", "1 month"] {
            assert_eq!(Period::parse(wrong), None, "{wrong}");
        }
    }
}
