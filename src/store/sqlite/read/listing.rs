//! Pages of operations: an OData query becomes one SQL query for the row numbers; then each row is read by its number.
//!
//! SQLite knows nothing about the values in the columns, so it guesses where several indexes fit. A filter that names
//! an operation, its call or its client context matches few rows: those are looked up, and a unary `+` keeps SQLite
//! from using the other indexes (<https://sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_>).
//!
//! **Invariants**
//! 1. Text from outside is bound as a parameter, never part of a query.
//! 2. Only the contents of the page's rows are opened.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::operation;
use crate::domain::{GraphId, Operation};
use crate::odata::{Column, Filter, Property, SqlValue};
use crate::store::decisions::columns::column;
use crate::store::hashes::operation_lookup;
use crate::store::operations::Question;
use crate::store::seal::Seal;

/// The row number of an operation, for an order.
const ROW: &str = "o.seq";
/// The operations of an id, from Graph or from an expectation.
const BY_ID: &str = "o.seq IN (SELECT target FROM lookups WHERE hash = ?)";
/// The operations of a call, through the index on the start of its id.
const BY_CALL: &str = "o.seq IN (SELECT seq FROM operations INDEXED BY operations_by_call \
                       WHERE call_id <> '' AND substr(call_id, 1, 8) = substr(?, 1, 8) AND call_id = ?)";

/// The newest operations.
const AMONG_NEWEST: &str = "o.seq IN (SELECT seq FROM operations ORDER BY created_at DESC LIMIT ?)";
/// The text in a client context, in lower case: SQLite's `lower` changes ASCII letters only.
const INSIDE: &str = "instr(lower(o.client_context), ?) > 0";

/// A query that is being built: its text, and the values of its `?` in order.
pub struct Search {
    sql: String,
    values: Vec<Value>,
    column: Column,
}

impl Search {
    /// Counts the matches.
    pub fn count(call_id: Option<&GraphId>, filter: Option<&Filter>) -> Self {
        Self::new("count(*)", call_id, filter)
    }

    /// Reads the row numbers of a page.
    pub fn page(question: &Question<'_>) -> Self {
        let mut search = Self::new(ROW, question.call_id, question.filter);
        let named = (search.column, ROW);
        if let Some(inside) = question.inside {
            let n_newest = i64::try_from(inside.n_newest).unwrap_or(i64::MAX);
            search.and((AMONG_NEWEST.to_owned(), vec![SqlValue::Integer(n_newest)]));
            search.and((INSIDE.to_owned(), vec![SqlValue::Text(inside.text.to_ascii_lowercase())]));
        }
        if let Some(cursor) = question.after {
            search.and(question.order.after_sql(cursor, named));
        }
        search.sql.push_str(" ORDER BY ");
        search.sql.push_str(&question.order.to_sql(named));
        search.sql.push_str(" LIMIT ?");
        search.values.push(Value::Integer(i64::try_from(question.limit).unwrap_or(i64::MAX)));
        search
    }

    fn new(what: &str, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Self {
        let sql = format!("SELECT {what} FROM operations o WHERE 1");
        let demanded = |property| filter.and_then(|filter| filter.demands(property));
        let mut search = Self { sql, values: Vec::new(), column };
        if demanded(Property::ClientContext).is_some() {
            search.column = column_beside_context;
        } else if demanded(Property::ExpectationState).is_some() {
            search.column = column_beside_state;
        }
        let calls = call_id.map(GraphId::as_str).into_iter().chain(demanded(Property::CallId));
        for call in calls {
            let call = || SqlValue::Text(call.to_owned());
            search.narrow((BY_CALL.to_owned(), vec![call(), call()]));
        }
        if let Some(id) = demanded(Property::Id) {
            search.narrow((BY_ID.to_owned(), vec![SqlValue::Integer(operation_lookup(id))]));
        }
        if let Some(filter) = filter {
            search.and(filter.to_sql(search.column));
        }
        search
    }

    /// Limits the search to few rows.
    fn narrow(&mut self, condition: (String, Vec<SqlValue>)) {
        self.column = column_without_index;
        self.and(condition);
    }

    fn and(&mut self, (condition, values): (String, Vec<SqlValue>)) {
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition);
        self.values.extend(values.into_iter().map(|value| match value {
            SqlValue::Text(text) => Value::Text(text),
            SqlValue::Integer(number) => Value::Integer(number),
        }));
    }

    fn numbers(self, connection: &Connection) -> rusqlite::Result<Vec<i64>> {
        // Not cached, because each filter is another text.
        connection.prepare(&self.sql)?.query_map(params_from_iter(self.values), |row| row.get(0))?.collect()
    }
}

/// How many operations match.
pub fn count(connection: &Connection, search: Search) -> rusqlite::Result<u64> {
    Ok(search.numbers(connection)?.first().copied().unwrap_or_default().cast_unsigned())
}

/// The operations of a page, without tokens.
pub fn page(connection: &Connection, seal: &Seal, search: Search) -> rusqlite::Result<Vec<Operation>> {
    let numbers = search.numbers(connection)?;
    let found = numbers.into_iter().map(|number| operation::one(connection, seal, number));
    let mut operations: Vec<Operation> = found.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    operations.iter_mut().for_each(|operation| operation.recording_access_token = None);
    Ok(operations)
}

/// The newest operation that has the id, or whose expectation has it.
pub fn get(
    connection: &Connection,
    seal: &Seal,
    (id, call_id): (&GraphId, Option<&GraphId>),
) -> rusqlite::Result<Option<Operation>> {
    let sql = "SELECT o.seq FROM lookups l JOIN operations o ON o.seq = l.target \
               LEFT JOIN expectations x ON x.operation = o.seq \
               WHERE l.hash = ?1 AND (o.id = ?2 OR x.id = ?2) AND (?3 IS NULL OR o.call_id = ?3) \
               ORDER BY o.seq DESC LIMIT 1";
    let values = params![operation_lookup(id.as_str()), id.as_str(), call_id.map(GraphId::as_str)];
    let found: Option<i64> = connection.prepare_cached(sql)?.query_row(values, |row| row.get(0)).optional()?;
    found.map_or(Ok(None), |number| operation::one(connection, seal, number))
}

/// A client context matches few operations, a status many.
fn column_beside_context(property: Property) -> &'static str {
    match property {
        Property::Status => "+o.status",
        Property::ExpectationState => "+o.expectation",
        other => column(other),
    }
}

/// An operation is seldom expected; of its states, some match few.
fn column_beside_state(property: Property) -> &'static str {
    match property {
        Property::Status => "+o.status",
        other => column(other),
    }
}

fn column_without_index(property: Property) -> &'static str {
    match property {
        Property::ClientContext => "+o.client_context",
        Property::Status => "+o.status",
        Property::CreatedAt => "+o.created_at",
        Property::ExpectationState => "+o.expectation",
        other => column(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::odata::{OrderBy, Subject};
    use crate::store::sqlite::engine::schema;
    use rusqlite::StatementStatus;

    const N: i64 = 20_000;
    /// What a page of 50 may cost, in SQLite's instructions.
    const CHEAP: i32 = 4_000;

    /// Many operations: one in four runs, 2 have the same call, 20 the client context `c-7`.
    fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        let stable = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
        connection.set_db_config(stable, true).unwrap();
        schema::migrate(&mut connection).unwrap();
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1) \
                   INSERT INTO operations (seq, id, call_id, client_context, status, is_terminal, created_at, modified_at) \
                   SELECT x, 'op-' || x, printf('%08x-call', x / 2), 'c-' || (x % (?1 / 20)), \
                   CASE x % 4 WHEN 0 THEN 'running' ELSE 'completed' END, x % 4 > 0, x * 1000, x FROM n";
        connection.execute(sql, [N]).unwrap();
        // One in 20 was announced; of these one in 20 is lost.
        let sql = "INSERT INTO expectations (operation, id, state, sinks) SELECT seq, 'x-' || seq, \
                   CASE seq % 400 WHEN 8 THEN 'lost' ELSE 'met' END, '[]' FROM operations WHERE seq % 20 = 8";
        connection.execute(sql, []).unwrap();
        connection
            .execute("INSERT INTO lookups_recent (hash, target) VALUES (?1, 77)", [operation_lookup("op-77")])
            .unwrap();
        connection
    }

    struct Asked {
        rows: Vec<i64>,
        n_instructions: i32,
        plan: String,
    }

    fn ask(connection: &Connection, question: &Question<'_>) -> Asked {
        let search = Search::page(question);
        let plan = format!("EXPLAIN QUERY PLAN {}", search.sql);
        let mut plan = connection.prepare(&plan).unwrap();
        let plan = plan.query_map(params_from_iter(&search.values), |row| row.get::<_, String>(3)).unwrap();
        let plan = plan.collect::<Result<Vec<_>, _>>().unwrap().join("; ");
        let mut statement = connection.prepare(&search.sql).unwrap();
        let rows = statement.query_map(params_from_iter(&search.values), |row| row.get(0)).unwrap();
        let rows = rows.collect::<Result<_, _>>().unwrap();
        Asked { rows, n_instructions: statement.get_status(StatementStatus::VmStep), plan }
    }

    #[test]
    fn a_page_costs_the_same_wherever_it_begins() {
        let connection = database();
        for (filter, order, index) in [
            ("", "createdDateTime desc", "operations_by_creation"),
            ("", "createdDateTime", "operations_by_creation"),
            ("createdDateTime ge 1970-01-01T00:00:01Z", "createdDateTime desc", "operations_by_creation"),
            ("status eq 'running'", "createdDateTime desc", "operations_by_status"),
            ("status eq 'running'", "createdDateTime", "operations_by_status"),
            ("clientContext eq 'c-8'", "createdDateTime desc", "operations_by_context"),
            ("expectation/state eq 'lost'", "createdDateTime desc", "operations_by_expectation"),
            ("expectation/state eq 'lost'", "createdDateTime", "operations_by_expectation"),
            ("status eq 'running' and expectation/state eq 'lost'", "createdDateTime", "operations_by_expectation"),
            ("expectation/state eq 'lost' and clientContext eq 'c-8'", "createdDateTime", "operations_by_context"),
            ("status eq 'running' and clientContext eq 'c-8'", "createdDateTime desc", "operations_by_context"),
            ("clientContext eq 'c-8' and not (status eq 'failed')", "createdDateTime", "operations_by_context"),
        ] {
            let order = OrderBy::parse(order).unwrap();
            let filter = (!filter.is_empty()).then(|| Filter::parse(filter).unwrap());
            let middle = Subject { created_at: jiff::Timestamp::from_microsecond(N * 500).ok(), ..Subject::default() };
            let cursor = order.cursor(&middle, N / 2);
            for after in [None, Some(&cursor)] {
                let question = Question { filter: filter.as_ref(), after, ..Question::first(&order, 50) };
                let asked = ask(&connection, &question);
                let plan = &asked.plan;
                assert!(plan.contains(index) && !plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
                assert!(asked.n_instructions < CHEAP, "{filter:?}: {} instructions, {plan}", asked.n_instructions);
                assert!(!asked.rows.is_empty());
            }
        }
    }

    #[test]
    fn what_names_few_operations_looks_at_few() {
        let connection = database();
        let call = GraphId::new("00000026-call").unwrap();
        let cursor =
            OrderBy::default().cursor(&Subject { created_at: Some(jiff::Timestamp::MAX), ..Subject::default() }, N);
        for (call_id, filter, expected) in [
            (None, "id eq 'op-77'", vec![77]),
            (None, "id eq 'op-77' and status eq 'completed' and clientContext eq 'c-77'", vec![77]),
            (None, "id eq 'op-77' and clientContext eq 'another'", vec![]),
            (None, "callId eq '00000026-call'", vec![77, 76]),
            (Some(&call), "status eq 'running'", vec![76]),
            (Some(&call), "createdDateTime gt 1970-01-01T00:00:00Z", vec![77, 76]),
            (Some(&call), "callId eq 'another'", vec![]),
        ] {
            let filter = Filter::parse(filter).unwrap();
            for after in [None, Some(&cursor)] {
                let order = &OrderBy::default();
                let question = Question { call_id, filter: Some(&filter), after, ..Question::first(order, 50) };
                let asked = ask(&connection, &question);
                assert_eq!(asked.rows, expected, "{filter}");
                assert!(
                    asked.n_instructions < CHEAP,
                    "{filter}: {} instructions, {}",
                    asked.n_instructions,
                    asked.plan
                );
            }
        }
    }
}
