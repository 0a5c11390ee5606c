//! The quarantine: a ring bounded in entries and bytes, and the operator's wishes to judge an entry again.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::failure::{Failure, store_error};
use super::prepare::{Entry, QUARANTINE_LABEL};
use super::tx::{Tx, instant};
use crate::domain::{Channel, Raw, Reason};
use crate::store::seal::Seal;
use crate::store::{Newest, QuarantineView, ReplayWish, StoreError};

/// How many entries one round of trimming removes at most.
const TRIM_ROUND: i64 = 1000;

/// Entries whose bytes cannot be opened, each with the reason that it had.
pub type Lost = Vec<(i64, Reason)>;

/// Adds entries, then removes the oldest until the bounds hold.
pub fn add(tx: &Tx<'_>, entries: &[Entry], received_at: i64) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut n_bytes = 0i64;
    let sql = "INSERT INTO quarantine (id, received_at, channel, reason, tenant_id, n_bytes, sealed) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    for entry in entries {
        let (channel, reason) = (entry.channel.as_str(), entry.reason.as_str());
        tx.execute(sql, params![entry.id, received_at, channel, reason, entry.tenant_id, entry.n_bytes, entry.sealed])?;
        n_bytes = n_bytes.saturating_add(entry.n_bytes);
    }
    resize(tx, i64::try_from(entries.len()).unwrap_or(i64::MAX), n_bytes)?;
    while trim(tx)? > 0 {}
    Ok(())
}

/// Removes the oldest entries beyond the bounds, a round of them. Returns how many.
pub fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let max_entries = i64::try_from(tx.shared.settings.quarantine_max_entries).unwrap_or(i64::MAX);
    let max_bytes = i64::try_from(tx.shared.settings.quarantine_max_bytes).unwrap_or(i64::MAX);
    let size = tx.first("SELECT n_entries, n_bytes FROM quarantine_size", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (n_entries, n_bytes): (i64, i64) = size.unwrap_or_default();
    let (mut entries_over, mut bytes_over) = (n_entries - max_entries, n_bytes - max_bytes);
    if entries_over <= 0 && bytes_over <= 0 {
        return Ok(0);
    }
    let oldest = tx.all("SELECT id, n_bytes FROM quarantine ORDER BY id LIMIT ?1", [TRIM_ROUND], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let (mut n_removed, mut n_bytes_removed) = (0u32, 0);
    for (id, n_bytes) in oldest {
        if entries_over <= 0 && bytes_over <= 0 {
            break;
        }
        tx.execute("DELETE FROM quarantine WHERE id = ?1", [id])?;
        (entries_over, bytes_over) = (entries_over - 1, bytes_over - n_bytes);
        (n_removed, n_bytes_removed) = (n_removed + 1, n_bytes_removed + n_bytes);
    }
    resize(tx, -i64::from(n_removed), -n_bytes_removed)?;
    Ok(u64::from(n_removed))
}

/// Writes down the wish to judge an entry again. Returns whether there is such an entry.
pub fn wish(tx: &Tx<'_>, id: i64, vouched: bool) -> Result<bool, Failure> {
    Ok(tx.execute("UPDATE quarantine SET wish = ?2 WHERE id = ?1", params![id, vouched])? > 0)
}

/// Ends a wish: without a reason to refuse it the entry goes.
pub fn end_wish(tx: &Tx<'_>, id: i64, refused: Option<Reason>) -> Result<(), Failure> {
    if let Some(reason) = refused {
        tx.execute("UPDATE quarantine SET wish = NULL, reason = ?2 WHERE id = ?1", params![id, reason.as_str()])?;
        return Ok(());
    }
    let removed =
        tx.first("DELETE FROM quarantine WHERE id = ?1 RETURNING n_bytes", [id], |row| row.get::<_, i64>(0))?;
    removed.map_or(Ok(()), |n_bytes| resize(tx, -1, -n_bytes))
}

fn resize(tx: &Tx<'_>, n_entries: i64, n_bytes: i64) -> Result<(), Failure> {
    let sql = "UPDATE quarantine_size SET n_entries = n_entries + ?1, n_bytes = n_bytes + ?2";
    tx.execute(sql, [n_entries, n_bytes]).map(drop)
}

/// Entries, newest first, without their bytes.
pub fn list(connection: &Connection, page: Newest<i64>) -> Result<Vec<QuarantineView>, StoreError> {
    let sql =
        "SELECT id, received_at, channel, reason, n_bytes FROM quarantine WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let bounds = [page.before.unwrap_or(i64::MAX), page.rows()];
    let read = || -> rusqlite::Result<Vec<QuarantineView>> {
        connection.prepare_cached(sql)?.query_map(bounds, view)?.collect()
    };
    read().map_err(|error| store_error(&error))
}

/// One entry with its bytes.
pub fn entry(connection: &Connection, seal: &Seal, id: i64) -> Result<Option<QuarantineView>, StoreError> {
    let sql = "SELECT id, received_at, channel, reason, n_bytes, sealed FROM quarantine WHERE id = ?1";
    let read = || -> rusqlite::Result<Option<(QuarantineView, Vec<u8>)>> {
        connection.prepare_cached(sql)?.query_map([id], |row| Ok((view(row)?, row.get(5)?)))?.next().transpose()
    };
    let Some((mut found, sealed)) = read().map_err(|error| store_error(&error))? else { return Ok(None) };
    found.raw = Some(open(seal, id, &sealed)?);
    Ok(Some(found))
}

/// The wishes that wait, oldest first. Those whose bytes cannot be opened are told apart: nobody can judge them.
pub fn wishes(connection: &Connection, seal: &Seal, limit: usize) -> Result<(Vec<ReplayWish>, Lost), StoreError> {
    let sql = "SELECT id, received_at, channel, reason, n_bytes, wish, sealed, tenant_id FROM quarantine \
               WHERE wish IS NOT NULL ORDER BY id LIMIT ?1";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = || -> rusqlite::Result<Vec<_>> {
        let rows = |row: &Row<'_>| Ok((view(row)?, row.get(5)?, row.get::<_, Vec<u8>>(6)?, row.get(7)?));
        connection.prepare_cached(sql)?.query_map([limit], rows)?.collect()
    };
    let (mut wishes, mut lost) = (Vec::new(), Vec::new());
    for (entry, vouched, sealed, tenant_id) in read().map_err(|error| store_error(&error))? {
        match open(seal, entry.id, &sealed) {
            Ok(raw) => wishes.push(ReplayWish { id: entry.id, channel: entry.channel, tenant_id, raw, vouched }),
            Err(error) => {
                tracing::error!(id = entry.id, %error, "a quarantine entry cannot be judged again");
                lost.push((entry.id, entry.reason));
            }
        }
    }
    Ok((wishes, lost))
}

fn open(seal: &Seal, id: i64, sealed: &[u8]) -> Result<Raw, StoreError> {
    Ok(Raw(Bytes::from(seal.open(QUARANTINE_LABEL, &id.to_be_bytes(), sealed)?)))
}

fn view(row: &Row<'_>) -> rusqlite::Result<QuarantineView> {
    Ok(QuarantineView {
        id: row.get(0)?,
        channel: super::rows::parsed(row, 2, Channel::parse)?,
        reason: super::rows::parsed(row, 3, Reason::parse)?,
        received_at: instant(row.get(1)?),
        n_bytes: row.get::<_, i64>(4)?.cast_unsigned(),
        raw: None,
    })
}
