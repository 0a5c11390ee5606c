//! The words that routes are compared with, as far as they are known: a route or a sink with another one is most likely misspelt.

use crate::config::section::Section;
use crate::config::value::name;
use crate::domain::{
    CHANGE_TYPES, EventChoice, EventKind, LIFECYCLE_EVENTS, OperationEvent, OperatorEvent, RecordOperation,
};

/// The type of the resource that lifecycle events are about.
const SUBSCRIPTION: &str = "subscription";

/// Reads words; those that nothing will ever have are warned of.
pub fn checked(section: &mut Section<'_>, key: &'static str, unlike: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let texts = section.one_or_more(key, name(256));
    for why in texts.iter().filter_map(|text| unlike(text)) {
        section.report.warning(&section.path_of(key), why);
    }
    texts
}

/// The resources of which every type of event is known.
const CLOSED: [&str; 3] = [RecordOperation::TYPE, SUBSCRIPTION, OperatorEvent::TYPE];

/// Why no event has this change type, as far as is known.
pub fn unlike_a_change_type(text: &str) -> Option<String> {
    let known = [CHANGE_TYPES, LIFECYCLE_EVENTS].concat();
    (!is_among(&known, text))
        .then(|| format!("{text:?} is not a change type that Graph documents ({})", known.join(", ")))
}

/// Why no event has this type, or one that matches this pattern, as far as is known.
pub fn unlike_a_type(text: &str) -> Option<String> {
    if text.contains('*') {
        let why = || format!("{text:?} matches no known type of event: types are as \"recordOperation.completed\"");
        return (!may_match(text)).then(why);
    }
    let dotted = text.split_once('.').filter(|(of, _)| of.eq_ignore_ascii_case(OperatorEvent::TYPE));
    let Some((of, what)) = dotted.or_else(|| text.rsplit_once('.')) else {
        return Some(format!(
            "{text:?} is not a type of event: types have two parts, as \"recordOperation.completed\""
        ));
    };
    let known = words_of(of);
    (!is_among(&known, what))
        .then(|| format!("{text:?} is not a known type of event: of {of:?} there are {}", known.join(", ")))
}

/// Whether a pattern with `*` matches a type that there may be: one of a known resource, or a change of any other one.
fn may_match(pattern: &str) -> bool {
    let choice = EventChoice::new(&[pattern.to_owned()]);
    let is_of = |of: &str| words_of(of).iter().any(|what| choice.admits(EventKind::Resource { of, what }));
    if CLOSED.iter().any(|of| is_of(of)) {
        return true;
    }
    let lower = pattern.to_ascii_lowercase();
    let (head, tail) = (lower.split('*').next().unwrap_or_default(), lower.rsplit('*').next().unwrap_or_default());
    let begins_closed = CLOSED.iter().any(|of| head.starts_with(&format!("{}.", of.to_ascii_lowercase())));
    let ends_like = |word: &&str| {
        let end = format!(".{word}").to_ascii_lowercase();
        end.ends_with(tail) || tail.ends_with(&end)
    };
    !begins_closed && CHANGE_TYPES.iter().any(ends_like)
}

/// What can be told of a resource.
fn words_of(resource_type: &str) -> Vec<&str> {
    if resource_type.eq_ignore_ascii_case(RecordOperation::TYPE) {
        return OperationEvent::ALL.iter().map(|event| event.word()).collect();
    }
    if resource_type.eq_ignore_ascii_case(OperatorEvent::TYPE) {
        return OperatorEvent::ALL.iter().map(|event| event.word()).collect();
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
    fn a_pattern_is_warned_of_if_no_type_can_match_it() {
        for good in [
            "*",
            "recordOperation.*",
            "RECORDoperation.c*",
            "*.completed",
            "*lost",
            "callRecords.*",
            "callRecords.*.updated",
            "*.updated",
            "*x.updated",
            "subscription.*",
            "sub*missed",
            "a*b*",
            "reelhook.*",
            "reelhook.sink.*",
        ] {
            assert_eq!(unlike_a_type(good), None, "{good}");
        }
        for bad in [
            "recordOperation.finish*",
            "recordOperation.*.updated",
            "*.finished",
            "call.*x",
            "subscription.lost*",
            "reelhook.*.updated",
        ] {
            assert!(unlike_a_type(bad).is_some_and(|why| why.contains(bad)), "{bad}");
        }
    }

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
            "reelhook.sink.paused",
            "Reelhook.deadletter",
        ] {
            assert_eq!(unlike_a_type(good), None, "{good}");
        }
        let words: Vec<&str> = OperationEvent::ALL.iter().map(|event| event.word()).collect();
        assert!(unlike_a_type("recordOperation.finished").unwrap().contains(&words.join(", ")));
        for bad in
            ["overdue", "call", "call.missed", "call.", "recordOperation.created", "reelhook.sink", "reelhook.updated"]
        {
            assert!(unlike_a_type(bad).is_some(), "{bad}");
        }
    }
}
