//! Values as text and colours for the pages.

use std::fmt::{self, Display};

use askama::filters::{Escaper, Html, HtmlSafe};
use jiff::Timestamp;

pub use crate::clock::between;
use crate::domain::{ExpectationState, OperationEvent, Status, Tone};
use crate::store::{Counted, EventView};
pub use crate::web::address::encoded;
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

/// The same for a number that may not be the whole one: `at least 3 dead letters`.
pub fn counted_at_least(rows: Counted, what: &str) -> String {
    match rows {
        Counted { n, is_all: true } => counted(n, what),
        Counted { n: 0, .. } => format!("an unknown number of {}", counted(2, what).replacen("2 ", "", 1)),
        Counted { n, .. } => format!("at least {}", counted(n, what)),
    }
}

/// The parts of one of the console's own texts: whether each is code (written between backticks), and its text.
pub fn marked(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split('`').enumerate().map(|(at, part)| (at % 2 == 1, part))
}

/// An event's type, which a narrow page may break behind its dots, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Dotted<'a>(&'a str);

/// An event's type, see [`Dotted`].
pub fn dotted(kind: &str) -> Dotted<'_> {
    Dotted(kind)
}

impl HtmlSafe for Dotted<'_> {}

impl Display for Dotted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive('.') {
            Html.write_escaped_str(&mut *f, part)?;
            f.write_str(if part.ends_with('.') { "<wbr>" } else { "" })?;
        }
        Ok(())
    }
}

/// A number with separators between thousands.
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
    OperationEvent::from(status).tone().as_str()
}

/// The colour of an expectation's state.
pub fn tone_of_state(state: ExpectationState) -> &'static str {
    let without_event = if state == ExpectationState::Met { Tone::Good } else { Tone::Quiet };
    state.event().map_or(without_event, OperationEvent::tone).as_str()
}

/// The colour of an event: by its type if it is reelhook's own, otherwise by the status in it.
pub fn tone_of_event(event: &EventView) -> &'static str {
    if let Some(event) = event.for_operators() {
        return event.tone().as_str();
    }
    match (event.own(), &event.status) {
        (Some(own), _) => own.tone().as_str(),
        (None, Some(status)) => tone_of(status),
        // A subscription's lifecycle event: notifications were missed.
        (None, None) if event.kind.ends_with(".missed") => Tone::Warn.as_str(),
        (None, None) => Tone::Quiet.as_str(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_type_breaks_behind_its_dots_and_is_escaped() {
        assert_eq!(dotted("a.b<i>.c").to_string(), "a.<wbr>b&#60;i&#62;.<wbr>c");
    }

    #[test]
    fn numbers_are_told_as_a_person_writes_them() {
        assert_eq!(counted(0, "entry"), "no entries");
        assert_eq!(counted(1, "dead letter"), "1 dead letter");
        assert_eq!(counted(1_234_567, "operation"), "1,234,567 operations");
        assert_eq!(number(999), "999");
        assert_eq!(counted_at_least(Counted { n: 3, is_all: true }, "entry"), "3 entries");
        assert_eq!(counted_at_least(Counted { n: 3, is_all: false }, "entry"), "at least 3 entries");
        assert_eq!(counted_at_least(Counted { n: 0, is_all: false }, "entry"), "an unknown number of entries");
        assert_eq!(duration(Duration::from_secs(3720)), "1 h 2 min");
    }
}
