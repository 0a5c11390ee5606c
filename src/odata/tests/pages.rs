//! Paging by keyset over random operations and orders.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::{Operation, any_instant, any_text, column, database, found, plan};
use crate::odata::{OrderBy, Query, SkipTokens};

/// Operations as a store has them: only the client context may be absent. Few values, so that many tie.
fn any_stored() -> impl Strategy<Value = Operation> {
    let texts = (prop::option::weighted(0.7, any_text()), prop::sample::select(vec!["failed", "running", "x"]));
    (texts, [any_instant(), any_instant()]).prop_map(|((client_context, status), instants)| {
        let mut operation = Operation { instants: instants.map(Some), ..Operation::default() };
        operation.texts[0] = client_context;
        operation.texts[1] = Some(status.to_owned());
        operation
    })
}

fn any_order() -> impl Strategy<Value = String> {
    let names = vec!["createdDateTime", "lastModifiedDateTime", "clientContext", "status"];
    let names = prop::sample::subsequence(names, 1..=3).prop_shuffle();
    (names, prop::collection::vec(prop::sample::select(vec!["", " asc", " desc"]), 3)).prop_map(
        |(names, directions)| {
            let keys = names.iter().zip(directions).map(|(name, direction)| format!("{name}{direction}"));
            keys.collect::<Vec<_>>().join(",")
        },
    )
}

/// The rows in order, told once more: `None` is less than any value, and ties go by row in the last key's direction.
fn sorted(operations: &[Operation], order: &str) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..operations.len()).collect();
    rows.sort_by(|left, right| {
        let (a, b) = (&operations[*left], &operations[*right]);
        let mut ordering = Ordering::Equal;
        for key in order.split(',') {
            let ascending = match key.split(' ').next().unwrap() {
                "createdDateTime" => a.instants[0].cmp(&b.instants[0]),
                "lastModifiedDateTime" => a.instants[1].cmp(&b.instants[1]),
                "clientContext" => a.texts[0].cmp(&b.texts[0]),
                _ => a.texts[1].cmp(&b.texts[1]),
            };
            ordering = ordering.then(if key.ends_with(" desc") { ascending.reverse() } else { ascending });
        }
        ordering.then(if order.ends_with(" desc") { right.cmp(left) } else { left.cmp(right) })
    });
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn pages_hold_every_row_once_and_in_order(
        operations in prop::collection::vec(any_stored(), 0..24),
        order in any_order(),
        page in 1usize..6,
    ) {
        let connection = database(&operations);
        let tokens = SkipTokens::new(&[7; 32]);
        let first = Query::parse(&format!("$orderby={order}"), &[]).unwrap();
        let mut query_string = first.continued("").replace("&$skiptoken=", "");
        let mut rows: Vec<usize> = Vec::new();
        loop {
            let query = Query::parse(&query_string, &[]).unwrap();
            let (after, values) = match &query.skiptoken {
                None => ("1".to_owned(), Vec::new()),
                Some(token) => {
                    let cursor = tokens.open((&query, "/operations"), token).unwrap();
                    query.order.after_sql(&cursor, (column, "seq"))
                }
            };
            let by = query.order.to_sql((column, "seq"));
            let sql = format!("SELECT seq FROM operations WHERE {after} ORDER BY {by} LIMIT {page}");
            let found = found(&connection, &sql, &values);
            let Some(last) = found.last().copied() else { break };
            rows.extend(found);
            prop_assert!(rows.len() <= operations.len(), "{}: {:?}", sql, rows);
            let cursor = query.order.cursor(&operations[last].subject(), i64::try_from(last).unwrap());
            query_string = query.continued(&tokens.seal((&query, "/operations"), cursor));
        }
        let expected = sorted(&operations, &order);
        let cursor = |row: &usize| first.order.cursor(&operations[*row].subject(), i64::try_from(*row).unwrap());
        let is_before = |pair: &[usize]| first.order.compare(&cursor(&pair[0]), &cursor(&pair[1])) == Ordering::Less;
        prop_assert!(expected.windows(2).all(is_before), "in memory as in SQL");
        prop_assert_eq!(rows, expected);
    }
}

#[test]
fn a_page_is_entered_by_the_index_and_needs_no_sorting() {
    let operation = Operation {
        texts: [Some("x".into()), Some("failed".into()), None, None, None, None, None],
        instants: [Some(1), Some(2)],
        ..Operation::default()
    };
    let connection = database(&[]);
    for (order, filter, expected) in [
        ("createdDateTime desc", "1", "by_age (created_at<?)"),
        ("createdDateTime", "1", "by_age (created_at>?)"),
        ("clientContext", "1", "by_context (client_context>?)"),
        ("createdDateTime desc", "status = 'failed'", "by_status (status=? AND created_at<?)"),
    ] {
        let order = OrderBy::parse(order).unwrap();
        let (after, values) = order.after_sql(&order.cursor(&operation.subject(), 7), (column, "seq"));
        let by = order.to_sql((column, "seq"));
        let sql = format!("SELECT * FROM operations WHERE {filter} AND {after} ORDER BY {by} LIMIT 50");
        let plan = plan(&connection, &sql, &values);
        assert!(plan.contains(expected) && !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
    }
}
