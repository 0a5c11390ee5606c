//! The quarantine: bounded in entries and bytes, with a share for each class of senders; and operators' requests to
//! verify an entry again.
//!
//! **Invariants**
//! 1. An entry of a stranger makes room by removing only strangers' entries. Known senders have their own share;
//!    strangers may use the free part of it until it is needed.
//! 2. An entry that waits for keys was acknowledged and may be genuine. It is never removed to make room
//!    ([`super::waiting`]).
//! 3. An entry keeps both its first and its last reason.

use rusqlite::{Row, params};

use super::tokens;
use crate::domain::{QuarantineClass as Class, Reason};
use crate::store::decisions::bounds::{self, Size};
use crate::store::decisions::entry::Entry;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// How many entries one round of trimming removes at most.
const TRIM_ROUND: u64 = 1000;

/// Adds entries, then removes the oldest ones until the bounds hold.
pub fn add(tx: &Tx<'_>, entries: &[Entry], received_at: i64) -> Result<(), Failure> {
    if entries.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO quarantine (id, received_at, channel, reason, tenant_id, n_bytes, class, post, sealed, \
               sealed_request, request_bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    for class in Class::ALL {
        let mut added = Size::default();
        for it in entries.iter().filter(|entry| entry.class == class) {
            let (channel, reason, post) =
                (it.channel.as_str(), it.reason.as_str(), it.waits.as_ref().map(|it| it.post));
            let row = params![
                it.id,
                received_at,
                channel,
                reason,
                it.tenant_id,
                it.n_bytes,
                class as i64,
                post,
                it.sealed,
                it.sealed_request,
                it.request_bytes,
            ];
            tx.execute(sql, row)?;
            tokens::keep(tx, it)?;
            added.n_entries += 1;
            added.n_bytes = added.n_bytes.saturating_add(it.n_bytes);
        }
        resize(tx, class as i64, added)?;
    }
    while trim(tx)? > 0 {}
    Ok(())
}

/// Removes one round of the oldest entries beyond the bounds. Returns how many.
pub fn trim(tx: &Tx<'_>) -> Result<u64, Failure> {
    let (settings, mut left) = (&tx.shared.settings, TRIM_ROUND);
    let known = shrink(tx, (Class::Known, bounds::of_known(settings)), &mut left)?;
    shrink(tx, (Class::Strangers, bounds::of_strangers(settings, known)), &mut left)?;
    Ok(TRIM_ROUND - left)
}

/// Removes the oldest entries of a class until it fits or `left` is used up. Returns its size.
fn shrink(tx: &Tx<'_>, (class, most): (Class, Size), left: &mut u64) -> Result<Size, Failure> {
    let sql = "SELECT n_entries, n_bytes FROM quarantine_sizes WHERE class = ?1";
    let size = tx.first(sql, [class as i64], |row| Ok(Size { n_entries: row.get(0)?, n_bytes: row.get(1)? }))?;
    let before = size.unwrap_or_default();
    let mut size = before;
    let sql = "DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine WHERE class = ?1) RETURNING n_bytes";
    while size.is_over(most) && *left > 0 {
        let Some(n_bytes) = tx.first(sql, [class as i64], |row| row.get(0))? else { break };
        size = size.less(Size { n_entries: 1, n_bytes });
        *left -= 1;
    }
    resize(tx, class as i64, size.less(before))?;
    Ok(size)
}

/// Writes an operator's request to verify an entry again. Returns whether the entry exists.
pub fn wish(tx: &Tx<'_>, id: i64, vouched: bool) -> Result<bool, Failure> {
    Ok(tx.execute("UPDATE quarantine SET wish = ?2 WHERE id = ?1", params![id, vouched])? > 0)
}

/// Ends a request. Without a reason to refuse it, the entry is removed. An entry that waits for keys goes on waiting.
pub fn end_wish(tx: &Tx<'_>, id: i64, refused: Option<Reason>) -> Result<(), Failure> {
    match refused {
        Some(reason) => refuse(tx, id, reason),
        None => remove(tx, id),
    }
}

/// Stores why an entry was refused again.
pub fn refuse(tx: &Tx<'_>, id: i64, reason: Reason) -> Result<(), Failure> {
    let sql = "UPDATE quarantine SET wish = NULL, reason = ?2, verified_at = ?3, \
               first_reason = coalesce(first_reason, nullif(reason, ?2)) WHERE id = ?1";
    tx.execute(sql, params![id, reason.as_str(), tx.wall]).map(drop)
}

fn remove(tx: &Tx<'_>, id: i64) -> Result<(), Failure> {
    let sql = "DELETE FROM quarantine WHERE id = ?1 RETURNING class, n_bytes, post";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?));
    let Some((class, n_bytes, post)) = tx.first(sql, [id], row)? else { return Ok(()) };
    resize(tx, class, Size { n_entries: -1, n_bytes: -n_bytes })?;
    post.map_or(Ok(()), |post| tokens::forget_if_last(tx, post))
}

/// Moves an entry, and its size, from the waiting ones to those of known senders.
pub fn wait_no_longer(tx: &Tx<'_>, id: i64) -> Result<(), Failure> {
    let sql = "UPDATE quarantine SET class = 1, post = NULL WHERE id = ?1 AND class = 2 RETURNING n_bytes";
    let Some(n_bytes) = tx.first(sql, [id], |row| row.get::<_, i64>(0))? else { return Ok(()) };
    resize(tx, Class::Waiting as i64, Size { n_entries: -1, n_bytes: -n_bytes })?;
    resize(tx, Class::Known as i64, Size { n_entries: 1, n_bytes })
}

fn resize(tx: &Tx<'_>, class: i64, by: Size) -> Result<(), Failure> {
    if by == Size::default() {
        return Ok(());
    }
    let sql = "UPDATE quarantine_sizes SET n_entries = n_entries + ?2, n_bytes = n_bytes + ?3 WHERE class = ?1";
    tx.execute(sql, [class, by.n_entries, by.n_bytes]).map(drop)
}

#[cfg(test)]
mod tests {
    use crate::store::seal::Seal;

    #[test]
    fn the_oldest_entry_of_a_class_is_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reelhook.db");
        let seal = Seal::new(None, &path).unwrap();
        let connection = crate::store::sqlite::engine::open::writer(&path, &seal).unwrap();
        let sql = "EXPLAIN QUERY PLAN SELECT min(id) FROM quarantine WHERE class = 1";
        let plan: String = connection.query_row(sql, [], |row| row.get(3)).unwrap();
        assert_eq!(plan, "SEARCH quarantine USING COVERING INDEX quarantine_by_class (class=?)");
    }
}
