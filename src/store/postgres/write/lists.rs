//! Small lists: paused sinks, the conditions of sinks, the history, and subscriptions with encrypted content.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{KEPT_MINUTES, MAX_RICH_SUBSCRIPTIONS, Minute, SinkName};
use crate::store::SinkCondition;
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, number};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;

/// The microseconds of a minute.
const MINUTE: i64 = 60_000_000;

/// Pauses a sink; returns since when it is paused.
pub struct Pause {
    /// The sink.
    pub sink: SinkName,
}

#[async_trait]
impl Work for Pause {
    type Done = Timestamp;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Timestamp, Failure> {
        let statement = "INSERT INTO paused_sinks (sink, paused_at) VALUES ($1, $2) \
                         ON CONFLICT (sink) DO UPDATE SET sink = excluded.sink RETURNING paused_at";
        let row = sql::first(tx.client, statement, &[&text::stored(self.sink.as_str()), &tx.wall]).await?;
        Ok(instant(row.map_or(Ok(tx.wall), |row| get(&row, "paused_at"))?))
    }
}

/// Resumes a sink.
pub struct Resume {
    /// The sink.
    pub sink: SinkName,
}

#[async_trait]
impl Work for Resume {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let sink = text::stored(self.sink.as_str());
        sql::execute(tx.client, "DELETE FROM paused_sinks WHERE sink = $1", &[&sink]).await.map(drop)
    }
}

/// Stores what is known of a sink, unless something newer is stored.
pub async fn keep_condition(tx: &Tx<'_>, condition: &SinkCondition) -> Result<(), Failure> {
    let statement = "INSERT INTO sink_conditions (sink, version, failing_since, failed_at, reason) \
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (sink) DO UPDATE SET version = excluded.version, \
        failing_since = excluded.failing_since, failed_at = excluded.failed_at, reason = excluded.reason \
        WHERE excluded.version > sink_conditions.version";
    let SinkCondition { sink, version, failing_since, last_failure } = condition;
    let failing_since = failing_since.map(Timestamp::as_microsecond);
    let failed_at = last_failure.as_ref().map(|failure| failure.at.as_microsecond());
    let reason = last_failure.as_ref().map(|failure| text::stored(&failure.reason));
    let sink = text::stored(sink.as_str());
    sql::execute(tx.client, statement, &[&sink, version, &failing_since, &failed_at, &reason]).await.map(drop)
}

/// Forgets the conditions of sinks.
pub struct Forget {
    /// The sinks.
    pub sinks: Vec<SinkName>,
}

#[async_trait]
impl Work for Forget {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let sinks: Vec<_> = self.sinks.iter().map(|sink| text::stored(sink.as_str())).collect();
        sql::execute(tx.client, "DELETE FROM sink_conditions WHERE sink = ANY($1)", &[&sinks]).await.map(drop)
    }
}

/// Adds numbers to those that are stored, and removes the minutes that are too old.
pub struct AddHistory {
    /// The minutes.
    pub minutes: Vec<Minute>,
}

#[async_trait]
impl Work for AddHistory {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let (mut minutes, mut counters, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for Minute { minute, counts } in &self.minutes {
            for (counter, n) in counts.each().filter(|(_, n)| *n > 0) {
                minutes.push(*minute);
                counters.push(counter);
                numbers.push(i64::try_from(n).unwrap_or(i64::MAX));
            }
        }
        let statement = "INSERT INTO history (minute, counter, n) SELECT minute, counter, sum(n)::bigint \
            FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS new (minute, counter, n) GROUP BY minute, counter \
            ON CONFLICT (minute, counter) DO UPDATE SET n = history.n + excluded.n";
        sql::execute(tx.client, statement, &[&minutes, &counters, &numbers]).await?;
        let oldest = tx.steady.div_euclid(MINUTE) - KEPT_MINUTES + 1;
        sql::execute(tx.client, "DELETE FROM history WHERE minute < $1", &[&oldest]).await.map(drop)
    }
}

/// Stores subscriptions with encrypted content; beyond the bound the longest known are removed.
pub struct RememberRich {
    /// Their ids.
    pub ids: Vec<String>,
}

#[async_trait]
impl Work for RememberRich {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let ids: Vec<_> = self.ids.iter().map(|id| text::stored(id)).collect();
        // Known ones take no number.
        let statement = "INSERT INTO rich_subscriptions (id) SELECT id FROM unnest($1::text[]) WITH ORDINALITY AS new (id, at) \
            WHERE NOT EXISTS (SELECT 1 FROM rich_subscriptions r WHERE r.id = new.id) \
            GROUP BY id ORDER BY min(at) ON CONFLICT (id) DO NOTHING";
        sql::execute(tx.client, statement, &[&ids]).await?;
        let statement = "DELETE FROM rich_subscriptions WHERE number NOT IN \
            (SELECT number FROM rich_subscriptions ORDER BY number DESC LIMIT $1)";
        sql::execute(tx.client, statement, &[&number(MAX_RICH_SUBSCRIPTIONS)]).await.map(drop)
    }
}
