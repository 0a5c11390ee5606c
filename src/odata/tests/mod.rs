//! Filters and pages over random operations, against a database and against plain Rust.

mod filters;
mod pages;

use jiff::Timestamp;
use proptest::prelude::*;
use rusqlite::types::{FromSql, Value};
use rusqlite::{Connection, ToSql, params_from_iter};

use super::{Property, SqlValue, Subject};

/// An operation that owns its texts.
#[derive(Clone, Debug, Default)]
struct Operation {
    texts: [Option<String>; 7],
    numbers: [Option<i64>; 2],
    instants: [Option<i64>; 2],
}

/// In the order of [`Operation::texts`].
const TEXTS: [Property; 7] = [
    Property::ClientContext,
    Property::Status,
    Property::CompletionReason,
    Property::Id,
    Property::CallId,
    Property::TenantId,
    Property::ExpectationState,
];

impl Operation {
    fn subject(&self) -> Subject<'_> {
        let [client_context, status, completion_reason, id, call_id, tenant_id, expectation_state] =
            self.texts.each_ref().map(Option::as_deref);
        let [result_code, result_subcode] = self.numbers;
        let [created_at, modified_at] = self.instants.map(|at| at.map(instant));
        Subject {
            client_context,
            status,
            completion_reason,
            id,
            call_id,
            result_code,
            result_subcode,
            created_at,
            modified_at,
            tenant_id,
            expectation_state,
        }
    }
}

fn instant(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap()
}

fn column(property: Property) -> &'static str {
    match property {
        Property::ClientContext => "client_context",
        Property::Status => "status",
        Property::CompletionReason => "completion_reason",
        Property::Id => "id",
        Property::CallId => "call_id",
        Property::ResultCode => "result_code",
        Property::ResultSubcode => "result_subcode",
        Property::CreatedAt => "created_at",
        Property::ModifiedAt => "modified_at",
        Property::TenantId => "tenant_id",
        Property::ExpectationState => "expectation",
    }
}

/// A table of the operations; `seq` is the index.
fn database(operations: &[Operation]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let schema = "CREATE TABLE operations (seq INTEGER PRIMARY KEY, client_context TEXT, status TEXT, \
                  completion_reason TEXT, id TEXT, call_id TEXT NOT NULL, tenant_id TEXT, expectation TEXT, result_code INTEGER, \
                  result_subcode INTEGER, created_at INTEGER, modified_at INTEGER); \
                  CREATE INDEX by_context ON operations (client_context); \
                  CREATE INDEX by_status ON operations (status, created_at); \
                  CREATE INDEX by_call ON operations (call_id); \
                  CREATE INDEX by_age ON operations (created_at);";
    connection.execute_batch(schema).unwrap();
    let sql = "INSERT INTO operations VALUES (?, ?, ?, ?, ?, coalesce(?, ''), ?, ?, ?, ?, ?, ?)";
    let mut insert = connection.prepare(sql).unwrap();
    for (seq, operation) in (0i64..).zip(operations) {
        let mut values: Vec<&dyn ToSql> = vec![&seq];
        values.extend(operation.texts.iter().map(|text| text as &dyn ToSql));
        values.extend(operation.numbers.iter().chain(&operation.instants).map(|number| number as &dyn ToSql));
        insert.execute(values.as_slice()).unwrap();
    }
    drop(insert);
    connection
}

/// The row numbers that a query finds.
fn found(connection: &Connection, sql: &str, values: &[SqlValue]) -> Vec<usize> {
    let rows = column_of::<i64>(connection, sql, (values, 0));
    rows.into_iter().map(|seq| usize::try_from(seq).unwrap()).collect()
}

/// How SQLite would run it, in one text.
fn plan(connection: &Connection, sql: &str, values: &[SqlValue]) -> String {
    column_of::<String>(connection, &format!("EXPLAIN QUERY PLAN {sql}"), (values, 3)).join("; ")
}

fn column_of<T: FromSql>(connection: &Connection, sql: &str, (values, column): (&[SqlValue], usize)) -> Vec<T> {
    let values = values.iter().map(|value| match value {
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Integer(number) => Value::Integer(*number),
    });
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map(params_from_iter(values), |row| row.get(column)).unwrap();
    rows.collect::<Result<Vec<T>, _>>().unwrap()
}

/// Few and close to one another, so that conditions hold now and then: wildcards, quotes, the ends of Unicode.
fn any_text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "b",
        "A",
        "é",
        "'",
        "%",
        "_",
        "\0",
        "\u{7f}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{10ffff}",
        "?",
        " ",
        "\"",
    ]);
    prop_oneof![
        6 => prop::collection::vec(pieces, 0..4).prop_map(|pieces| pieces.concat()),
        1 => prop::sample::select(vec!["running", "Running", "COMPLETED", "completed"]).prop_map(Into::into),
        1 => Just("0FE0623FD62842EDB4BD8AC290072CC5".to_owned()),
        1 => any::<String>(),
    ]
}

fn any_number() -> impl Strategy<Value = i64> {
    prop_oneof![9 => -2i64..3, 1 => any::<i64>()]
}

/// Microseconds since 1970, within what a date-time can tell.
fn any_instant() -> impl Strategy<Value = i64> {
    prop_oneof![9 => -2i64..3, 1 => -377_000_000_000_000_000i64..253_000_000_000_000_000]
}

fn any_operation() -> impl Strategy<Value = Operation> {
    let texts = prop::array::uniform7(prop::option::weighted(0.8, any_text()));
    let numbers = prop::array::uniform2(prop::option::weighted(0.8, any_number()));
    let instants = prop::array::uniform2(prop::option::weighted(0.8, any_instant()));
    (texts, numbers, instants).prop_map(|(mut texts, numbers, instants)| {
        for (text, property) in texts.iter_mut().zip(TEXTS) {
            let spelt = text.take().map(|text| property.normalised(text));
            *text = spelt.filter(|text| property != Property::CallId || !text.is_empty());
        }
        Operation { texts, numbers, instants }
    })
}
