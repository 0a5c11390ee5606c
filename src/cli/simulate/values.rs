//! The values of arguments, checked as they are read. Each mistake says what was expected.

use std::time::Duration;

use hyper::http::uri::PathAndQuery;
use uuid::Uuid;

use crate::simulator::DEMO_APP_ID;

/// The characters of a GUID with its dashes.
const GUID: usize = 36;

/// A path of a receiver, as it stands in a request.
pub(super) fn path(text: &str) -> Result<String, String> {
    let found = match text.chars().next() {
        None => "found nothing",
        Some('/') if !text.contains('#') && text.parse::<PathAndQuery>().is_ok() => return Ok(text.into()),
        Some('/') => "found a character that no path has",
        Some(_) => "found no slash at its beginning",
    };
    Err(format!("{found}, expected a path such as /graph/calls"))
}

/// The id of an application or a tenant.
pub(super) fn guid(text: &str) -> Result<String, String> {
    if text.len() == GUID && Uuid::try_parse(text).is_ok() {
        return Ok(text.into());
    }
    Err(format!("expected a GUID such as {DEMO_APP_ID}"))
}

/// How many a second.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate > 0.0).ok_or("expected a number above 0".into())
}

/// How many in all.
pub(super) fn count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("nothing would be sent: expected 1 or more".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("expected a whole number, 1 or more".into()),
    }
}

/// How long.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    match crate::cli::duration(text)? {
        Duration::ZERO => Err("nothing would be sent: expected more than 0s".into()),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_that_can_be_posted_to() {
        for good in ["/", "/graph/calls", "/api/calls?code=x%20y", "/a;b=c/~d"] {
            assert_eq!(path(good), Ok(good.to_owned()));
        }
        for (wrong, found) in
            [("", "nothing"), ("graph/calls", "no slash"), ("/a b", "a character"), ("/a#b", "a character")]
        {
            let told = path(wrong).unwrap_err();
            assert!(told.contains(found) && told.ends_with("expected a path such as /graph/calls"), "{wrong}: {told}");
        }
    }

    #[test]
    fn a_guid_has_its_dashes_and_any_case() {
        for good in [DEMO_APP_ID.to_owned(), DEMO_APP_ID.to_uppercase()] {
            assert_eq!(guid(&good), Ok(good.clone()));
        }
        for wrong in ["", "x", "contoso.com", &DEMO_APP_ID.replace('-', ""), &format!("{{{DEMO_APP_ID}}}")] {
            assert!(guid(wrong).unwrap_err().contains(DEMO_APP_ID), "{wrong}");
        }
    }
}
