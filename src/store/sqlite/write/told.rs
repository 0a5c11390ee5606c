//! What operators were told of something that goes on.

use rusqlite::params;

use crate::store::Told;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::tx::Tx;

/// Keeps what was told last.
///
/// # Errors
/// Nothing was changed.
pub fn keep(tx: &Tx<'_>, told: &Told) -> Result<(), Failure> {
    let sql = "INSERT INTO told (subject, state, told_to, told_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (subject) DO UPDATE \
               SET state = excluded.state, told_to = excluded.told_to, told_at = excluded.told_at";
    let Told { subject, state, to, at } = told;
    let to = serde_json::to_string(&to.iter().map(|sink| sink.as_str()).collect::<Vec<_>>()).unwrap_or_default();
    tx.execute(sql, params![subject, state, to, at.as_microsecond()]).map(drop)
}

/// Forgets what was told of these.
///
/// # Errors
/// Nothing was changed.
pub fn forget(tx: &Tx<'_>, subjects: &[String]) -> Result<(), Failure> {
    for subject in subjects {
        tx.execute("DELETE FROM told WHERE subject = ?1", [subject])?;
    }
    Ok(())
}
