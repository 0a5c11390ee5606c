//! Ended calls: stored with the first notification of their end; a later one adds what is new.

use std::collections::BTreeMap;

use crate::domain::EndedCall;
use crate::store::Arrival;
use crate::store::decisions::watching::MAX_CALL_ID_BYTES;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, text as text_of};
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::{lookups, text};
use crate::store::sealed;

/// How many are removed in one round.
const ROUND: i64 = 500;

/// The ended calls that a transaction is about.
#[derive(Debug, Default)]
pub struct Ended {
    rows: BTreeMap<String, Row>,
    /// Those that are new, in the order of their arrival.
    new: Vec<String>,
}

#[derive(Debug)]
struct Row {
    number: Option<i64>,
    ended_at: i64,
    learned_at: i64,
    sealed: Option<Vec<u8>>,
    is_changed: bool,
}

impl Ended {
    /// Reads those of some calls.
    pub async fn load(tx: &Tx<'_>, calls: &[String]) -> Result<Self, Failure> {
        let hashes: Vec<i64> = calls.iter().map(|call| lookups::of_call(call)).collect();
        let statement =
            "SELECT number, call_id, ended_at, learned_at, sealed FROM ended_calls WHERE call_hash = ANY($1)";
        let mut rows = BTreeMap::new();
        for row in sql::rows(tx.client, statement, &[&hashes]).await? {
            let found = Row {
                number: Some(get(&row, "number")?),
                ended_at: get(&row, "ended_at")?,
                learned_at: get(&row, "learned_at")?,
                sealed: get(&row, "sealed")?,
                is_changed: false,
            };
            rows.insert(text_of(&row, "call_id")?, found);
        }
        Ok(Self { rows, new: Vec::new() })
    }

    /// Whether a call has ended.
    pub fn has(&self, call_id: &str) -> bool {
        self.rows.contains_key(call_id)
    }

    /// When a call ended, and how, sealed.
    pub fn end_of(&self, call_id: &str) -> Option<(i64, Option<Vec<u8>>)> {
        self.rows.get(call_id).map(|row| (row.ended_at, row.sealed.clone()))
    }

    /// Stores the end of a call.
    pub fn remember(&mut self, tx: &Tx<'_>, ended: &EndedCall, arrival: Arrival) -> Result<(), Failure> {
        let id = ended.call_id.as_str();
        if id.len() > MAX_CALL_ID_BYTES {
            return Ok(());
        }
        let sealed = match ended.why.is_unknown() {
            true => None,
            false => Some(sealed::seal_call_end(&tx.shared.seal, id, &ended.why)?),
        };
        if !self.has(id) {
            self.new.push(id.to_owned());
        }
        let row = self.rows.entry(id.to_owned()).or_insert(Row {
            number: None,
            ended_at: arrival.received_at,
            learned_at: arrival.known_at(),
            sealed: None,
            is_changed: false,
        });
        if row.sealed.is_none() && sealed.is_some() {
            (row.sealed, row.is_changed) = (sealed, true);
        }
        Ok(())
    }

    /// Writes those that changed.
    pub async fn flush(self, tx: &Tx<'_>) -> Result<(), Failure> {
        let statement = "UPDATE ended_calls SET sealed = $2 WHERE number = $1";
        for row in self.rows.values().filter(|row| row.is_changed) {
            if let Some(number) = row.number {
                sql::execute(tx.client, statement, &[&number, &row.sealed]).await?;
            }
        }
        let new: Vec<(&String, &Row)> = self.new.iter().filter_map(|id| Some((id, self.rows.get(id)?))).collect();
        if new.is_empty() {
            return Ok(());
        }
        let first = tx.numbers("ended_call_numbers", new.len()).await?;
        let number: Vec<i64> = (first..).take(new.len()).collect();
        let call_id: Vec<_> = new.iter().map(|(id, _)| text::stored(id)).collect();
        let call_hash: Vec<_> = new.iter().map(|(id, _)| lookups::of_call(id)).collect();
        let ended_at: Vec<_> = new.iter().map(|(_, row)| row.ended_at).collect();
        let learned_at: Vec<_> = new.iter().map(|(_, row)| row.learned_at).collect();
        let sealed: Vec<_> = new.iter().map(|(_, row)| row.sealed.as_deref()).collect();
        let statement = "INSERT INTO ended_calls (number, call_id, call_hash, ended_at, learned_at, sealed) \
            SELECT number, call_id, call_hash, ended_at, learned_at, sealed FROM unnest($1::bigint[], $2::text[], \
            $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[]) \
            AS new (number, call_id, call_hash, ended_at, learned_at, sealed)";
        let values: sql::Values<'_> = &[&number, &call_id, &call_hash, &ended_at, &learned_at, &sealed];
        sql::execute(tx.client, statement, values).await.map(drop)
    }
}

/// Removes ended calls that are too old or too many; returns how many.
pub async fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let (before, most) = (tx.wall.saturating_sub(tx.shared.bounds.remembered()), tx.shared.bounds.most());
    let statement = "DELETE FROM ended_calls WHERE number IN (SELECT number FROM \
                     (SELECT number, learned_at FROM ended_calls ORDER BY number LIMIT $3) AS oldest \
                     WHERE learned_at <= $1 OR number <= (SELECT max(number) FROM ended_calls) - $2)";
    sql::execute(tx.client, statement, &[&before, &most, &ROUND]).await
}
