//! The parameters of a query string by their names, for resources without OData options.
//!
//! **Invariants**
//! 1. No parameter is silently ignored: an unknown one is refused by its name.

use jiff::Timestamp;
use url::form_urlencoded;

use super::ApiError;
use crate::odata::MAX_TOP;
use crate::operator;
use crate::wording::untrusted_text::cut;

/// Graph's detailed code for a wrong parameter.
const FINER: &str = "invalidQueryOption";
/// How many characters of a wrong value are shown.
const SHOWN_CHARS: usize = 40;
/// The number of rows without `$top`.
const USUAL_TOP: usize = 100;

/// The parameters of a request.
#[derive(Debug)]
pub struct Parameters(Vec<(&'static str, String)>);

impl Parameters {
    /// Reads a query string, without its `?`. As with Graph, the `$` of a known name may be left out.
    ///
    /// # Errors
    /// A parameter is unknown.
    pub fn read(query_string: &str, known: &[&'static str]) -> Result<Self, ApiError> {
        let pairs = form_urlencoded::parse(query_string.as_bytes()).map(|(name, value)| {
            let name =
                known.iter().find(|it| **it == name || it.strip_prefix('$') == Some(&name)).ok_or_else(|| {
                    let expected = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                    ApiError::bad_request(
                        FINER,
                        format!("found the parameter {:?}, expected {expected}", cut(&name, SHOWN_CHARS)),
                    )
                })?;
            Ok((*name, value.into_owned()))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// The same, where a time that counts from now is an instant: then the link to the next page means the same times.
    pub fn at(mut self, now: Timestamp) -> Self {
        for (_, text) in self.0.iter_mut().filter(|(name, _)| matches!(*name, "since" | "until")) {
            if let Ok(at) = operator::since(text, now) {
                *text = at.to_string();
            }
        }
        self
    }

    /// Every value of a parameter that may occur several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// It occurs twice.
    pub fn one(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(ApiError::bad_request(FINER, format!("{name}: found it twice, expected it once"))),
            (value, None) => Ok(value),
        }
    }

    /// The text of a parameter; `None` also if it is empty.
    ///
    /// # Errors
    /// It occurs twice.
    pub fn text(&self, name: &str) -> Result<Option<String>, ApiError> {
        Ok(self.one(name)?.filter(|text| !text.trim().is_empty()).map(str::to_owned))
    }

    /// All parameters, in their order.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The number of rows that the client wants: `$top`.
    ///
    /// # Errors
    /// It is not a number from 1 to [`MAX_TOP`].
    pub fn top(&self) -> Result<usize, ApiError> {
        let Some(found) = self.one("$top")? else { return Ok(USUAL_TOP) };
        match found.parse() {
            Ok(top @ 1..=MAX_TOP) => Ok(usize::from(top)),
            _ => Err(wrong("$top", found, &format!("a whole number from 1 to {MAX_TOP}"))),
        }
    }
}

/// 400: a parameter has a wrong value.
pub fn wrong(name: &str, found: &str, expected: &str) -> ApiError {
    ApiError::bad_request(FINER, format!("{name}: found {:?}, expected {expected}", cut(found, SHOWN_CHARS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["$top", "sink"];

    #[test]
    fn what_is_known_is_read_with_and_without_its_dollar() {
        for text in ["$top=7&sink=a%20b&sink=c", "top=7&sink=a+b&sink=c", "%24top=7&sink=a+b&sink=c"] {
            let parameters = Parameters::read(text, KNOWN).unwrap();
            assert_eq!(parameters.top().unwrap(), 7);
            assert_eq!(parameters.all("sink").collect::<Vec<_>>(), ["a b", "c"]);
        }
        assert_eq!(Parameters::read("", KNOWN).unwrap().top().unwrap(), USUAL_TOP);
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_name() {
        let long = "x".repeat(99);
        for (text, expected) in [
            ("$filter=x", "found the parameter \"$filter\", expected $top, sink".to_owned()),
            ("$sink=x", "found the parameter \"$sink\", expected $top, sink".to_owned()),
            (&long, format!("found the parameter \"{}\", expected $top, sink", &long[..SHOWN_CHARS])),
        ] {
            assert_eq!(Parameters::read(text, KNOWN).unwrap_err().to_string(), expected);
        }
        assert!(Parameters::read("x", &[]).unwrap_err().to_string().ends_with("expected none"));
    }

    #[test]
    fn a_time_that_counts_from_now_becomes_an_instant() {
        let now = Timestamp::from_second(7200).unwrap();
        let read = |text| Parameters::read(text, &["since", "until", "text"]).unwrap().at(now);
        let parameters = read("since=2h&until=1970-01-01T01:00:00Z&text=2h");
        let given: Vec<_> = parameters.given().collect();
        let (since, until) = ("1970-01-01T00:00:00Z", "1970-01-01T01:00:00Z");
        assert_eq!(given, [("since", since), ("until", until), ("text", "2h")]);
        assert_eq!(read("since=soon").one("since").unwrap(), Some("soon"), "what is none is refused where it is read");
    }

    #[test]
    fn a_value_that_cannot_be_is_refused() {
        for top in ["0", "1001", "-1", "x", ""] {
            let error = Parameters::read(&format!("$top={top}"), KNOWN).unwrap().top().unwrap_err();
            assert_eq!(error.to_string(), format!("$top: found {top:?}, expected a whole number from 1 to 1000"));
        }
        let twice = Parameters::read("sink=a&sink=a", KNOWN).unwrap();
        assert_eq!(twice.one("sink").unwrap_err().to_string(), "sink: found it twice, expected it once");
    }
}
