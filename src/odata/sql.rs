//! Filters and orders in SQL, without a connection to a database.

use serde::{Deserialize, Serialize};

use super::property::{Property, Value};

/// The column of a property. A missing value is NULL, except for `callId`, where it is the empty text. Instants are
/// integers in microseconds since 1970. Columns are compared byte by byte (SQLite's `BINARY`, PostgreSQL's `"C"`), and the
/// database is in UTF-8.
pub type Column = fn(Property) -> &'static str;

/// The database that a condition or an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL. The `?` are still to be numbered.
    Postgres,
}

/// The value of a `?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SqlValue {
    /// `TEXT`
    Text(String),
    /// `INTEGER`
    Integer(i64),
}

impl From<Value<'_>> for SqlValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Integer(number) => Self::Integer(number),
        }
    }
}

/// A condition that is being written: its text, and the values of its `?` in order.
pub(super) struct Condition {
    pub(super) column: Column,
    pub(super) dialect: Dialect,
    pub(super) text: String,
    pub(super) values: Vec<SqlValue>,
}

impl Condition {
    pub(super) fn new((dialect, column): (Dialect, Column)) -> Self {
        Self { column, dialect, text: String::new(), values: Vec::new() }
    }

    /// Adds `text` unchanged. Never call this with text from outside.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds what is true, or false, for every row.
    pub(super) fn constant(&mut self, is_true: bool) {
        self.push(match (self.dialect, is_true) {
            (Dialect::Sqlite, true) => "1",
            (Dialect::Sqlite, false) => "0",
            (Dialect::Postgres, true) => "true",
            (Dialect::Postgres, false) => "false",
        });
    }

    /// Adds the property's column, then `text`.
    pub(super) fn column(&mut self, property: Property, text: &str) {
        self.push((self.column)(property));
        self.push(text);
    }

    /// Adds a `?` for the value.
    pub(super) fn bind(&mut self, value: impl Into<SqlValue>) {
        self.push("?");
        self.values.push(value.into());
    }

    pub(super) fn finish(self) -> (String, Vec<SqlValue>) {
        (self.text, self.values)
    }
}
