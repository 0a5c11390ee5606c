//! `$filter`: what it may say, and what it means.
//!
//! Conditions are `property operator literal`, `property in (literal, ..)` and `startsWith`, `endsWith`, `contains`
//! over text; they are joined by `and`, `or`, `not` and parentheses. Names of functions are read in any case, all else
//! as it is written here. A property stands on the left.
//!
//! Null is OData 4.01's: `eq null` and `ne null` ask whether a value is there; `ne` is the opposite of `eq`; each other
//! condition is false where a side is null. `not` turns true into false and false into true, also then.
//!
//! Text is compared by its characters' code points, upper and lower case apart. Some operands are first brought into
//! the spelling that values have: a known `status` into Graph's, a GUID in `id` and `callId` into lower case with
//! dashes, a `tenantId` into lower case. The three functions take their text as it is. Digits of an instant beyond
//! microseconds are dropped, as stores drop them.
//!
//! **Invariants**
//! 1. A filter that was read is right in its types: no comparison of text with a number ever runs.
//! 2. Its size is bounded, see [`parser`], and so is its depth.
//! 3. Written out by `Display` it reads back as the same filter.

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
use super::sql::{Column, SqlValue};

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
        self.0.to_sql(column)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
