//! Looks at rows newest first, until a page is full or a limited number of rows was looked at.

use tokio_postgres::Row;

use crate::store::Counted;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{get, number};

/// The most rows that a page looks at, where each is looked at alone.
pub const MOST: i64 = 10_000;
/// The same, where each is looked at together with a row of another table, or is large.
pub const MOST_LARGE: i64 = 2_000;

/// What a walk met.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// The rows that are meant, newest first.
    pub rows: Vec<i64>,
    /// Older rows may be meant: the next walk begins before this row.
    pub next: Option<i64>,
}

/// Walks over rows of a number and whether it is meant, newest first, of which at most `most` were read, until `limit` are
/// met that are meant.
pub fn go(rows: &[Row], limit: usize, most: i64) -> Result<Walked, Failure> {
    let mut walked = Walked::default();
    for row in rows {
        if get(row, "is_meant")? {
            if walked.rows.len() == limit {
                walked.next = walked.rows.last().copied();
                return Ok(walked);
            }
            walked.rows.push(get(row, "number")?);
        }
    }
    if i64::try_from(rows.len()).is_ok_and(|n| n >= most) {
        walked.next = rows.last().map(|row| get(row, "number")).transpose()?;
    }
    Ok(walked)
}

/// A count of the rows that are meant (`n`) among those that were looked at (`n_looked`).
pub fn counted(row: Option<Row>, most: usize) -> Result<Counted, Failure> {
    let Some(row) = row else { return Ok(Counted::default()) };
    let n_looked: i64 = get(&row, "n_looked")?;
    Ok(Counted { n: get::<i64>(&row, "n")?.cast_unsigned(), is_all: n_looked < number(most) })
}
