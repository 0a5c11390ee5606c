//! The path of a calling resource: `/communications/calls/{call}/operations/{operation}` and its older spellings
//! (`/app/calls/..`, `/applications/{app}/calls/..`), with or without a host.

use super::dialects::Dialects;
use crate::domain::{Dialect, GraphId};

/// The call that a path leads to or through.
pub(super) fn call_id(path: &str) -> Option<&str> {
    after(path, "calls")
}

/// The operation that a path leads to.
pub(super) fn operation_id(path: &str) -> Option<&str> {
    after(path, "operations")
}

fn after<'a>(path: &'a str, collection: &str) -> Option<&'a str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let mut parts = path.split('/').skip_while(|part| !part.eq_ignore_ascii_case(collection));
    parts.nth(1).filter(|part| !part.is_empty())
}

/// An id, normalised; notes the spelling without dashes.
pub(super) fn id(text: &str, dialects: &mut Dialects) -> Option<GraphId> {
    let id = GraphId::new(text)?;
    dialects.note_if(id.as_str().len() != text.len(), Dialect::UndashedId);
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_found_in_every_spelling_of_the_path() {
        for path in [
            "/communications/calls/C1/operations/O1",
            "/app/calls/C1/operations/O1",
            "/applications/A/calls/C1/operations/O1/",
            "https://graph.microsoft.com/v1.0/communications/Calls/C1/Operations/O1?x=/calls/no",
        ] {
            assert_eq!((call_id(path), operation_id(path)), (Some("C1"), Some("O1")), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in ["", "/", "/communications/calls", "/communications/calls/", "users/x/messages/y"] {
            assert_eq!((call_id(path), operation_id(path)), (None, None), "{path}");
        }
        assert_eq!(operation_id("/communications/calls/C1/participants"), None);
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in ".{0,100}") {
            let _ = (call_id(&path), operation_id(&path));
        }
    }
}
