//! What operators were told of something that goes on.

use rusqlite::{Connection, Row};

use super::views::all;
use crate::domain::SinkName;
use crate::store::Told;
use crate::store::instants::instant;

/// What is kept, in the order of the subjects.
pub fn list(connection: &Connection) -> rusqlite::Result<Vec<Told>> {
    let sql = "SELECT subject, state, told_to, told_at FROM told ORDER BY subject";
    all(connection, sql, [], |row: &Row<'_>| {
        let to: Vec<String> = serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default();
        Ok(Told {
            subject: row.get(0)?,
            state: row.get(1)?,
            to: to.iter().map(|sink| SinkName::new(sink)).collect(),
            at: instant(row.get(3)?),
        })
    })
}
