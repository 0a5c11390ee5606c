//! Pages of operations: an OData query becomes one SQL query for the numbers; then the rows are read by their numbers.
//!
//! **Invariants**
//! 1. Text from outside is bound as a parameter, never part of a query.
//! 2. Only the contents of the page's rows are opened.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;

use super::operation;
use crate::domain::{GraphId, Operation};
use crate::odata::{Dialect, Filter, Property, SqlValue};
use crate::store::decisions::columns::column;
use crate::store::operations::Question;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get};
use crate::store::postgres::engine::{lookups, text};
use crate::store::seal::Seal;

/// The number of an operation, for an order.
const ROW: &str = "o.number";

/// A query that is being built: its text, and the values of its `$1`, `$2`, .. in order.
pub struct Search {
    sql: String,
    values: Vec<Box<dyn ToSql + Send + Sync>>,
}

impl Search {
    /// Counts the matches.
    pub fn count(call_id: Option<&GraphId>, filter: Option<&Filter>) -> Self {
        Self::new("count(*) AS number", call_id, filter)
    }

    /// Reads the numbers of a page.
    pub fn page(question: &Question<'_>) -> Self {
        let mut search = Self::new("o.number", question.call_id, question.filter);
        if let Some(inside) = question.inside {
            let newest = "o.number IN (SELECT number FROM operations ORDER BY created_at DESC, number DESC LIMIT ?)";
            search.and((newest.to_owned(), vec![SqlValue::Integer(sql::number(inside.n_newest))]));
            let inside = SqlValue::Text(inside.text.to_ascii_lowercase());
            search.and(("strpos(lower(o.client_context), ?) > 0".to_owned(), vec![inside]));
        }
        if let Some(cursor) = question.after {
            search.and(question.order.after_sql_in(Dialect::Postgres, cursor, (column, ROW)));
        }
        search.sql.push_str(" ORDER BY ");
        search.sql.push_str(&question.order.to_sql_in(Dialect::Postgres, (column, ROW)));
        search.push(" LIMIT ?", vec![SqlValue::Integer(sql::number(question.limit))]);
        search
    }

    fn new(what: &str, call_id: Option<&GraphId>, filter: Option<&Filter>) -> Self {
        let mut search = Self { sql: format!("SELECT {what} FROM operations o WHERE true"), values: Vec::new() };
        let demanded = |property| filter.and_then(|filter| filter.demands(property));
        let calls = call_id.map(GraphId::as_str).into_iter().chain(demanded(Property::CallId));
        for call in calls {
            let values = vec![SqlValue::Integer(lookups::of_call(call)), SqlValue::Text(call.to_owned())];
            search.and(("o.call_hash = ? AND o.call_id = ?".to_owned(), values));
        }
        for (property, condition, key) in [
            (Property::Id, "o.id_hash = ?", lookups::of_id as fn(&str) -> i64),
            (Property::ClientContext, "o.context_hash = ?", lookups::of_context),
        ] {
            if let Some(text) = demanded(property) {
                search.and((condition.to_owned(), vec![SqlValue::Integer(key(text))]));
            }
        }
        if let Some(filter) = filter {
            search.and(filter.to_sql_in(Dialect::Postgres, column));
        }
        search
    }

    fn and(&mut self, (condition, values): (String, Vec<SqlValue>)) {
        self.push(&format!(" AND ({condition})"), values);
    }

    /// Adds a text whose `?` have these values.
    fn push(&mut self, part: &str, values: Vec<SqlValue>) {
        let mut values = values.into_iter();
        for character in part.chars() {
            match (character, if character == '?' { values.next() } else { None }) {
                ('?', Some(value)) => {
                    self.values.push(match value {
                        SqlValue::Text(text) => Box::new(text::stored(&text).into_owned()),
                        SqlValue::Integer(number) => Box::new(number),
                    });
                    self.sql.push_str(&format!("${}", self.values.len()));
                }
                (other, _) => self.sql.push(other),
            }
        }
    }

    async fn numbers(self, client: &ClientWrapper) -> Result<Vec<i64>, Failure> {
        let values: Vec<&(dyn ToSql + Sync)> =
            self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
        // Not kept, because each filter is another text.
        let statement = client.prepare(&self.sql).await?;
        let rows = client.query(&statement, &values).await?;
        rows.iter().map(|row| get(row, "number")).collect()
    }
}

/// How many operations match.
pub async fn count(client: &ClientWrapper, search: Search) -> Result<u64, Failure> {
    Ok(search.numbers(client).await?.first().copied().unwrap_or_default().cast_unsigned())
}

/// The operations of a page, without tokens.
pub async fn page(client: &ClientWrapper, seal: &Seal, search: Search) -> Result<Vec<Operation>, Failure> {
    let numbers = search.numbers(client).await?;
    let mut operations = operation::some(client, seal, &numbers).await?;
    operations.iter_mut().for_each(|operation| operation.recording_access_token = None);
    Ok(operations)
}

/// The numbers of the operations that have an id, or whose expectation has it, oldest first.
pub async fn of_id(client: &ClientWrapper, id: &GraphId) -> Result<Vec<(i64, String)>, Failure> {
    let statement = "SELECT number, call_id FROM operations WHERE id_hash = $1 AND id = $2 \
                     UNION SELECT number, call_id FROM operations WHERE expectation_hash = $1 AND expectation_id = $2 \
                     ORDER BY number";
    let (hash, id) = (lookups::of_id(id.as_str()), text::stored(id.as_str()));
    let rows = sql::rows(client, statement, &[&hash, &id]).await?;
    rows.iter().map(|row| Ok((get(row, "number")?, sql::text(row, "call_id")?))).collect()
}

/// The newest operation that has the id, or whose expectation has it.
pub async fn get_one(
    client: &ClientWrapper,
    seal: &Seal,
    (id, call_id): (&GraphId, Option<&GraphId>),
) -> Result<Option<Operation>, Failure> {
    let found = of_id(client, id).await?;
    let is_of_call = |call: &str| call_id.is_none_or(|wanted| wanted.as_str() == call);
    match found.iter().rev().find(|(_, call)| is_of_call(call)) {
        Some((number, _)) => operation::one(client, seal, *number).await,
        None => Ok(None),
    }
}
