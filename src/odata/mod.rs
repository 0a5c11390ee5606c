//! OData query options: from the text of a query string to typed values, and on to what a store can run.
//!
//! [`Query::parse`] reads a whole query string. What it holds is typed: a [`Filter`] over a closed set of properties,
//! an [`OrderBy`], a [`Select`]. A filter is asked in two ways that agree: [`Filter::matches`] judges one [`Subject`]
//! in memory, [`Filter::to_sql`] is the same question for SQLite. Pages are cut by keyset: the [`Cursor`] of a page's
//! last row goes out in a token of [`SkipTokens`] and comes back as a condition.
//!
//! **Invariants**
//! 1. No text from outside becomes SQL: properties are a closed set, each literal is a bound parameter.
//! 2. What is read is bounded: in bytes, nesting, conditions and members. Nothing here recurses deeper than the bounds.
//! 3. Logic is two-valued, in memory and in SQL alike: where a value is missing a condition is still true or false.

mod filter;
mod order;
mod property;
mod query;
mod select;
mod skiptoken;
mod sql;

#[cfg(test)]
mod tests;

pub use filter::{Filter, FilterError, quoted};
pub use order::{Cursor, OrderBy, OrderError};
pub use property::{Property, Subject};
pub use query::{MAX_TOP, Query, QueryError};
pub use select::{Select, SelectError};
pub use skiptoken::{SkipTokenError, SkipTokens};
pub use sql::{Column, SqlValue};
