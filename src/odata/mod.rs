//! OData query options: from the text of a query string to typed values, and from these to SQL.
//!
//! [`Query::parse`] reads a whole query string into typed values: a [`Filter`] over a closed set of properties, an
//! [`OrderBy`], a [`Select`]. A filter works in two ways with the same result: [`Filter::matches`] checks one
//! [`Subject`] in memory, and [`Filter::to_sql`] is the same condition for SQLite. Pages continue after a row: the
//! [`Cursor`] of a page's last row goes to the client in a token of [`SkipTokens`], and comes back as a condition.
//!
//! **Invariants**
//! 1. No text from outside becomes SQL: properties are a closed set, and each literal is a bound parameter.
//! 2. Everything has a limit: bytes, nesting, conditions and members. No recursion is deeper than these limits.
//! 3. Logic has two values, in memory and in SQL: a condition on a missing value is still true or false.

mod context;
mod filter;
mod order;
mod property;
mod query;
mod select;
mod skiptoken;
mod sql;

#[cfg(test)]
mod tests;

pub use context::context;
pub use filter::{Filter, FilterError, quoted};
pub use order::{Cursor, OrderBy, OrderError};
pub use property::{Property, Subject};
pub use query::{MAX_TOP, Query, QueryError};
pub use select::{Select, SelectError};
pub use skiptoken::{SkipTokenError, SkipTokens};
pub use sql::{Column, Dialect, SqlValue};
