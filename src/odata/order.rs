//! `$orderby`, and the place in an order where a page ends.
//!
//! Rows with equal keys are ordered by their row number, in the direction of the last key. So no two rows are equal,
//! and new or removed rows do not move the place where a page ended. As in SQLite, missing values come first in
//! ascending order and last in descending order.
//!
//! **Invariants**
//! 1. An order has one to [`MAX_KEYS`] keys. Each occurs once, and a store can have an index on each.
//! 2. Only properties of a closed set become SQL. The values of a cursor are bound parameters.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::property::{Property, Subject, names};
use super::sql::{Column, Condition, Dialect, SqlValue};
use crate::wording::untrusted_text::cut;

/// The most keys of an order.
const MAX_KEYS: usize = 3;

/// The properties that an order can use.
const SORTABLE: [Property; 4] = [Property::CreatedAt, Property::ModifiedAt, Property::ClientContext, Property::Status];

/// An order of operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderBy {
    keys: Vec<Key>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    property: Property,
    is_descending: bool,
}

/// A row's place in an order: the values of its keys, and its number. It is valid only for that order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    #[serde(rename = "k")]
    keys: Vec<Option<SqlValue>>,
    #[serde(rename = "r")]
    row: i64,
}

/// Why an order cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected {expected}")]
pub struct OrderError {
    /// The wrong part.
    pub found: String,
    /// What was expected.
    pub expected: String,
}

impl Default for OrderBy {
    /// Newest first.
    fn default() -> Self {
        Self { keys: vec![Key { property: Property::CreatedAt, is_descending: true }] }
    }
}

impl OrderBy {
    /// Reads `createdDateTime desc,clientContext`; `asc` may be left out.
    ///
    /// # Errors
    /// A property is unknown, cannot be used in an order or occurs twice; a direction is wrong; or there are too many
    /// keys.
    pub fn parse(text: &str) -> Result<Self, OrderError> {
        let mut keys: Vec<Key> = Vec::new();
        for part in text.split(',') {
            let key = Key::parse(part)?;
            if keys.iter().any(|known| known.property == key.property) {
                return Err(error(part, "each property once"));
            }
            if keys.len() == MAX_KEYS {
                return Err(error(part, format!("at most {MAX_KEYS} properties")));
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }

    /// The text after `ORDER BY`; `row` is the column of the row number.
    pub fn to_sql(&self, named: (Column, &'static str)) -> String {
        self.to_sql_in(Dialect::Sqlite, named)
    }

    /// The same for another database.
    pub fn to_sql_in(&self, dialect: Dialect, (column, row): (Column, &'static str)) -> String {
        let mut sql = String::new();
        for key in &self.keys {
            sql.push_str(column(key.property));
            sql.push_str(match (key.is_descending, dialect == Dialect::Postgres && key.may_be_absent()) {
                (false, false) => ", ",
                (true, false) => " DESC, ",
                (false, true) => " NULLS FIRST, ",
                (true, true) => " DESC NULLS LAST, ",
            });
        }
        sql.push_str(row);
        sql.push_str(if self.ends_descending() { " DESC" } else { "" });
        sql
    }

    /// The place of an operation in this order.
    pub fn cursor(&self, subject: &Subject<'_>, row: i64) -> Cursor {
        let keys = self.keys.iter().map(|key| subject.value(key.property).map(SqlValue::from));
        Cursor { keys: keys.collect(), row }
    }

    /// Compares two places in this order. The result is that of [`Self::to_sql`], for rows in memory.
    pub fn compare(&self, a: &Cursor, b: &Cursor) -> Ordering {
        let directed = |ordering: Ordering, is_descending| if is_descending { ordering.reverse() } else { ordering };
        let values = a.keys.iter().zip(&b.keys).zip(&self.keys);
        let by_keys = values.map(|((a, b), key)| directed(a.cmp(b), key.is_descending));
        let by_row = directed(a.row.cmp(&b.row), self.ends_descending());
        by_keys.fold(Ordering::Equal, Ordering::then).then(by_row)
    }

    /// The condition of the rows after a place in this order, for a `WHERE`, and the values of its `?` in order. It may
    /// be NULL for rows that do not match.
    ///
    /// The first part limits only the first key, so that an index on this key is entered where the page begins. If that
    /// key is a descending `clientContext`, or its value is missing in the cursor, there is no such limit.
    pub fn after_sql(&self, cursor: &Cursor, named: (Column, &'static str)) -> (String, Vec<SqlValue>) {
        self.after_sql_in(Dialect::Sqlite, cursor, named)
    }

    /// The same for another database.
    pub fn after_sql_in(
        &self,
        dialect: Dialect,
        cursor: &Cursor,
        (column, row): (Column, &'static str),
    ) -> (String, Vec<SqlValue>) {
        let mut sql = Condition::new((dialect, column));
        let keys: Vec<(&Key, Option<&SqlValue>)> =
            self.keys.iter().zip(cursor.keys.iter().map(Option::as_ref)).collect();
        if let Some((key, Some(value))) = keys.first()
            && !(key.is_descending && key.may_be_absent())
        {
            sql.column(key.property, if key.is_descending { " <= " } else { " >= " });
            sql.bind((*value).clone());
            sql.push(" AND ");
        }
        for (key, value) in &keys {
            sql.push("(");
            sql.beyond(key, *value);
            sql.push(" OR ");
            sql.level(key, *value);
            sql.push(" AND ");
        }
        sql.push(row);
        sql.push(if self.ends_descending() { " < " } else { " > " });
        sql.bind(SqlValue::Integer(cursor.row));
        sql.push(&")".repeat(keys.len()));
        sql.finish()
    }

    fn ends_descending(&self) -> bool {
        self.keys.last().is_some_and(|key| key.is_descending)
    }
}

impl Key {
    fn parse(part: &str) -> Result<Self, OrderError> {
        let mut words = part.split([' ', '\t']).filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        let property = SORTABLE.into_iter().find(|property| property.name() == name);
        let property = property.ok_or_else(|| error(part, format!("one of {}", names(SORTABLE))))?;
        let is_descending = match (words.next(), words.next()) {
            (None | Some("asc"), None) => false,
            (Some("desc"), None) => true,
            _ => return Err(error(part, "asc or desc after the property")),
        };
        Ok(Self { property, is_descending })
    }

    /// Every operation has the other properties.
    fn may_be_absent(&self) -> bool {
        self.property == Property::ClientContext
    }
}

impl Condition {
    /// The condition that the key sorts a row after `value`.
    fn beyond(&mut self, key: &Key, value: Option<&SqlValue>) {
        match (key.is_descending, value) {
            (false, None) => self.column(key.property, " IS NOT NULL"),
            (true, None) => self.constant(false),
            (false, Some(value)) => {
                self.column(key.property, " > ");
                self.bind(value.clone());
            }
            (true, Some(value)) => {
                self.push("(");
                self.column(key.property, " < ");
                self.bind(value.clone());
                if key.may_be_absent() {
                    self.push(" OR ");
                    self.column(key.property, " IS NULL");
                }
                self.push(")");
            }
        }
    }

    /// The condition that the key of a row equals `value`.
    fn level(&mut self, key: &Key, value: Option<&SqlValue>) {
        match value {
            None => self.column(key.property, " IS NULL"),
            Some(value) => {
                self.column(key.property, " = ");
                self.bind(value.clone());
            }
        }
    }
}

fn error(part: &str, expected: impl Into<String>) -> OrderError {
    // The sender of a long text knows the rest of it.
    OrderError { found: cut(part.trim(), 40).to_owned(), expected: expected.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str) -> String {
        OrderBy::parse(text).unwrap().to_sql((Property::name, "seq"))
    }

    #[test]
    fn an_order_ends_with_the_row_number() {
        assert_eq!(OrderBy::default().to_sql((Property::name, "seq")), "createdDateTime DESC, seq DESC");
        assert_eq!(sql("status desc , createdDateTime asc"), "status DESC, createdDateTime, seq");
        assert_eq!(sql("clientContext"), "clientContext, seq");
    }

    #[test]
    fn a_wrong_order_is_refused_with_what_was_expected() {
        let known = "createdDateTime, lastModifiedDateTime, clientContext, status";
        for (text, expected) in [
            ("", format!(r#"found "", expected one of {known}"#)),
            ("status,", format!(r#"found "", expected one of {known}"#)),
            ("recordingLocation desc", format!(r#"found "recordingLocation desc", expected one of {known}"#)),
            ("(select 1)", format!(r#"found "(select 1)", expected one of {known}"#)),
            ("status DESC", r#"found "status DESC", expected asc or desc after the property"#.into()),
            ("status desc asc", r#"found "status desc asc", expected asc or desc after the property"#.into()),
            ("status,status desc", r#"found "status desc", expected each property once"#.into()),
            (
                "status,createdDateTime,clientContext,lastModifiedDateTime",
                r#"found "lastModifiedDateTime", expected at most 3 properties"#.into(),
            ),
        ] {
            assert_eq!(OrderBy::parse(text).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn the_rows_after_a_place_are_bounded_by_the_first_key() {
        let order = OrderBy::parse("status,clientContext desc").unwrap();
        let subject = Subject { status: Some("failed"), client_context: Some("x"), ..Subject::default() };
        let (sql, values) = order.after_sql(&order.cursor(&subject, 7), (Property::name, "seq"));
        let expected = "status >= ? AND (status > ? OR status = ? AND \
                        ((clientContext < ? OR clientContext IS NULL) OR clientContext = ? AND seq < ?))";
        assert_eq!(sql, expected);
        let text = |text: &str| SqlValue::Text(text.into());
        let failed = || text("failed");
        assert_eq!(values, [failed(), failed(), failed(), text("x"), text("x"), SqlValue::Integer(7)]);
    }
}
