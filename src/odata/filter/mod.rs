//! `$filter`: its grammar and its meaning.
//!
//! Conditions are `property operator literal`, `property in (literal, ..)`, and `startsWith`, `endsWith`, `contains`
//! over text. They are joined by `and`, `or`, `not` and parentheses. Names of functions may have any case; everything
//! else must be written as here. The property is on the left.
//!
//! Null has the meaning of OData 4.01: `eq null` and `ne null` ask whether a value is missing; `ne` is the opposite of
//! `eq`; every other condition with a null side is false. `not` always turns true into false and false into true.
//!
//! Text is compared by code points, so case matters. Some operands are first brought into the spelling of the stored
//! values: a known `status` as Graph spells it, a GUID in `id` and `callId` in lower case with dashes, a `tenantId` in
//! lower case. The three functions use their text unchanged. Digits of an instant beyond microseconds are dropped,
//! because stores drop them.
//!
//! **Invariants**
//! 1. The types in a filter are checked when it is read: text is never compared with a number.
//! 2. Its size and depth are limited, see [`parser`].
//! 3. The text that `Display` writes reads back as the same filter.

mod expression;
mod lexer;
mod matches;
mod parser;
mod sql;

use std::fmt;

pub(super) use self::expression::Expression;
pub use self::expression::quoted;
#[cfg(test)]
pub(super) use self::expression::{Comparison, Function, Literal};
use super::property::{Property, Subject};
use super::sql::{Column, Dialect, SqlValue};

/// A filter that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(pub(super) Expression);

/// Where a filter stops making sense, and why. The text names what was found, shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("position {position}: found {found}, expected {expected}")]
pub struct FilterError {
    /// The character, from 1.
    pub position: usize,
    /// What stands there, in double quotes, or "the end".
    pub found: String,
    /// What could stand there.
    pub expected: String,
}

impl Filter {
    /// Reads a filter, decoded of its percent signs.
    ///
    /// # Errors
    /// It does not parse, compares what cannot be compared, or is beyond a limit: tell the caller where.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }

    /// Whether the filter accepts the operation.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.0.matches(subject)
    }

    /// The text that a property has in each operation that the filter accepts, where the filter says so outright: a store
    /// may look there alone.
    pub fn demands(&self, property: Property) -> Option<&str> {
        self.0.demands(property)
    }

    /// The same question for SQLite: a condition for `WHERE`, and the values of its `?` in order.
    ///
    /// It is 0 or 1, never NULL. `eq`, `in`, `startsWith` and the comparisons of order can use an index on the column.
    pub fn to_sql(&self, column: Column) -> (String, Vec<SqlValue>) {
        self.to_sql_in(Dialect::Sqlite, column)
    }

    /// The same for another database.
    pub fn to_sql_in(&self, dialect: Dialect, column: Column) -> (String, Vec<SqlValue>) {
        self.0.to_sql((dialect, column))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
