//! Small lists, tallies and deadlines.

use std::collections::BTreeMap;

use deadpool_postgres::ClientWrapper;
use jiff::Timestamp;

use super::operation;
use crate::domain::{ExpectationState, Minute, QuarantineClass, SinkName, Watch};
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, maybe_text, number, sink, text};
use crate::store::seal::Seal;
use crate::store::{Due, SinkCondition, Tallies, Tally, Told};

/// The sinks that an operator paused.
pub async fn paused(client: &ClientWrapper) -> Result<BTreeMap<SinkName, Timestamp>, Failure> {
    let rows = sql::rows(client, "SELECT sink, paused_at FROM paused_sinks", &[]).await?;
    rows.iter().map(|row| Ok((sink(row, "sink")?, instant(get(row, "paused_at")?)))).collect()
}

/// What is kept of each sink, in the order of their names.
pub async fn conditions(client: &ClientWrapper) -> Result<Vec<SinkCondition>, Failure> {
    let statement = "SELECT sink, version, failing_since, failed_at, reason FROM sink_conditions ORDER BY sink";
    let rows = sql::rows(client, statement, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let failed: (Option<i64>, Option<String>) = (get(row, "failed_at")?, maybe_text(row, "reason")?);
        Ok(SinkCondition {
            sink: sink(row, "sink")?,
            version: get(row, "version")?,
            failing_since: get::<Option<i64>>(row, "failing_since")?.map(instant),
            last_failure: failed.0.zip(failed.1).map(|(at, reason)| crate::store::Failure { at: instant(at), reason }),
        })
    };
    rows.iter().map(read).collect()
}

/// The minutes since this one in which something happened, oldest first.
pub async fn history(client: &ClientWrapper, since: i64) -> Result<Vec<Minute>, Failure> {
    let statement = "SELECT minute, counter, n FROM history WHERE minute >= $1 ORDER BY minute";
    let mut minutes: Vec<Minute> = Vec::new();
    for row in sql::rows(client, statement, &[&since]).await? {
        let (minute, n): (i64, i64) = (get(&row, "minute")?, get(&row, "n")?);
        if minutes.last().is_none_or(|last| last.minute != minute) {
            minutes.push(Minute { minute, ..Minute::default() });
        }
        if let Some(last) = minutes.last_mut() {
            last.counts.add(&text(&row, "counter")?, n.max(0).cast_unsigned());
        }
    }
    Ok(minutes)
}

/// What operators were told last of what goes on, in the order of the subjects.
pub async fn told(client: &ClientWrapper) -> Result<Vec<Told>, Failure> {
    let statement = "SELECT subject, state, told_to, told_at FROM told ORDER BY subject";
    let rows = sql::rows(client, statement, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let to: Vec<String> = serde_json::from_str(&text(row, "told_to")?).unwrap_or_default();
        Ok(Told {
            subject: text(row, "subject")?,
            state: text(row, "state")?,
            to: to.iter().map(|sink| SinkName::new(sink)).collect(),
            at: instant(get(row, "told_at")?),
        })
    };
    rows.iter().map(read).collect()
}

/// Subscriptions with encrypted content, the longest known first.
pub async fn rich(client: &ClientWrapper) -> Result<Vec<String>, Failure> {
    let rows = sql::rows(client, "SELECT id FROM rich_subscriptions ORDER BY number", &[]).await?;
    rows.iter().map(|row| text(row, "id")).collect()
}

/// How much there is that somebody may have to look at.
pub async fn tallies(client: &ClientWrapper) -> Result<Tallies, Failure> {
    let mut quarantine = QuarantineClass::ALL.map(|class| (class, Tally::default()));
    for (class, tally) in &mut quarantine {
        let statement = "SELECT n_entries AS n, (SELECT received_at FROM quarantine WHERE class = $1 ORDER BY id LIMIT 1) \
                         AS oldest_at FROM sizes WHERE class = $1";
        *tally = one(client, statement, &[&(*class as i16)]).await?;
    }
    let mut expectations = ExpectationState::UNMET.map(|state| (state, Tally::default()));
    for (state, tally) in &mut expectations {
        let statement = "SELECT count(*) AS n, min(created_at) AS oldest_at FROM operations WHERE expectation = $1";
        *tally = one(client, statement, &[&state.as_str()]).await?;
    }
    let statement = "SELECT count(*) AS n, (SELECT received_at FROM events WHERE NOT is_matched ORDER BY number LIMIT 1) \
                     AS oldest_at FROM events WHERE NOT is_matched";
    let unmatched = one(client, statement, &[]).await?;
    Ok(Tallies { quarantine, unmatched, expectations })
}

async fn one(client: &ClientWrapper, statement: &str, values: sql::Values<'_>) -> Result<Tally, Failure> {
    let Some(row) = sql::first(client, statement, values).await? else { return Ok(Tally::default()) };
    let n = get::<i64>(&row, "n")?.max(0).cast_unsigned();
    Ok(Tally { n, oldest_at: get::<Option<i64>>(&row, "oldest_at")?.map(instant) })
}

/// When the next operation is to be reported, in microseconds of steady time.
pub async fn next_watch(client: &ClientWrapper) -> Result<Option<i64>, Failure> {
    let statement =
        "SELECT least((SELECT min(overdue_at) FROM operations), (SELECT min(lost_at) FROM operations)) AS at";
    sql::first(client, statement, &[]).await?.map_or(Ok(None), |row| get(&row, "at"))
}

/// The operations that are to be reported by now, the longest due first.
pub async fn due(client: &ClientWrapper, seal: &Seal, (now, limit): (i64, usize)) -> Result<Vec<Due>, Failure> {
    let statement = "SELECT at, number, kind FROM ( \
        (SELECT overdue_at AS at, number, 0 AS kind FROM operations WHERE overdue_at <= $1 ORDER BY overdue_at LIMIT $2) \
        UNION ALL (SELECT lost_at, number, 1 FROM operations WHERE lost_at <= $1 ORDER BY lost_at LIMIT $2)) AS due \
        ORDER BY at, number, kind LIMIT $2";
    let rows = sql::rows(client, statement, &[&now, &number(limit)]).await?;
    let numbers = rows.iter().map(|row| get(row, "number")).collect::<Result<Vec<i64>, _>>()?;
    let operations = operation::some(client, seal, &numbers).await?;
    let mut found = Vec::new();
    for (row, number) in rows.iter().zip(numbers) {
        let watch = if get::<i32>(row, "kind")? == 1 { Watch::Lost } else { Watch::Overdue };
        if let Some(operation) = operations.iter().find(|it| it.number == number) {
            found.push(Due { operation: operation.clone(), watch, at: instant(get(row, "at")?) });
        }
    }
    Ok(found)
}
