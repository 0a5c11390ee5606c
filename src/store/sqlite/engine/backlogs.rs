//! How many deliveries wait for each sink, and how many are dead letters: numbers that are kept, so that nobody counts rows.
//!
//! **Invariants**
//! 1. Whatever adds, settles, moves or removes deliveries says so with `Tx::backlog`, in the same transaction. What a job
//!    said that failed does not count.
//! 2. A transaction changes the number of a sink once, however many deliveries it changes.
//! 3. A server begins with numbers that agree with the rows: it counts them when it starts.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::domain::SinkName;

/// So many more deliveries of a sink; fewer, if negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Open and blocked ones.
    pub n_open: i64,
    /// Dead letters.
    pub n_dead: i64,
}

impl Change {
    /// Deliveries wait that did not.
    pub const ADDED: Self = Self { n_open: 1, n_dead: 0 };
    /// They wait no more, and are no dead letters.
    pub const GONE: Self = Self { n_open: -1, n_dead: 0 };
    /// Those that waited are dead letters.
    pub const DIED: Self = Self { n_open: -1, n_dead: 1 };
    /// Dead letters wait again.
    pub const REOPENED: Self = Self { n_open: 1, n_dead: -1 };

    /// The same for so many deliveries.
    pub fn times(self, n: usize) -> Self {
        let n = i64::try_from(n).unwrap_or(i64::MAX);
        Self { n_open: self.n_open.saturating_mul(n), n_dead: self.n_dead.saturating_mul(n) }
    }
}

/// What a transaction changes.
#[derive(Clone, Debug, Default)]
pub struct Changes(BTreeMap<SinkName, Change>);

impl Changes {
    /// Adds a change of a sink.
    pub fn add(&mut self, sink: &SinkName, by: Change) {
        if !self.0.contains_key(sink) {
            self.0.insert(sink.clone(), Change::default());
        }
        if let Some(change) = self.0.get_mut(sink) {
            change.n_open += by.n_open;
            change.n_dead += by.n_dead;
        }
    }

    /// Writes them: the last statements of their transaction, one for each sink.
    ///
    /// # Errors
    /// The database could not be written.
    pub fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO backlogs (sink, n_open, n_dead) VALUES (?1, ?2, ?3) ON CONFLICT (sink) DO UPDATE \
                   SET n_open = n_open + excluded.n_open, n_dead = n_dead + excluded.n_dead";
        for (sink, change) in self.0.into_iter().filter(|(_, change)| *change != Change::default()) {
            connection.prepare_cached(sql)?.execute(params![sink.as_str(), change.n_open, change.n_dead])?;
        }
        Ok(())
    }
}

/// The sinks whose kept numbers are not those of their rows, with the right ones.
const WRONG: &str = "WITH counted (sink, n_open, n_dead) AS (SELECT sink, sum(n_open), sum(n_dead) FROM ( \
                     SELECT sink, count(*) AS n_open, 0 AS n_dead FROM deliveries INDEXED BY deliveries_unsettled \
                     WHERE state < 2 GROUP BY sink UNION ALL \
                     SELECT sink, 0, count(*) FROM deliveries INDEXED BY deliveries_dead WHERE state = 3 GROUP BY sink \
                     UNION ALL SELECT sink, 0, 0 FROM backlogs) GROUP BY sink), \
                     wrong (sink, n_open, n_dead) AS (SELECT c.sink, c.n_open, c.n_dead \
                     FROM counted c LEFT JOIN backlogs b ON b.sink = c.sink \
                     WHERE (coalesce(b.n_open, 0), coalesce(b.n_dead, 0)) <> (c.n_open, c.n_dead))";

/// The sinks whose kept numbers do not agree with the rows.
///
/// # Errors
/// The database could not be read.
pub fn wrong(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare(&format!("{WRONG} SELECT sink FROM wrong"))?.query_map([], |row| row.get(0))?.collect()
}

/// Counts the rows, and replaces each kept number that is not theirs.
///
/// # Errors
/// The database could not be read or written.
pub fn correct(connection: &Connection) -> rusqlite::Result<()> {
    let sql = format!(
        "{WRONG} INSERT INTO backlogs (sink, n_open, n_dead) SELECT sink, n_open, n_dead FROM wrong WHERE true \
         ON CONFLICT (sink) DO UPDATE SET n_open = excluded.n_open, n_dead = excluded.n_dead"
    );
    let n_sinks = connection.execute(&sql, [])?;
    if n_sinks > 0 {
        tracing::error!("the numbers of waiting deliveries did not agree with the deliveries: they were corrected");
    }
    // A sink of which nothing is left takes no room for ever.
    connection.execute("DELETE FROM backlogs WHERE n_open = 0 AND n_dead = 0", []).map(drop)
}
