//! The parameters in the address of a list.
//!
//! **Invariants**
//! 1. No parameter is silently ignored: a page that shows the whole list although somebody asked for a part of it misleads.

use actix_web::HttpRequest;
use actix_web::web::Query;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::problem::Problem;
use crate::operator;
use crate::wording::untrusted_text::cut;

/// The parameter for a text that is searched for.
pub const TEXT: &str = "text";
/// Its name in the addresses of the first versions.
const OLD_TEXT: &str = "q";
/// Where a page of a list begins, and what a button did.
const OF_EACH_LIST: [&str; 5] = ["before", "done", "n", "of", "paused"];

/// The parameters in the address of a list, which has these and those of every list.
///
/// # Errors
/// One of them is unknown, occurs twice, or cannot be read.
pub fn read<T: DeserializeOwned>(request: &HttpRequest, known: &[&str]) -> Result<T, Problem> {
    check(request.query_string(), known)?;
    Query::from_query(request.query_string()).map(Query::into_inner).map_err(|_error| Problem::unreadable())
}

/// Whether a query has only these parameters and those of every list, each once.
///
/// # Errors
/// One of them is unknown, or occurs twice.
pub fn check(query: &str, known: &[&str]) -> Result<(), Problem> {
    let mut seen: Vec<String> = Vec::new();
    for (name, _value) in form_urlencoded::parse(query.as_bytes()) {
        let name = if name == OLD_TEXT { TEXT.into() } else { name };
        if !known.contains(&&*name) && !OF_EACH_LIST.contains(&&*name) {
            let (found, known) = (cut(&name, 40), known.join(", "));
            let has = if known.is_empty() { "It has none".to_owned() } else { format!("It has these: {known}") };
            return Err(Problem::Address(format!("This page has no parameter {found:?}. {has}.")));
        }
        if seen.iter().any(|it| *it == name) {
            return Err(Problem::Address(format!("Found the parameter {name:?} twice, expected it once.")));
        }
        seen.push(name.into_owned());
    }
    Ok(())
}

/// A time as a link to another page has it: one that counts from now becomes an instant, so that all pages mean the same.
pub fn fixed(text: &str, now: Timestamp) -> String {
    operator::since(text.trim(), now).map_or_else(|_wrong| text.to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(query: &str) -> String {
        match check(query, &[TEXT, "state"]) {
            Ok(()) => String::new(),
            Err(Problem::Address(why)) => why,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_by_their_names() {
        assert_eq!(told("text=a&state=b&before=7&done=routed&n=1&paused=true"), "");
        assert_eq!(told("q=a&state=b"), "", "the old name of the text");
        let Err(Problem::Address(none)) = check("foo=1", &[]) else { panic!("no parameter is known") };
        assert_eq!(none, "This page has no parameter \"foo\". It has none.");
        assert_eq!(told("foo=1"), "This page has no parameter \"foo\". It has these: text, state.");
        for twice in ["text=a&text=b", "text=a&q=b", "q=&q="] {
            assert_eq!(told(twice), "Found the parameter \"text\" twice, expected it once.");
        }
    }

    #[test]
    fn a_time_that_counts_from_now_becomes_an_instant() {
        let now = Timestamp::from_second(7200).unwrap();
        assert_eq!(fixed(" 2h", now), "1970-01-01T00:00:00Z");
        assert_eq!(fixed("1970-01-01T01:00:00+01:00", now), "1970-01-01T00:00:00Z");
        assert_eq!((fixed("", now), fixed("soon", now)), (String::new(), "soon".to_owned()));
    }
}
