//! A filter over random operations: what it accepts, what its SQL finds, what its text says.

use proptest::prelude::*;

use super::{
    Operation, TEXTS, any_instant, any_number, any_operation, any_text, column, database, found, instant, plan,
};
use crate::odata::filter::{Comparison, Expression, Filter, Function, Literal};
use crate::odata::{Property, Subject};

const NUMBERS: [Property; 2] = [Property::ResultCode, Property::ResultSubcode];
const INSTANTS: [Property; 2] = [Property::CreatedAt, Property::ModifiedAt];

fn any_operand() -> impl Strategy<Value = (Property, Option<Literal>)> {
    let text = (prop::sample::select(TEXTS.to_vec()), any_text())
        .prop_map(|(property, text)| (property, Literal::Text(property.normalised(text))));
    let number = (prop::sample::select(NUMBERS.to_vec()), any_number().prop_map(Literal::Integer));
    let at = any_instant().prop_map(|at| Literal::Instant(instant(at)));
    let at = (prop::sample::select(INSTANTS.to_vec()), at);
    let literal = prop_oneof![3 => text, 1 => number, 1 => at];
    (literal, prop::bool::weighted(0.1))
        .prop_map(|((property, literal), is_null)| (property, Some(literal).filter(|_| !is_null)))
}

fn any_condition() -> impl Strategy<Value = Expression> {
    let comparison = (any_operand(), prop::sample::select(Comparison::ALL.to_vec()));
    let comparison =
        comparison.prop_map(|((property, operand), comparison)| Expression::Compare(property, comparison, operand));
    let list = prop::collection::vec(any_operand(), 1..8).prop_map(|operands| {
        let property = operands[0].0;
        let same = operands.into_iter().filter(|(other, _)| other.kind() == property.kind());
        let spelt = same.map(|(_, operand)| match operand {
            Some(Literal::Text(text)) => Some(Literal::Text(property.normalised(text))),
            other => other,
        });
        Expression::In(property, spelt.collect())
    });
    let call = (prop::sample::select(Function::ALL.to_vec()), prop::sample::select(TEXTS.to_vec()), any_text());
    let call = call.prop_map(|(function, property, text)| Expression::Call(function, property, text));
    prop_oneof![3 => comparison, 1 => list, 2 => call]
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let expression = any_condition().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    });
    expression.prop_map(Filter)
}

/// What a filter means, told once more in another way: each value as bytes that sort as the value does.
fn means(expression: &Expression, subject: &Subject<'_>) -> bool {
    match expression {
        Expression::And(members) => !members.iter().any(|member| !means(member, subject)),
        Expression::Or(members) => members.iter().filter(|member| means(member, subject)).count() > 0,
        Expression::Not(inner) => !means(inner, subject),
        Expression::Compare(property, comparison, operand) => {
            let (left, right) = (stored(subject, *property), operand.as_ref().map(bytes));
            match (left, right, comparison) {
                (None, None, comparison) => *comparison == Comparison::Equal,
                (None, Some(_), comparison) | (Some(_), None, comparison) => *comparison == Comparison::NotEqual,
                (Some(left), Some(right), Comparison::Equal) => left == right,
                (Some(left), Some(right), Comparison::NotEqual) => left != right,
                (Some(left), Some(right), Comparison::Greater) => left > right,
                (Some(left), Some(right), Comparison::GreaterOrEqual) => left >= right,
                (Some(left), Some(right), Comparison::Less) => left < right,
                (Some(left), Some(right), Comparison::LessOrEqual) => left <= right,
            }
        }
        Expression::In(property, operands) => operands
            .iter()
            .any(|operand| means(&Expression::Compare(*property, Comparison::Equal, operand.clone()), subject)),
        Expression::Call(function, property, text) => {
            let (Some(value), text) = (stored(subject, *property), text.as_bytes()) else { return false };
            match function {
                _ if text.is_empty() => true,
                Function::StartsWith => value.get(..text.len()) == Some(text),
                Function::EndsWith => value.iter().rev().take(text.len()).eq(text.iter().rev()),
                Function::Contains => value.windows(text.len()).any(|window| window == text),
            }
        }
    }
}

fn stored(subject: &Subject<'_>, property: Property) -> Option<Vec<u8>> {
    let text = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    match property {
        Property::ClientContext => text(subject.client_context),
        Property::Status => text(subject.status),
        Property::CompletionReason => text(subject.completion_reason),
        Property::Id => text(subject.id),
        Property::CallId => text(subject.call_id),
        Property::TenantId => text(subject.tenant_id),
        Property::ExpectationState => text(subject.expectation_state),
        Property::ResultCode => subject.result_code.map(sorted),
        Property::ResultSubcode => subject.result_subcode.map(sorted),
        Property::CreatedAt => subject.created_at.map(|at| sorted(at.as_microsecond())),
        Property::ModifiedAt => subject.modified_at.map(|at| sorted(at.as_microsecond())),
    }
}

fn bytes(literal: &Literal) -> Vec<u8> {
    match literal {
        Literal::Text(text) => text.as_bytes().to_vec(),
        Literal::Integer(number) => sorted(*number),
        Literal::Instant(at) => sorted(at.as_microsecond()),
    }
}

fn sorted(number: i64) -> Vec<u8> {
    (i128::from(number) - i128::from(i64::MIN)).to_be_bytes().to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_filter_accepts_and_finds_what_it_means(
        filters in prop::collection::vec(any_filter(), 4),
        operations in prop::collection::vec(any_operation(), 0..16),
    ) {
        let connection = database(&operations);
        for filter in filters {
            let accepted = |accepts: &dyn Fn(&Subject<'_>) -> bool| -> Vec<usize> {
                (0..operations.len()).filter(|seq| accepts(&operations[*seq].subject())).collect()
            };
            let meant = accepted(&|subject| means(&filter.0, subject));
            prop_assert_eq!(&accepted(&|subject| filter.matches(subject)), &meant, "{}", filter);

            let (sql, values) = filter.to_sql(column);
            prop_assert_eq!(sql.matches('?').count(), values.len());
            let select = format!("SELECT seq FROM operations WHERE {sql} ORDER BY seq");
            prop_assert_eq!(&found(&connection, &select, &values), &meant, "{}: {}", filter, sql);

            let not_two_valued = format!("SELECT seq FROM operations WHERE ({sql}) IS NULL");
            prop_assert_eq!(found(&connection, &not_two_valued, &values).len(), 0, "{}", sql);
        }
    }

    #[test]
    fn a_filter_reads_back_from_its_own_text(filter in any_filter()) {
        prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
    }

    #[test]
    fn reading_never_panics(text in prop_oneof![any::<String>(), "\\PC{0,60}"]) {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn words_in_any_order_never_panic_and_what_is_read_reads_back(
        words in prop::collection::vec(prop::sample::select(vec![
            "id", "eq", "'x'", "and", "or", "not", "(", ")", ",", "in", "null", "resultInfo/code", "-5",
            "createdDateTime", "2026-01-31T12:00:00Z", "contains", "'", "=", "é",
        ]), 0..12),
    ) {
        if let Ok(filter) = Filter::parse(&words.join(" ")) {
            prop_assert_eq!(Filter::parse(&filter.to_string()), Ok(filter));
        }
    }
}

#[test]
fn the_random_operations_and_filters_meet_often_enough() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let sample = (any_filter(), any_operation());
    let n_met = (0..1000).filter(|_| {
        let (filter, operation) = sample.new_tree(&mut runner).unwrap().current();
        filter.matches(&operation.subject())
    });
    let n_met = n_met.count();
    assert!((200..800).contains(&n_met), "{n_met} of 1000");
}

#[test]
fn a_value_that_is_empty_or_holds_a_nul_is_judged_like_any_other() {
    let mut operations = vec![Operation::default(); 3];
    operations[0].texts[0] = Some(String::new());
    operations[1].texts[0] = Some("a\0b".to_owned());
    let connection = database(&operations);
    for (filter, expected) in [
        ("endsWith(clientContext,'b')", &[1][..]),
        ("contains(clientContext,'b')", &[1]),
        ("startsWith(clientContext,'a\0')", &[1]),
        ("not endsWith(clientContext,'b')", &[0, 2]),
        ("not contains(clientContext,'b')", &[0, 2]),
        ("endsWith(clientContext,'')", &[0, 1]),
    ] {
        let (sql, values) = Filter::parse(filter).unwrap().to_sql(column);
        let select = format!("SELECT seq FROM operations WHERE {sql} ORDER BY seq");
        assert_eq!(found(&connection, &select, &values), expected, "{filter}");
    }
}

#[test]
fn what_is_asked_most_uses_an_index() {
    let connection = database(&[]);
    for (filter, expected) in [
        ("clientContext eq 'x'", "by_context (client_context=?)"),
        ("startsWith(clientContext,'x')", "by_context (client_context>? AND client_context<?)"),
        ("clientContext in ('x','y')", "by_context (client_context=?)"),
        ("status eq 'failed'", "by_status (status=?)"),
        ("status eq 'failed' and createdDateTime ge 2026-01-31T12:00:00Z", "by_status (status=? AND created_at>?)"),
        ("callId eq 'x'", "by_call (call_id=?)"),
        ("createdDateTime lt 2026-01-31T12:00:00Z", "by_age (created_at>? AND created_at<?)"),
    ] {
        let (sql, values) = Filter::parse(filter).unwrap().to_sql(column);
        let plan = plan(&connection, &format!("SELECT * FROM operations WHERE {sql}"), &values);
        assert!(plan.contains(expected), "{filter}: {plan}");
    }
}

#[test]
fn the_largest_filters_run() {
    let connection = database(&[]);
    let codes = vec!["1"; 100].join(",");
    for filter in [
        vec!["contains(id,'x')"; 199].join(" and "),
        vec![format!("resultInfo/code in ({codes})"); 30].join(" or "),
        format!("{}id eq 'x'{}", "not(".repeat(10), ")".repeat(10)),
        format!("{}id eq 'x'{}", "id eq 'y' and (id eq 'z' or (".repeat(10), "))".repeat(10)),
    ] {
        let (sql, values) = Filter::parse(&filter).unwrap().to_sql(column);
        let select = format!("SELECT seq FROM operations WHERE {sql}");
        assert_eq!(found(&connection, &select, &values), [0; 0]);
    }
}
