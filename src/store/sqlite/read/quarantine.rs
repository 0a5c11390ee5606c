//! Quarantine entries, and operators' requests to verify one again.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::rows;
use crate::domain::{Channel, Reason};
use crate::store::instants::instant;
use crate::store::seal::Seal;
use crate::store::sealed::{open_quarantined, open_request};
use crate::store::sqlite::engine::failure::store_error;
use crate::store::{Newest, QuarantineFilter, QuarantineView, ReplayWish, StoreError};

/// Entries whose bytes cannot be opened, each with its reason.
pub type Lost = Vec<(i64, Reason)>;

/// The condition of a [`QuarantineFilter`]; its values are `?1` to `?4`, see [`Values`].
pub const MEANT: &str = "(?1 IS NULL OR reason = ?1) AND (?2 IS NULL OR received_at >= ?2) \
                         AND (?3 IS NULL OR (wish IS NULL AND coalesce(verified_at, 0) <= ?3)) \
                         AND (?4 IS NULL OR received_at <= ?4)";

/// The values of [`MEANT`].
pub struct Values {
    /// `?1`.
    pub reason: Option<&'static str>,
    /// `?2`, in microseconds, as the others.
    pub since: Option<i64>,
    /// `?3`.
    pub unchecked_since: Option<i64>,
    /// `?4`.
    pub until: Option<i64>,
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

/// The sealed values of an entry.
struct Sealed {
    raw: Vec<u8>,
    request: Option<Vec<u8>>,
}

/// Entries that are meant, newest first, without their bytes.
pub fn list(
    connection: &Connection,
    which: &QuarantineFilter,
    page: Newest<i64>,
) -> Result<Vec<QuarantineView>, StoreError> {
    let sql = format!(
        "SELECT id, received_at, channel, reason, n_bytes - request_bytes, first_reason, verified_at, wish FROM quarantine \
         WHERE {MEANT} AND id < ?5 ORDER BY id DESC LIMIT ?6"
    );
    let Values { reason, since, unchecked_since, until } = which.into();
    let values = params![reason, since, unchecked_since, until, page.before.unwrap_or(i64::MAX), page.rows()];
    let read = || -> rusqlite::Result<Vec<QuarantineView>> {
        connection.prepare_cached(&sql)?.query_map(values, view)?.collect()
    };
    read().map_err(|error| store_error(&error))
}

/// The numbers of the entries that are meant, oldest first, behind one of them.
pub fn ids(
    connection: &Connection,
    which: &QuarantineFilter,
    after: Option<i64>,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    let sql = format!("SELECT id FROM quarantine WHERE {MEANT} AND id > ?5 ORDER BY id LIMIT ?6");
    let Values { reason, since, unchecked_since, until } = which.into();
    let (after, limit) = (after.unwrap_or(-1), i64::try_from(limit).unwrap_or(i64::MAX));
    let values = params![reason, since, unchecked_since, until, after, limit];
    let read = || -> rusqlite::Result<Vec<i64>> {
        connection.prepare_cached(&sql)?.query_map(values, |row| row.get(0))?.collect()
    };
    read().map_err(|error| store_error(&error))
}

/// One entry with its bytes.
pub fn entry(connection: &Connection, seal: &Seal, id: i64) -> Result<Option<QuarantineView>, StoreError> {
    let sql = "SELECT id, received_at, channel, reason, n_bytes - request_bytes, first_reason, verified_at, wish, sealed FROM quarantine WHERE id = ?1";
    let read = || -> rusqlite::Result<Option<(QuarantineView, Vec<u8>)>> {
        connection.prepare_cached(sql)?.query_map([id], |row| Ok((view(row)?, row.get(8)?)))?.next().transpose()
    };
    let Some((mut found, sealed)) = read().map_err(|error| store_error(&error))? else { return Ok(None) };
    found.raw = Some(open_quarantined(seal, id, &sealed)?);
    Ok(Some(found))
}

/// The requests that wait, oldest first. Entries whose bytes cannot be opened are returned separately: nobody can
/// verify them.
pub fn wishes(connection: &Connection, seal: &Seal, limit: usize) -> Result<(Vec<ReplayWish>, Lost), StoreError> {
    let sql = "SELECT id, received_at, channel, reason, n_bytes - request_bytes, first_reason, verified_at, wish, sealed, tenant_id, sealed_request \
               FROM quarantine \
               WHERE wish IS NOT NULL ORDER BY id LIMIT ?1";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = || -> rusqlite::Result<Vec<_>> {
        let wish = |row: &Row<'_>| {
            let sealed = Sealed { raw: row.get(8)?, request: row.get(10)? };
            Ok((view(row)?, row.get(7)?, sealed, row.get(9)?))
        };
        connection.prepare_cached(sql)?.query_map([limit], wish)?.collect()
    };
    let (mut wishes, mut lost) = (Vec::new(), Vec::new());
    for (entry, vouched, sealed, tenant_id) in read().map_err(|error| store_error(&error))? {
        match open_quarantined(seal, entry.id, &sealed.raw) {
            Ok(raw) => {
                let request = open_request(seal, entry.id, sealed.request.as_deref());
                let (id, channel, received_at) = (entry.id, entry.channel, entry.received_at);
                wishes.push(ReplayWish { id, channel, received_at, tenant_id, raw, request, vouched });
            }
            Err(error) => {
                tracing::error!(entry = entry.id, %error, "a quarantine entry cannot be verified again");
                lost.push((entry.id, entry.reason));
            }
        }
    }
    Ok((wishes, lost))
}

fn view(row: &Row<'_>) -> rusqlite::Result<QuarantineView> {
    let reason = rows::parsed(row, 3, Reason::parse)?;
    Ok(QuarantineView {
        id: row.get(0)?,
        channel: rows::parsed(row, 2, Channel::parse)?,
        reason,
        first_reason: row.get::<_, Option<String>>(5)?.and_then(|text| Reason::parse(&text)).unwrap_or(reason),
        received_at: instant(row.get(1)?),
        verified_at: row.get::<_, Option<i64>>(6)?.map(instant),
        is_wished: row.get::<_, Option<bool>>(7)?.is_some(),
        n_bytes: row.get::<_, i64>(4)?.cast_unsigned(),
        raw: None,
    })
}
