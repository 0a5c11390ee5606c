//! How values are shown to a person.

use jiff::Timestamp;

pub use crate::clock::between;
use crate::domain::{ExpectationState, Origin, Status};
use crate::store::EventView;
use crate::wording;
pub use crate::wording::{duration, instant};

/// The time of day, to the second.
pub fn time_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// `no dead letters`, `1 dead letter`, `2,000 dead letters`.
pub fn counted(n: u64, what: &str) -> String {
    wording::counted(n, &number(n), what)
}

/// A number, its thousands apart.
pub fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A number of bytes.
pub fn bytes(n: u64) -> String {
    bytesize::ByteSize::b(n).display().iec().to_string()
}

/// The colour of a status: the name of a class.
pub fn tone_of(status: &Status) -> &'static str {
    match status {
        Status::Completed => "good",
        Status::Failed => "bad",
        Status::Running => "running",
        Status::NotStarted | Status::Unknown(_) => "quiet",
    }
}

/// The colour of an expectation's state.
pub fn tone_of_state(state: ExpectationState) -> &'static str {
    match state {
        ExpectationState::Met | ExpectationState::Recovered => "good",
        ExpectationState::Overdue => "warn",
        ExpectationState::Lost => "bad",
        ExpectationState::Waiting => "quiet",
    }
}

/// The colour of an event: of reelhook's own word by what it says, else by the status that Graph told.
pub fn tone_of_event(event: &EventView) -> &'static str {
    match (event.origin, event.kind.rsplit('.').next().unwrap_or_default(), &event.status) {
        (Origin::Reelhook, "lost", _) => "bad",
        (Origin::Reelhook, "overdue", _) => "warn",
        (Origin::Reelhook, "recovered", _) => "good",
        (Origin::Graph, _, Some(status)) => tone_of(status),
        (Origin::Graph, "missed", None) => "warn",
        _ => "quiet",
    }
}

/// A text as one segment of a path or one value of a query.
pub fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// JSON, indented where it is JSON, and cut to `limit` characters.
pub fn json(text: &str, limit: usize) -> String {
    let pretty = serde_json::from_str::<serde_json::Value>(text).and_then(|value| serde_json::to_string_pretty(&value));
    let text = pretty.unwrap_or_else(|_not_json| text.to_owned());
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}\n… (cut)", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn numbers_are_told_as_a_person_writes_them() {
        assert_eq!(counted(0, "entry"), "no entries");
        assert_eq!(counted(1, "dead letter"), "1 dead letter");
        assert_eq!(counted(1_234_567, "operation"), "1,234,567 operations");
        assert_eq!(number(999), "999");
        assert_eq!(duration(Duration::from_secs(3720)), "1 h 2 min");
    }

    #[test]
    fn a_value_in_a_path_cannot_leave_its_segment() {
        assert_eq!(encoded("a/../b?c#d e\"<"), "a%2F..%2Fb%3Fc%23d%20e%22%3C");
    }

    #[test]
    fn json_is_cut_between_characters() {
        assert_eq!(json("ééé", 2), "éé\n… (cut)");
        assert_eq!(json("{\"a\":1}", 99), "{\n  \"a\": 1\n}");
    }
}
