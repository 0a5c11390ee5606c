//! Quarantine entries, operators' requests to verify one again, and the items that wait for the provider's keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use deadpool_postgres::ClientWrapper;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::walk;
use crate::domain::{Channel, HeldTokens, Reason};
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, get, maybe_parsed, maybe_text, number, parsed};
use crate::store::seal::Seal;
use crate::store::sealed::{open_quarantined, open_request, open_tokens};
use crate::store::{Counted, Newest, QuarantineFilter, QuarantineView, ReplayWish, Waiting};

/// Entries whose bytes cannot be opened, each with its reason.
pub type Lost = Vec<(i64, Reason)>;

/// The condition of a [`QuarantineFilter`].
const MEANT: &str = "($1::text IS NULL OR reason = $1) AND ($2::bigint IS NULL OR received_at >= $2) \
                     AND ($3::bigint IS NULL OR (wish IS NULL AND coalesce(verified_at, 0) <= $3)) \
                     AND ($4::bigint IS NULL OR received_at <= $4)";

/// The values of [`MEANT`].
struct Values {
    reason: Option<&'static str>,
    since: Option<i64>,
    unchecked_since: Option<i64>,
    until: Option<i64>,
}

impl From<&QuarantineFilter> for Values {
    fn from(which: &QuarantineFilter) -> Self {
        let micros = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
        Self {
            reason: which.reason.map(Reason::as_str),
            since: micros(which.since),
            unchecked_since: micros(which.unchecked_since),
            until: micros(which.until),
        }
    }
}

/// Entries that are meant, newest first, without their bytes.
pub async fn list(
    client: &ClientWrapper,
    which: &QuarantineFilter,
    page: Newest<i64>,
) -> Result<Vec<QuarantineView>, Failure> {
    let statement = format!("SELECT * FROM quarantine WHERE {MEANT} AND id < $5 ORDER BY id DESC LIMIT $6");
    let Values { reason, since, unchecked_since, until } = which.into();
    let before = page.before.unwrap_or(i64::MAX);
    let values: sql::Values<'_> = &[&reason, &since, &unchecked_since, &until, &before, &page.rows()];
    sql::rows(client, &statement, values).await?.iter().map(view).collect()
}

/// The numbers of the entries that are meant, oldest first, behind one of them.
pub async fn ids(
    client: &ClientWrapper,
    which: &QuarantineFilter,
    (after, limit): (Option<i64>, usize),
) -> Result<Vec<i64>, Failure> {
    let statement = format!("SELECT id FROM quarantine WHERE {MEANT} AND id > $5 ORDER BY id LIMIT $6");
    let Values { reason, since, unchecked_since, until } = which.into();
    let after = after.unwrap_or(-1);
    let values: sql::Values<'_> = &[&reason, &since, &unchecked_since, &until, &after, &number(limit)];
    sql::rows(client, &statement, values).await?.iter().map(|row| get(row, "id")).collect()
}

/// How many entries are meant of the `most` oldest ones.
pub async fn count(client: &ClientWrapper, which: &QuarantineFilter, most: usize) -> Result<Counted, Failure> {
    let statement = format!(
        "SELECT count(*) FILTER (WHERE is_meant) AS n, count(*) AS n_looked FROM \
         (SELECT {MEANT} AS is_meant FROM quarantine ORDER BY id LIMIT $5) AS looked"
    );
    let Values { reason, since, unchecked_since, until } = which.into();
    let values: sql::Values<'_> = &[&reason, &since, &unchecked_since, &until, &number(most)];
    walk::counted(sql::first(client, &statement, values).await?, most)
}

/// One entry with its bytes.
pub async fn entry(client: &ClientWrapper, seal: &Seal, id: i64) -> Result<Option<QuarantineView>, Failure> {
    let Some(row) = sql::first(client, "SELECT * FROM quarantine WHERE id = $1", &[&id]).await? else {
        return Ok(None);
    };
    let raw = Some(open_quarantined(seal, id, get(&row, "sealed")?)?);
    Ok(Some(QuarantineView { raw, ..view(&row)? }))
}

/// The requests that wait, oldest first. Entries whose bytes cannot be opened are returned separately: nobody can
/// verify them.
pub async fn wishes(client: &ClientWrapper, seal: &Seal, limit: usize) -> Result<(Vec<ReplayWish>, Lost), Failure> {
    let statement = "SELECT * FROM quarantine WHERE wish IS NOT NULL ORDER BY id LIMIT $1";
    let (mut wishes, mut lost) = (Vec::new(), Vec::new());
    for row in sql::rows(client, statement, &[&number(limit)]).await? {
        let entry = view(&row)?;
        match open_quarantined(seal, entry.id, get(&row, "sealed")?) {
            Ok(raw) => wishes.push(ReplayWish {
                id: entry.id,
                channel: entry.channel,
                received_at: entry.received_at,
                tenant_id: maybe_text(&row, "tenant_id")?,
                raw,
                request: open_request(seal, entry.id, get(&row, "sealed_request")?),
                vouched: get::<Option<bool>>(&row, "wish")?.unwrap_or_default(),
            }),
            Err(error) => {
                tracing::error!(entry = entry.id, %error, "a quarantine entry cannot be verified again");
                lost.push((entry.id, entry.reason));
            }
        }
    }
    Ok((wishes, lost))
}

/// The items that wait for keys, oldest first. An item that cannot be opened stays in the quarantine and is logged.
pub async fn waiting(client: &ClientWrapper, seal: &Seal) -> Result<Vec<Waiting>, Failure> {
    let statement = "SELECT q.*, p.arrived_at AS post_arrived_at, p.sealed AS tokens FROM quarantine q \
                     JOIN waiting_posts p ON p.post = q.post ORDER BY q.id";
    let (mut posts, mut found) = (BTreeMap::new(), Vec::new());
    for row in sql::rows(client, statement, &[]).await? {
        let id: i64 = get(&row, "id")?;
        match item(&row, seal, &mut posts) {
            Ok(item) => found.push(item),
            Err(error) => tracing::error!(entry = id, %error, "an item that waits for keys cannot be opened"),
        }
    }
    Ok(found)
}

fn item(row: &Row, seal: &Seal, posts: &mut BTreeMap<i64, Arc<HeldTokens>>) -> Result<Waiting, Failure> {
    let (id, post) = (get(row, "id")?, get(row, "post")?);
    let raw = open_quarantined(seal, id, get(row, "sealed")?)?;
    let held = match posts.get(&post) {
        Some(held) => Arc::clone(held),
        None => {
            let tokens = open_tokens(seal, post, get(row, "tokens")?)?;
            let held = HeldTokens { tokens, arrived_at: instant(get(row, "post_arrived_at")?) };
            Arc::clone(posts.entry(post).or_insert(Arc::new(held)))
        }
    };
    let request = open_request(seal, id, get(row, "sealed_request")?);
    Ok(Waiting { id, channel: parsed(row, "channel", Channel::parse)?, raw, request, held })
}

fn view(row: &Row) -> Result<QuarantineView, Failure> {
    let reason = parsed(row, "reason", Reason::parse)?;
    let n_bytes = get::<i64>(row, "n_bytes")? - get::<i64>(row, "request_bytes")?;
    Ok(QuarantineView {
        id: get(row, "id")?,
        channel: parsed(row, "channel", Channel::parse)?,
        reason,
        first_reason: maybe_parsed(row, "first_reason", Reason::parse)?.unwrap_or(reason),
        received_at: instant(get(row, "received_at")?),
        verified_at: get::<Option<i64>>(row, "verified_at")?.map(instant),
        is_wished: get::<Option<bool>>(row, "wish")?.is_some(),
        n_bytes: n_bytes.cast_unsigned(),
        raw: None,
    })
}
