//! How long a subscription lives, and how its end is written.

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

/// The longest life that Graph allows a subscription of a resource
/// (<https://learn.microsoft.com/graph/change-notifications-overview#subscription-lifetime>).
#[derive(Clone, Copy, Debug)]
pub struct Life {
    pub(super) minutes: i64,
    /// How many digits the fraction of a second has.
    pub(super) digits: u8,
    /// Minutes east of Greenwich; `None`: written as `Z`.
    pub(super) offset: Option<i32>,
}

impl Life {
    /// Of chat messages, with or without the message.
    pub const CHAT_MESSAGE: Self = Self { minutes: 4_320, digits: 7, offset: Some(0) };

    /// The end of a subscription that was made then.
    pub fn after(self, made_at: Timestamp) -> String {
        let end = made_at.saturating_add(SignedDuration::from_mins(self.minutes)).unwrap_or(Timestamp::MAX);
        written(end, self.digits, self.offset)
    }
}

/// An instant with so many digits, at an offset in minutes.
pub(super) fn written(instant: Timestamp, digits: u8, offset: Option<i32>) -> String {
    let printer = DateTimePrinter::new().precision(Some(digits));
    let offset = offset.and_then(|minutes| Offset::from_seconds(minutes * 60).ok());
    match offset {
        None => printer.timestamp_to_string(&instant),
        Some(offset) => printer.timestamp_with_offset_to_string(&instant, offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_written_with_its_digits_and_its_offset() {
        let made_at: Timestamp = "2026-11-24T08:00:00.1234567Z".parse().unwrap();
        let written = |digits, offset| Life { minutes: 60, digits, offset }.after(made_at);
        assert_eq!(written(7, None), "2026-11-24T09:00:00.1234567Z");
        assert_eq!(written(3, None), "2026-11-24T09:00:00.123Z");
        assert_eq!(written(2, Some(0)), "2026-11-24T09:00:00.12+00:00");
        assert_eq!(written(0, Some(0)), "2026-11-24T09:00:00+00:00");
        assert_eq!(written(7, Some(330)), "2026-11-24T14:30:00.1234567+05:30");
        assert_eq!(written(7, Some(-480)), "2026-11-24T01:00:00.1234567-08:00");
    }
}
