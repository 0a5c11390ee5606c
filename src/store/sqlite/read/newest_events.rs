//! The newest events of an operation. Most operations have few events. Those of an operation that has many are in an index
//! of their own, all but the first ones.
//!
//! **Invariants**
//! 1. The work does not grow with the number of the operation's events.

use rusqlite::{Connection, params};

use super::views::{all, events};
use crate::store::seal::Seal;
use crate::store::{Counted, NewestEvents};

/// An operation that has had so many events has many.
pub const MANY: i64 = 200;
/// The most events of an operation that are counted, and the most that are looked at besides those in the index.
const MOST: i64 = 2_000;
/// Those in the index, newest first.
const LATER: &str = "SELECT seq FROM events INDEXED BY events_of_long_operation \
                     WHERE long_operation = ?1 ORDER BY seq DESC LIMIT ?2";
/// All, in no order. They are read from the index alone.
const ANY: &str = "SELECT seq FROM events INDEXED BY events_by_bytes WHERE op_seq = ?1 LIMIT ?2";
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM events INDEXED BY events_by_bytes WHERE op_seq = ?1 LIMIT ?2)";

/// The newest events of the operation with a number, oldest first, with their deliveries.
pub fn of_operation(
    connection: &Connection,
    seal: &Seal,
    operation: i64,
    limit: usize,
) -> rusqlite::Result<NewestEvents> {
    let rows = rows(connection, operation, limit)?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(events(connection, seal, "WHERE seq = ?1", [row])?);
    }
    let n: i64 = connection.prepare_cached(COUNT)?.query_row([operation, MOST], |row| row.get(0))?;
    Ok(NewestEvents { events: found, counted: Counted { n: n.cast_unsigned(), is_all: n < MOST } })
}

fn rows(connection: &Connection, operation: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows: Vec<i64> = all(connection, LATER, params![operation, most], |row| row.get(0))?;
    if rows.len() < limit {
        // So few are in the index: the operation has not many more.
        rows = all(connection, ANY, params![operation, MOST], |row| row.get(0))?;
        rows.sort_unstable_by(|a, b| b.cmp(a));
        rows.truncate(limit);
    }
    rows.reverse();
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::sqlite::engine::schema;

    /// A database with operations of so many events each, one after the other, as they were accepted: those that are not
    /// among the first are in the index.
    fn database(n_events: &[i64]) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection).unwrap();
        let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?2) \
                   INSERT INTO events (seq, id, received_at, channel, op_seq, long_operation, hash, is_matched, has_token, \
                   kind, resource_type, resource, sealed) SELECT ?1 * 1000000 + x, zeroblob(16), x, 'calls', ?1, \
                   CASE WHEN x > ?3 THEN ?1 END, randomblob(16), 1, 0, 'kind', 'type', '/path', zeroblob(500) FROM n";
        for (operation, n) in (1i64..).zip(n_events) {
            connection.execute(sql, [operation, *n, MANY]).unwrap();
        }
        connection
    }

    #[test]
    fn the_newest_are_found_in_their_order_however_many_there_are() {
        let counts = [3, 199, 200, 201, 350, 399, 400, 401, 5_000];
        let connection = database(&counts);
        for (operation, n) in (1i64..).zip(counts) {
            let first = operation * 1_000_000;
            let expected: Vec<i64> = ((n - 200).max(0) + 1..=n).map(|x| first + x).collect();
            assert_eq!(rows(&connection, operation, 200).unwrap(), expected, "{n} events");
        }
    }

    #[test]
    fn no_more_rows_are_visited_with_twenty_thousand_events_than_with_a_few_hundred() {
        let counts = [400, 20_000];
        let connection = database(&counts);
        let steps = |sql: &str, operation: i64, limit: i64| {
            let mut statement = connection.prepare(sql).unwrap();
            let n = statement.query_map([operation, limit], |_row| Ok(())).unwrap().count();
            (n, statement.get_status(StatementStatus::VmStep))
        };
        for (sql, limit, n_rows) in [(LATER, 200, 200), (COUNT, MOST, 1)] {
            let ((_, few), (n, many)) = (steps(sql, 1, limit), steps(sql, 2, limit));
            assert_eq!(n, n_rows, "{sql}");
            let most = if sql == LATER { few + 20 } else { 20_000 };
            assert!(many <= most, "{few} steps with 400, {many} with 20,000: {sql}");
        }
        // What is read of the others, if few are in the index.
        let (n, many) = steps(ANY, 2, MOST);
        assert!(n == 2_000 && many < 20_000, "{many} steps for {n}");
    }
}
