//! Instants on a page: the one way in which they are written.
//!
//! The server writes UTC. The script of the console writes how long ago it was and the reader's own time, and keeps that
//! up to date; UTC is then shown when the pointer is on it.
//!
//! **Invariants**
//! 1. Whatever is written here is escaped, except for the `<time>` elements, which hold nothing from outside.

use std::fmt::{self, Display};

use askama::filters::{Escaper, Html, HtmlSafe};
use jiff::Timestamp;
use jiff::civil::DateTime;

use super::format;

/// The length of an instant as [`format::instant`] writes it.
const LENGTH: usize = "2026-11-24 08:00:00 UTC".len();

/// An instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl HtmlSafe for Moment {}

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (machine, person) = (self.machine_readable(), self.text());
        write!(f, "<time datetime=\"{machine}\" title=\"{person}\">{person}</time>")
    }
}

impl Moment {
    /// As `datetime` has it.
    pub fn machine_readable(self) -> String {
        machine_readable(self.0)
    }

    /// In UTC, for a person.
    pub fn text(self) -> String {
        format::instant(self.0)
    }
}

impl serde::Serialize for Moment {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.machine_readable())
    }
}

/// An instant as `datetime` has it.
pub fn machine_readable(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A text, the instants in which are written as [`Moment`]s.
#[derive(Clone, Copy, Debug)]
pub struct WithMoments<'a>(&'a str);

/// Writes the instants in a text as [`Moment`]s. If the text is from outside, it may contain one too: that is shown
/// likewise.
pub fn with_moments(text: &str) -> WithMoments<'_> {
    WithMoments(text)
}

impl HtmlSafe for WithMoments<'_> {}

impl Display for WithMoments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some((before, moment, after)) = first_moment(rest) {
            Html.write_escaped_str(&mut *f, before)?;
            write!(f, "{moment}")?;
            rest = after;
        }
        Html.write_escaped_str(f, rest)
    }
}

/// The first instant in a text, with what stands before and after it.
fn first_moment(text: &str) -> Option<(&str, Moment, &str)> {
    text.match_indices(" UTC").find_map(|(at, zone)| {
        let end = at + zone.len();
        let start = end.checked_sub(LENGTH)?;
        let civil: DateTime = text.get(start..at)?.parse().ok()?;
        let moment = Moment(jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?);
        // Other spellings that the parser knows are left as they are.
        (format::instant(moment.0) == text[start..end]).then_some((&text[..start], moment, &text[end..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_instants_of_a_text_are_marked_and_the_rest_is_escaped() {
        let text = "<b> since 2026-11-24 08:00:00 UTC & until 2026-11-24 09:00:00 UTC.";
        let at = |hour| {
            format!(
                "<time datetime=\"2026-11-24T{hour}:00:00Z\" title=\"2026-11-24 {hour}:00:00 UTC\">2026-11-24 {hour}:00:00 UTC</time>"
            )
        };
        assert_eq!(with_moments(text).to_string(), format!("&#60;b&#62; since {} &#38; until {}.", at("08"), at("09")));
    }

    #[test]
    fn what_is_no_instant_stays_text() {
        for text in [
            "",
            "no UTC",
            "99-11-24 08:00:00 UTC",
            "2026-13-24 08:00:00 UTC",
            "2026-11-24T08:00:00 UTC",
            "é08:00:00 UTC",
        ] {
            assert_eq!(with_moments(text).to_string(), text);
        }
    }
}
