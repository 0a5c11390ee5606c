//! What waits for each sink.

use std::collections::BTreeMap;
use std::time::Duration;

use deadpool_postgres::ClientWrapper;

use crate::domain::SinkName;
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, delivery_id, get, sink};
use crate::store::postgres::engine::text;
use crate::store::{Backlog, Oldest, ids};

/// The fresh deliveries of all processes that are not settled: none is below the oldest of any process.
pub const FRESH: &str = "(SELECT d.number, d.sink FROM deliveries d WHERE d.epoch IS NOT NULL \
    AND d.number >= (SELECT coalesce(min(oldest), 0) FROM epochs) \
    AND NOT EXISTS (SELECT 1 FROM waiting w WHERE w.number = d.number) \
    AND NOT EXISTS (SELECT 1 FROM settled s WHERE s.number = d.number) \
    AND NOT EXISTS (SELECT 1 FROM dead x WHERE x.number = d.number))";

/// The backlog of each sink that has one, at an instant of steady time.
pub async fn by_sink(client: &ClientWrapper, steady: i64) -> Result<BTreeMap<SinkName, Backlog>, Failure> {
    let statement = format!(
        "WITH counted AS (SELECT sink, count(*) AS n_open, 0::bigint AS n_dead, min(number) AS oldest FROM waiting GROUP BY sink \
         UNION ALL SELECT sink, count(*), 0, min(number) FROM {FRESH} AS fresh GROUP BY sink \
         UNION ALL SELECT sink, 0, count(*), NULL FROM dead GROUP BY sink), \
         summed AS (SELECT sink, sum(n_open)::bigint AS n_open, sum(n_dead)::bigint AS n_dead, min(oldest) AS oldest \
         FROM counted GROUP BY sink) \
         SELECT s.sink, s.n_open, s.n_dead, d.id, d.created_at FROM summed s LEFT JOIN deliveries d ON d.number = s.oldest"
    );
    let mut backlogs = BTreeMap::new();
    for row in sql::rows(client, &statement, &[]).await? {
        let oldest = match get::<Option<i64>>(&row, "created_at")? {
            None => None,
            Some(at) => {
                // Not by the machine's clock: if that was set back, the oldest would seem the youngest.
                let age = steady.saturating_sub(ids::made_at(delivery_id(&row, "id")?.0)).max(0);
                Some(Oldest { at: instant(at), age: Duration::from_micros(age.cast_unsigned()) })
            }
        };
        let (n_open, n_dead): (i64, i64) = (get(&row, "n_open")?, get(&row, "n_dead")?);
        let backlog = Backlog { n_open: n_open.cast_unsigned(), n_dead: n_dead.cast_unsigned(), oldest };
        backlogs.insert(sink(&row, "sink")?, backlog);
    }
    Ok(backlogs)
}

/// When the next unleased delivery of a sink falls due, in steady time; a lease that has ended does not count.
pub async fn next_due(client: &ClientWrapper, sink: &SinkName, now: i64) -> Result<Option<i64>, Failure> {
    let statement = "SELECT least((SELECT min(at) FROM waiting WHERE sink = $1 AND state = 0 AND NOT is_leased), \
                     (SELECT min(at) FROM waiting WHERE sink = $1 AND state = 0 AND at <= $2)) AS at";
    let row = sql::first(client, statement, &[&text::stored(sink.as_str()), &now]).await?;
    row.map_or(Ok(None), |row| get(&row, "at"))
}

/// How many deliveries of a sink are due and not under way.
pub async fn n_due(client: &ClientWrapper, sink: &SinkName, now: i64) -> Result<u64, Failure> {
    let statement = "SELECT count(*) AS n FROM waiting WHERE sink = $1 AND state = 0 AND at <= $2";
    let row = sql::first(client, statement, &[&text::stored(sink.as_str()), &now]).await?;
    Ok(row.map_or(Ok(0), |row| get::<i64>(&row, "n"))?.cast_unsigned())
}
