//! Checks a filter against one operation in memory.

use super::expression::{Comparison, Expression, Function, Literal};
use crate::odata::property::{Property, Subject, Value};

impl Expression {
    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::And(members) => members.iter().all(|member| member.matches(subject)),
            Self::Or(members) => members.iter().any(|member| member.matches(subject)),
            Self::Not(inner) => !inner.matches(subject),
            Self::Compare(property, comparison, operand) => {
                comparison.holds(subject.value(*property), operand.as_ref().map(Literal::value))
            }
            Self::In(property, operands) => {
                let value = subject.value(*property);
                operands.iter().any(|operand| operand.as_ref().map(Literal::value) == value)
            }
            Self::Call(function, property, text) => match subject.value(*property) {
                Some(Value::Text(value)) => function.holds(value, text),
                _ => false,
            },
        }
    }

    pub(super) fn demands(&self, property: Property) -> Option<&str> {
        match self {
            Self::And(members) => members.iter().find_map(|member| member.demands(property)),
            Self::Compare(named, Comparison::Equal, Some(Literal::Text(text))) if *named == property => Some(text),
            _ => None,
        }
    }
}

impl Comparison {
    fn holds(self, value: Option<Value<'_>>, operand: Option<Value<'_>>) -> bool {
        match (self, value.zip(operand)) {
            (Self::Equal, _) => value == operand,
            (Self::NotEqual, _) => value != operand,
            (_, None) => false,
            (Self::Greater, Some((value, operand))) => value > operand,
            (Self::GreaterOrEqual, Some((value, operand))) => value >= operand,
            (Self::Less, Some((value, operand))) => value < operand,
            (Self::LessOrEqual, Some((value, operand))) => value <= operand,
        }
    }
}

impl Function {
    fn holds(self, value: &str, text: &str) -> bool {
        match self {
            Self::StartsWith => value.starts_with(text),
            Self::EndsWith => value.ends_with(text),
            Self::Contains => value.contains(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::odata::{Filter, Property, Subject};

    fn accepts(filter: &str) -> bool {
        let subject = Subject {
            client_context: Some("ivr-7"),
            status: Some("completed"),
            result_code: Some(200),
            created_at: "2026-01-31T12:00:00.1234567Z".parse().ok(),
            call_id: Some(""),
            ..Subject::default()
        };
        Filter::parse(filter).unwrap().matches(&subject)
    }

    #[test]
    fn a_filter_says_what_it_says() {
        for filter in [
            "clientContext eq 'ivr-7' and status eq 'Completed'",
            "startsWith(clientContext,'ivr-') and endsWith(clientContext,'7') and contains(clientContext,'r-')",
            "resultInfo/code ge 200 and resultInfo/code lt 300",
            "createdDateTime eq 2026-01-31T14:00:00.1234569+02:00",
            "status in ('failed','completed')",
            "clientContext gt 'ivr-69' and clientContext lt 'ivr-70'",
        ] {
            assert!(accepts(filter), "{filter}");
            assert!(!accepts(&format!("not ({filter})")), "{filter}");
        }
        assert!(!accepts("clientContext eq 'IVR-7' or startsWith(status,'COMP')"));
    }

    #[test]
    fn null_is_asked_for_and_otherwise_meets_nothing() {
        for filter in [
            "completionReason eq null and callId eq null and clientContext ne null",
            "completionReason ne 'x'",
            "not (completionReason gt 'x') and not (completionReason le 'x')",
            "not (clientContext ge null) and not (completionReason ge null) and not contains(completionReason,'')",
            "completionReason in ('x',null)",
        ] {
            assert!(accepts(filter), "{filter}");
        }
    }

    #[test]
    fn only_what_each_match_must_have_is_demanded() {
        let demands = |filter: &str| Filter::parse(filter).unwrap().demands(Property::ClientContext).map(str::to_owned);
        for filter in ["clientContext eq 'x'", "status ne 'failed' and (resultInfo/code eq 1 and clientContext eq 'x')"]
        {
            assert_eq!(demands(filter).as_deref(), Some("x"), "{filter}");
        }
        for filter in [
            "status eq 'x'",
            "clientContext ne 'x'",
            "clientContext eq null",
            "not (clientContext eq 'x')",
            "clientContext eq 'x' or status eq 'failed'",
        ] {
            assert_eq!(demands(filter), None, "{filter}");
        }
    }
}
