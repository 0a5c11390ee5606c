//! The table: its name, and how it is made.

use serde_json::json;

use crate::config::Reading;
use crate::config::value::name;

/// The longest name that PostgreSQL tells from others, in bytes.
const MAX_NAME_BYTES: usize = 63;

/// The name of a table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    text: String,
    /// Its schema, if the name has one.
    pub(super) schema: Option<String>,
    /// The name in a statement: quoted, so that it is a name whatever it is.
    pub(super) quoted: String,
}

impl Table {
    fn parse(text: String) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('.').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_name(part)) {
            return Err(format!(
                "found {text:?}, expected a name of letters, digits, _ and -, up to {MAX_NAME_BYTES} bytes, as \
                 \"recordings\" or \"schema.recordings\""
            ));
        }
        let quoted: Vec<String> = parts.iter().map(|part| format!("\"{part}\"")).collect();
        let schema = parts.first().filter(|_| parts.len() == 2).map(|&schema| schema.to_owned());
        Ok(Self { quoted: quoted.join("."), schema, text })
    }

    /// The statement that makes the table. `position` is the order in which the rows were inserted.
    pub(super) fn creation(&self) -> String {
        format!(
            r#"CREATE TABLE IF NOT EXISTS {} (
                "position" bigint GENERATED ALWAYS AS IDENTITY,
                delivery_id uuid PRIMARY KEY,
                event_id uuid NOT NULL,
                "type" text,
                "time" timestamptz NOT NULL,
                client_context text,
                call_id text,
                operation_id text,
                tenant text,
                event json NOT NULL
            )"#,
            self.quoted
        )
    }
}

/// Reads the name of a table, which may have a schema before it.
pub(super) fn reading() -> Reading<Table> {
    name(2 * MAX_NAME_BYTES + 1).then(Table::parse, |table: &Table| json!(table.text))
}

fn is_name(part: &str) -> bool {
    let begins = part.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let is_plain = |it: char| it.is_alphanumeric() || matches!(it, '_' | '-' | '$');
    begins && part.len() <= MAX_NAME_BYTES && part.chars().all(is_plain)
}
