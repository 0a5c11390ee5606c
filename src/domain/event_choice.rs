//! A choice of events by their types: what `type` and `events` of a route and `events` of a sink say.
//!
//! **Invariants**
//! 1. ASCII letters are compared in any case. `*` stands for any characters, also for none and for dots; everything else
//!    stands for itself.

use super::{EventKind, OperatorEvent};

/// A choice of events by their types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventChoice(Vec<TypePattern>);

/// One pattern, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TypePattern(String);

impl EventChoice {
    /// The events whose type matches one of these patterns; without a pattern: every event.
    pub fn new(patterns: &[String]) -> Self {
        Self(patterns.iter().map(|pattern| TypePattern(pattern.to_ascii_lowercase())).collect())
    }

    /// Whether every event is chosen, because there is no pattern.
    pub fn is_any(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a pattern names events of this type: one that matches, and begins as their types do.
    pub fn names(&self, kind: OperatorEvent) -> bool {
        let names = |pattern: &&TypePattern| pattern.0.starts_with(OperatorEvent::TYPE);
        self.0.iter().filter(names).any(|pattern| pattern.holds(EventKind::Operator(kind)))
    }

    /// Whether events of this type are chosen.
    pub fn admits(&self, kind: EventKind<'_>) -> bool {
        self.is_any() || self.0.iter().any(|pattern| pattern.holds(kind))
    }
}

impl TypePattern {
    fn holds(&self, kind: EventKind<'_>) -> bool {
        if self.0.contains('*') { is_like(&kind.to_text().to_ascii_lowercase(), &self.0) } else { kind.is(&self.0) }
    }
}

/// Whether the whole text matches a pattern with at least one `*`.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let last = parts.next_back().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in parts {
        let Some((_skipped, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(patterns: &[&str]) -> EventChoice {
        EventChoice::new(&patterns.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_star_is_any_text_and_letters_are_compared_in_any_case() {
        let kind = EventKind::parse("recordOperation.completed");
        for good in [
            "recordOperation.completed",
            "RECORDOPERATION.Completed",
            "recordOperation.*",
            "*.COMPLETED",
            "*",
            "**",
            "record*.comp*ed",
            "*recordOperation.completed*",
            "r*.*d",
        ] {
            assert!(choice(&[good]).admits(kind), "{good}");
        }
        for bad in ["recordOperation", "recordOperation.*x", "x*", "*complete", "recordOperation.?ompleted", "*.*.*"] {
            assert!(!choice(&[bad]).admits(kind), "{bad}");
        }
        assert!(choice(&["x.y", "*.completed"]).admits(kind) && !choice(&["x.y", "*.failed"]).admits(kind));
    }

    #[test]
    fn the_parts_of_a_pattern_do_not_overlap_in_the_text() {
        let kind = EventKind::parse("aba.b");
        assert!(choice(&["ab*a.b"]).admits(kind) && choice(&["aba*.b"]).admits(kind));
        assert!(!choice(&["aba*a.b"]).admits(kind) && !choice(&["a*aba.b"]).admits(kind));
    }

    #[test]
    fn an_operator_event_is_named_only_by_a_pattern_that_begins_as_its_type() {
        let named = |pattern| choice(&[pattern]).names(OperatorEvent::SinkPaused);
        for good in ["reelhook.sink.paused", "Reelhook.*", "reelhook*", "reelhook.sink.*"] {
            assert!(named(good), "{good}");
        }
        for bad in ["*", "*.paused", "reelhook.disk.*", "reel*"] {
            assert!(!named(bad), "{bad}");
        }
        assert!(!choice(&[]).names(OperatorEvent::DiskLow));
    }

    #[test]
    fn without_a_pattern_every_event_is_chosen() {
        assert!(choice(&[]).admits(EventKind::parse("call.updated")) && choice(&[]).is_any());
    }

    proptest::proptest! {
        #[test]
        fn it_matches_as_a_regular_expression_does(pattern in "[ab*.]{0,6}", text in "[ab]{0,3}\\.[ab]{0,3}") {
            let expected = regex::Regex::new(&format!("^{}$", regex::escape(&pattern).replace("\\*", ".*"))).unwrap();
            let found = choice(&[&pattern]).admits(EventKind::parse(&text));
            proptest::prop_assert_eq!(found, expected.is_match(&text), "{} {}", pattern, text);
        }
    }
}
