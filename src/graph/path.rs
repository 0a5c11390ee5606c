//! The path of a calling resource: `/communications/calls/{call}/operations/{operation}` and its older spellings
//! (`/app/calls/..`, `/applications/{app}/calls/..`), with or without a host. Its ids may have dashes or not: both are
//! documented.

use crate::domain::GraphId;

/// The call in a path, or the call that the path leads through.
pub(super) fn call_id(path: &str) -> Option<GraphId> {
    GraphId::new(after(path, "calls")?)
}

/// The call at the end of a path; `None` if the path goes on below the call.
pub(super) fn call_alone(path: &str) -> Option<GraphId> {
    let mut parts = from(path, "calls").skip(1);
    let id = parts.next()?;
    if parts.any(|part| !part.is_empty()) { None } else { GraphId::new(id) }
}

/// Whether a path is that of an operation, or of a call's operations.
pub(super) fn is_of_operations(path: &str) -> bool {
    from(path, "operations").next().is_some()
}

/// The operation in a path.
pub(super) fn operation_id(path: &str) -> Option<GraphId> {
    GraphId::new(after(path, "operations")?)
}

fn after<'a>(path: &'a str, collection: &str) -> Option<&'a str> {
    from(path, collection).nth(1).filter(|part| !part.is_empty())
}

/// The parts of a path from a collection's name on.
fn from<'a>(path: &'a str, collection: &str) -> impl Iterator<Item = &'a str> {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    path.split('/').skip_while(move |part| !part.eq_ignore_ascii_case(collection))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(path: &str) -> (Option<String>, Option<String>) {
        let text = |id: Option<GraphId>| id.map(|id| id.as_str().to_owned());
        (text(call_id(path)), text(operation_id(path)))
    }

    #[test]
    fn ids_are_found_in_every_spelling_of_the_path() {
        for path in [
            "/communications/calls/C1/operations/O1",
            "/app/calls/C1/operations/O1",
            "/applications/A/calls/C1/operations/O1/",
            "https://graph.microsoft.com/v1.0/communications/Calls/C1/Operations/O1?x=/calls/no",
        ] {
            assert_eq!(ids(path), (Some("C1".into()), Some("O1".into())), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in ["", "/", "/communications/calls", "/communications/calls/", "users/x/messages/y"] {
            assert_eq!(ids(path), (None, None), "{path}");
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
