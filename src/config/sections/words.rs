//! The words that routes are compared with, as far as they are known: a route with another one is most likely misspelt.

use crate::domain::{CHANGE_TYPES, LIFECYCLE_EVENTS, OperationEvent, RecordOperation};

/// The type of the resource that lifecycle events are about.
const SUBSCRIPTION: &str = "subscription";

/// Why no event has this change type, as far as is known.
pub fn unlike_a_change_type(text: &str) -> Option<String> {
    let known = [CHANGE_TYPES, LIFECYCLE_EVENTS].concat();
    (!is_among(&known, text))
        .then(|| format!("{text:?} is not a change type that Graph documents ({})", known.join(", ")))
}

/// Why no event has this type, as far as is known.
pub fn unlike_a_type(text: &str) -> Option<String> {
    let Some((of, what)) = text.rsplit_once('.') else {
        return Some(format!(
            "{text:?} is not a type of event: types have two parts, as \"recordOperation.completed\""
        ));
    };
    let known = words_of(of);
    (!is_among(&known, what))
        .then(|| format!("{text:?} is not a known type of event: of {of:?} there are {}", known.join(", ")))
}

/// What can be told of a resource.
fn words_of(resource_type: &str) -> Vec<&str> {
    if resource_type.eq_ignore_ascii_case(RecordOperation::TYPE) {
        return OperationEvent::ALL.iter().map(|event| event.word()).collect();
    }
    if resource_type.eq_ignore_ascii_case(SUBSCRIPTION) {
        [CHANGE_TYPES, LIFECYCLE_EVENTS].concat()
    } else {
        CHANGE_TYPES.to_vec()
    }
}

fn is_among(known: &[&str], text: &str) -> bool {
    known.iter().any(|word| word.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_taken_in_any_case_and_others_are_told_with_those_that_there_are() {
        for good in ["created", "Updated", "missed", "SUBSCRIPTIONREMOVED"] {
            assert_eq!(unlike_a_change_type(good), None, "{good}");
        }
        assert!(unlike_a_change_type("update").unwrap().contains("created, updated, deleted, missed"));
        for good in [
            "recordOperation.completed",
            "recordoperation.OVERDUE",
            "recordOperation.notStarted",
            "recordOperation.unknown",
            "call.deleted",
            "callRecords.callRecord.updated",
            "subscription.missed",
            "subscription.deleted",
        ] {
            assert_eq!(unlike_a_type(good), None, "{good}");
        }
        let words: Vec<&str> = OperationEvent::ALL.iter().map(|event| event.word()).collect();
        assert!(unlike_a_type("recordOperation.finished").unwrap().contains(&words.join(", ")));
        for bad in ["overdue", "call", "call.missed", "call.", "recordOperation.created"] {
            assert!(unlike_a_type(bad).is_some(), "{bad}");
        }
    }
}
