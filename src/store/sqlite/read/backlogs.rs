//! What waits for each sink: its number is kept, and the oldest is found by indexes.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::delivery_id;
use super::views::all;
use crate::domain::SinkName;
use crate::store::ids;
use crate::store::instants::instant;
use crate::store::{Backlog, Oldest};

const KEPT: &str = "SELECT sink, n_open, n_dead FROM backlogs WHERE n_open > 0 OR n_dead > 0";
/// The oldest delivery that waits for a sink, or is leased: no more are leased than fit the sink's memory.
const OLDEST: &str = "SELECT created_at, id FROM deliveries WHERE seq = (SELECT min(seq) FROM ( \
    SELECT min(seq) AS seq FROM deliveries INDEXED BY deliveries_waiting WHERE sink = ?1 AND state = 0 AND is_leased = 0 \
    UNION ALL SELECT min(seq) FROM deliveries INDEXED BY deliveries_blocked WHERE sink = ?1 AND state = 1 \
    UNION ALL SELECT min(seq) FROM deliveries INDEXED BY deliveries_due WHERE sink = ?1 AND state = 0 AND is_leased = 1))";
const NEXT_DUE: &str = "SELECT min(at) FROM ( \
    SELECT min(at) AS at FROM deliveries INDEXED BY deliveries_due WHERE sink = ?1 AND state = 0 AND is_leased = 0 \
    UNION ALL SELECT min(at) FROM deliveries INDEXED BY deliveries_due \
    WHERE sink = ?1 AND state = 0 AND is_leased = 1 AND at <= ?2)";

/// The backlog of each sink that has one, at an instant of steady time. The work grows with the number of sinks alone.
pub fn by_sink(connection: &Connection, steady: i64) -> rusqlite::Result<BTreeMap<SinkName, Backlog>> {
    let kept = all(connection, KEPT, [], |row| {
        let (n_open, n_dead) = (row.get::<_, i64>(1)?.max(0), row.get::<_, i64>(2)?.max(0));
        Ok((SinkName::new(&row.get::<_, String>(0)?), n_open.cast_unsigned(), n_dead.cast_unsigned()))
    })?;
    let with_oldest = kept.into_iter().map(|(sink, n_open, n_dead)| {
        let oldest = if n_open > 0 { oldest(connection, &sink, steady)? } else { None };
        Ok((sink, Backlog { n_open, n_dead, oldest }))
    });
    with_oldest.collect()
}

fn oldest(connection: &Connection, sink: &SinkName, steady: i64) -> rusqlite::Result<Option<Oldest>> {
    let read = |row: &rusqlite::Row<'_>| {
        // Not by the machine's clock: if that was set back, the oldest would seem the youngest.
        let age = steady.saturating_sub(ids::made_at(delivery_id(row, 1)?.0)).max(0);
        Ok(Oldest { at: instant(row.get(0)?), age: Duration::from_micros(age.cast_unsigned()) })
    };
    connection.prepare_cached(OLDEST)?.query_row([sink.as_str()], read).optional()
}

/// When the next unleased delivery of a sink falls due, in steady time; a lease that has ended does not count.
pub fn next_due(connection: &Connection, sink: &SinkName, now: i64) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached(NEXT_DUE)?.query_row(params![sink.as_str(), now], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::walk::testing::database;
    use super::*;

    /// The steps that a statement takes with the backlog of one sink.
    fn steps(connection: &Connection, sql: &str) -> i32 {
        let mut statement = connection.prepare(sql).unwrap();
        let values = vec!["crm"; statement.parameter_count()];
        statement.query(rusqlite::params_from_iter(values)).unwrap().next().unwrap();
        statement.get_status(StatementStatus::VmStep)
    }

    #[test]
    fn the_numbers_the_oldest_and_the_next_due_take_no_more_steps_the_more_waits() {
        let connection = database();
        connection.execute("UPDATE deliveries SET op_seq = seq >> 13", []).unwrap();
        assert_eq!(correct_of(&connection), (100 - 1, 100));
        let measure = || [KEPT, OLDEST, NEXT_DUE].map(|sql| steps(&connection, sql));
        let few = measure();
        for state in [0, 1] {
            let sql = "UPDATE deliveries SET state = ?1, is_leased = 0 WHERE sink = 'crm' AND state < 3";
            assert!(connection.execute(sql, [state]).unwrap() > 4_000);
            assert_eq!(correct_of(&connection).0, 9_950, "all but the dead letters wait");
            let many = measure();
            for (few, many) in few.iter().zip(many) {
                assert!(many <= few + 20, "{few} steps with few, {many} with many in state {state}");
            }
        }
    }

    /// The kept numbers of `crm`, made to agree with the rows.
    fn correct_of(connection: &Connection) -> (u64, u64) {
        crate::store::sqlite::engine::backlogs::correct(connection).unwrap();
        let backlog = &by_sink(connection, 0).unwrap()[&SinkName::new("crm")];
        (backlog.n_open, backlog.n_dead)
    }

    #[test]
    fn the_oldest_is_found_by_indexes_whatever_it_waits_for() {
        let connection = database();
        let set = |sql: &str| connection.execute(sql, []).unwrap();
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {OLDEST}")).unwrap();
        let steps: Vec<String> = plan.query_map(["crm"], |row| row.get(3)).unwrap().map(Result::unwrap).collect();
        let found = |index: &str| steps.iter().any(|step| step.contains("SEARCH") && step.contains(index));
        assert!(["deliveries_waiting", "deliveries_blocked", "deliveries_due"].into_iter().all(found), "{steps:?}");
        let found = || connection.query_row(OLDEST, ["crm"], |row| row.get::<_, i64>(0)).optional().unwrap();
        let oldest_is = |change: &str, created_at: i64| {
            set(&format!("UPDATE deliveries SET {change} WHERE created_at = {created_at} AND sink = 'crm'"));
            assert_eq!(found(), Some(created_at), "{change}");
        };
        oldest_is("state = 0, is_leased = 0, at = 9999999", 77);
        oldest_is("state = 0, is_leased = 1, at = 9999999", 66);
        oldest_is("state = 1, is_leased = 0", 55);
        oldest_is("state = 1, is_leased = 1", 44);
        set("UPDATE deliveries SET state = 2 WHERE sink = 'crm' AND state < 2");
        assert_eq!(found(), None);
    }
}
