//! Reads rows newest first, until a page is full or a limited number of rows was looked at.
//!
//! **Invariants**
//! 1. The work of a page is bounded, whatever is stored and whatever is asked for.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::rows::event_id;
use crate::store::ids;

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

/// A statement whose rows are a number and whether it is meant, newest first, at most `most`.
#[derive(Debug)]
pub struct Walk {
    /// Its text.
    pub sql: String,
    /// The values of `?1`, `?2`, ..
    pub values: Vec<Value>,
    /// The most rows that it reads; a part of its text or its values too.
    pub most: i64,
}

impl Walk {
    /// Walks until `limit` rows are met that are meant.
    pub fn go(&self, connection: &Connection, limit: usize) -> rusqlite::Result<Walked> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let mut rows = statement.query(params_from_iter(&self.values))?;
        let (mut walked, mut last, mut n_looked) = (Walked::default(), None, 0);
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            if row.get(1)? {
                if walked.rows.len() == limit {
                    walked.next = walked.rows.last().copied();
                    return Ok(walked);
                }
                walked.rows.push(number);
            }
            (last, n_looked) = (Some(number), n_looked + 1);
        }
        walked.next = last.filter(|_last| n_looked >= self.most);
        Ok(walked)
    }
}

/// A text as a value in lower case, as SQLite's `lower` makes it: ASCII letters only.
pub fn lower(text: Option<&String>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_ascii_lowercase()))
}

/// A text as a value.
pub fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_owned()))
}

/// The events that arrived in a time, as numbers: from the first one on, and up to but without the second one. The time is
/// in microseconds of steady time.
pub fn of_time(connection: &Connection, since: Option<i64>, until: Option<i64>) -> rusqlite::Result<(i64, i64)> {
    // To a millisecond: an id knows no more.
    let millis = |at: i64| at.div_euclid(1000) * 1000;
    let first = since.map_or(Ok(0), |since| first_event(connection, millis(since)))?;
    let last = until.map_or(Ok(i64::MAX), |until| first_event(connection, millis(until).saturating_add(1000)))?;
    Ok((first, last))
}

/// The numbers of the first event and behind the last one. Each is found alone: SQLite reads all rows for both at once.
const ENDS: &str = "SELECT coalesce((SELECT min(seq) FROM events), 0), coalesce((SELECT max(seq) FROM events), -1) + 1";

/// The first event that arrived at an instant of steady time or later. Events are in the order of their arrival.
pub fn first_event(connection: &Connection, since: i64) -> rusqlite::Result<i64> {
    let (mut low, mut high): (i64, i64) = connection.query_row(ENDS, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sql = "SELECT seq, id FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    let mut statement = connection.prepare_cached(sql)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = statement.query_row([middle], |row| Ok((row.get::<_, i64>(0)?, event_id(row, 1)?))).optional()?;
        match found {
            Some((seq, id)) if ids::made_at(id.0) < since => low = seq + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::store::sqlite::engine::schema;

    /// As many events as [`MOST`] and one page more, each with a delivery to `crm` and one to `archive`. One event in 1,000 is
    /// unmatched. Of the deliveries to `crm` one in 100 is dead; the newest 100 wait; the others are delivered.
    pub const N: i64 = MOST + 50;

    /// A database with these rows.
    pub fn database() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        let stable = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
        connection.set_db_config(stable, true).unwrap();
        schema::migrate(&mut connection).unwrap();
        let events = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < ?1) \
                      INSERT INTO events (seq, id, received_at, channel, hash, is_matched, has_token, kind, resource_type, resource, \
                      client_context, sealed) SELECT x, zeroblob(16), x, 'calls', x'00', x % 1000 > 0, 0, 'kind', 'type', '/path', \
                      'c-' || x, zeroblob(500) FROM n";
        connection.execute(events, [N]).unwrap();
        let deliveries = "INSERT INTO deliveries (seq, id, state, at, is_leased, lease_token, n_attempts, created_at, sink, route) \
                          SELECT (seq << 12) + s.n, zeroblob(16), CASE WHEN s.n = 1 THEN 2 WHEN seq % 100 = 0 THEN 3 \
                          WHEN seq > ?1 - 100 THEN 0 ELSE 2 END, seq, 0, 0, 0, seq, s.sink, 'all' \
                          FROM events, (SELECT 0 AS n, 'crm' AS sink UNION ALL SELECT 1, 'archive') s";
        connection.execute(deliveries, [N]).unwrap();
        connection
    }

    #[test]
    fn the_ends_of_the_events_are_found_without_reading_them() {
        let ends = Walk { sql: ENDS.to_owned(), values: Vec::new(), most: 0 };
        let plan = plan(&database(), &ends);
        assert!(!plan.contains("SCAN events"), "{plan}");
    }

    /// How SQLite executes a walk.
    pub fn plan(connection: &Connection, walk: &Walk) -> String {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {}", walk.sql)).unwrap();
        let steps = plan.query_map(params_from_iter(&walk.values), |row| row.get::<_, String>(3)).unwrap();
        steps.collect::<Result<Vec<_>, _>>().unwrap().join("; ")
    }
}
