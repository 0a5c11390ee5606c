//! How much there is: read from numbers that are kept, and the oldest of each by an index.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::{ExpectationState, QuarantineClass};
use crate::store::instants::instant;
use crate::store::{Tallies, Tally};

const OLDEST_EXPECTED: &str =
    "SELECT min(created_at) FROM operations INDEXED BY operations_by_expectation WHERE expectation = ?1";
const OLDEST_UNMATCHED: &str =
    "SELECT received_at FROM events INDEXED BY events_unmatched WHERE is_matched = 0 ORDER BY seq LIMIT 1";

/// All of them.
pub fn all(connection: &Connection) -> rusqlite::Result<Tallies> {
    let mut quarantine = QuarantineClass::ALL.map(|class| (class, Tally::default()));
    for (class, tally) in &mut quarantine {
        *tally = entries(connection, *class)?;
    }
    let mut expectations = ExpectationState::UNMET.map(|state| (state, Tally::default()));
    for (state, tally) in &mut expectations {
        let oldest_at = connection.prepare_cached(OLDEST_EXPECTED)?.query_row([state.as_str()], |row| row.get(0))?;
        *tally = of(kept(connection, state.as_str())?, oldest_at);
    }
    let unmatched = of(kept(connection, "unmatched")?, first(connection, OLDEST_UNMATCHED)?);
    Ok(Tallies { quarantine, unmatched, expectations })
}

fn of(n: i64, oldest_at: Option<i64>) -> Tally {
    Tally { n: n.max(0).cast_unsigned(), oldest_at: oldest_at.map(instant) }
}

fn entries(connection: &Connection, class: QuarantineClass) -> rusqlite::Result<Tally> {
    let sql = "SELECT n_entries, (SELECT received_at FROM quarantine WHERE id = \
               (SELECT min(id) FROM quarantine WHERE class = ?1)) FROM quarantine_sizes WHERE class = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok(of(row.get(0)?, row.get(1)?));
    let found = connection.prepare_cached(sql)?.query_row(params![class as i64], read).optional()?;
    Ok(found.unwrap_or_default())
}

fn kept(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    let sql = "SELECT n FROM tallies WHERE name = ?1";
    let found = connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or_default())
}

fn first(connection: &Connection, sql: &str) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::seal::Seal;
    use crate::store::sqlite::engine::open;

    #[test]
    fn the_oldest_of_each_is_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reelhook.db");
        let connection = open::writer(&path, &Seal::new(None, &path).unwrap()).unwrap();
        for (sql, n_values) in [(OLDEST_UNMATCHED, 0), (OLDEST_EXPECTED, 1)] {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let values = rusqlite::params_from_iter(vec!["lost"; n_values]);
            let plan: Vec<String> =
                statement.query_map(values, |row| row.get(3)).unwrap().collect::<rusqlite::Result<_>>().unwrap();
            assert!(plan.iter().all(|step| !step.contains("SCAN") || step.contains("USING INDEX")), "{sql}: {plan:?}");
            assert!(plan.iter().all(|step| !step.contains("TEMP B-TREE")), "{sql}: {plan:?}");
        }
    }
}
