//! The check of a whole store, for an operator: what SQLite's own check finds in each table, whether each sealed value
//! opens, and whether the kept numbers agree with the rows.
//!
//! **Invariants**
//! 1. It only reads, and runs beside a server. No snapshot lasts longer than the check of one table.
//! 2. It goes on after damage: as much of it as can be found is told.

use std::path::Path;

use rusqlite::{Connection, Row};

use super::engine::failure::store_error;
use super::engine::{backlogs, open};
use super::read::rows::event_id;
use crate::config;
use crate::store::seal::Seal;
use crate::store::{StoreError, contents, sealed};

/// How many sealed values are read at a time.
const PAGE: usize = 500;
/// How much damage of one part is told. A wrong key would make each value a line.
const MAX_LINES: usize = 20;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many tables were checked.
    pub n_tables: usize,
    /// How many sealed values were opened.
    pub n_sealed: u64,
    /// A line for each damage.
    pub damage: Vec<String>,
}

/// How far a check is: parts that were done, of so many, and the one that is next.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Parts that were done.
    pub n_done: usize,
    /// All parts.
    pub of: usize,
    /// The next part.
    pub part: &'a str,
}

/// Values of one kind that are sealed.
struct Kind {
    name: &'static str,
    table: &'static str,
    /// The column by which they are read, a page at a time.
    key: &'static str,
    /// What [`Kind::open`] needs, behind the key.
    columns: &'static str,
    open: fn(&Seal, &Row<'_>) -> rusqlite::Result<Result<(), StoreError>>,
}

const KINDS: [Kind; 6] = [
    Kind { name: "events", table: "events", key: "seq", columns: "id, sealed", open: event },
    Kind { name: "quarantined bodies", table: "quarantine", key: "id", columns: "sealed", open: quarantined },
    Kind {
        name: "facts of quarantined requests",
        table: "quarantine",
        key: "id",
        columns: "sealed_request",
        open: request,
    },
    Kind { name: "validation tokens", table: "waiting_posts", key: "post", columns: "sealed", open: tokens },
    Kind { name: "ends of calls", table: "ended_calls", key: "seq", columns: "call_id, sealed", open: call_end },
    Kind {
        name: "exchanges",
        table: "exchanges",
        key: "id",
        columns: "delivery, started_at, number, sealed",
        open: exchange,
    },
];

/// Checks the store of `settings`, or `other`, which has its key. `tell` learns of each part before it begins. This blocks.
///
/// # Errors
/// There is no store of this version, its key is another, or it is too damaged to be opened.
pub fn check(
    settings: &config::Store,
    other: Option<&Path>,
    mut tell: impl FnMut(Step<'_>),
) -> Result<Checked, StoreError> {
    let store = other.unwrap_or(&settings.path);
    match other {
        Some(other) if !other.exists() => return Err(open::unusable(other, "found no file here, expected a store")),
        Some(_) => {}
        None => open::must_exist(store)?,
    }
    let seal = Seal::new(settings.encryption_key.as_ref(), &settings.path)?;
    let connection = open::operator(store, &seal)?;
    let tables = tables(&connection).map_err(|error| store_error(&error))?;
    let mut checked = Checked { n_tables: tables.len(), ..Checked::default() };
    let of = tables.len() + KINDS.len() + 1;
    for (n_done, table) in tables.iter().enumerate() {
        tell(Step { n_done, of, part: table });
        checked.damage.extend(of_table(&connection, table));
    }
    for (n, kind) in KINDS.iter().enumerate() {
        tell(Step { n_done: tables.len() + n, of, part: kind.name });
        let (n_opened, damage) = kind.check(&connection, &seal);
        checked.n_sealed += n_opened;
        checked.damage.extend(damage);
    }
    tell(Step { n_done: of - 1, of, part: "kept numbers" });
    checked.damage.extend(of_numbers(&connection));
    Ok(checked)
}

fn tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0 ORDER BY name";
    connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
}

/// SQLite's words for the damage of a table or of its indexes.
fn of_table(connection: &Connection, table: &str) -> Vec<String> {
    let found = connection.prepare(&format!("PRAGMA integrity_check('{table}')")).and_then(|mut check| {
        check.query_map([], |row| row.get::<_, String>(0))?.take(MAX_LINES).collect::<Result<Vec<_>, _>>()
    });
    let lines = found.unwrap_or_else(|error| vec![error.to_string()]);
    lines.into_iter().filter(|line| line != "ok").map(|line| format!("table {table}: {line}")).collect()
}

impl Kind {
    /// Opens every value, and returns how many opened, and a line for each that did not.
    fn check(&self, connection: &Connection, seal: &Seal) -> (u64, Vec<String>) {
        let (mut last, mut n_opened, mut n_damaged, mut damage) = (0, 0, 0_usize, Vec::new());
        loop {
            let page = match self.page(connection, seal, last) {
                Ok(page) => page,
                // The rest of the table cannot be reached.
                Err(error) => {
                    damage.push(format!("{}: cannot be read after {} {last}: {error}", self.name, self.key));
                    return (n_opened, damage);
                }
            };
            let is_last = page.len() < PAGE;
            for (key, opened) in page {
                last = key;
                match opened {
                    Ok(()) => n_opened += 1,
                    Err(error) if n_damaged < MAX_LINES => {
                        n_damaged += 1;
                        damage.push(format!("{}: {} {key}: {error}", self.name, self.key));
                    }
                    Err(_further) => n_damaged += 1,
                }
            }
            if is_last {
                let n_further = n_damaged.saturating_sub(MAX_LINES);
                damage.extend((n_further > 0).then(|| format!("{}: {n_further} more", self.name)));
                return (n_opened, damage);
            }
        }
    }

    fn page(&self, connection: &Connection, seal: &Seal, after: i64) -> rusqlite::Result<Page> {
        let Self { key, columns, table, .. } = self;
        let sql = format!("SELECT {key}, {columns} FROM {table} WHERE {key} > ?1 ORDER BY {key} LIMIT {PAGE}");
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([after], |row| {
            // A value of another type is damage of its row alone.
            let opened = (self.open)(seal, row).unwrap_or_else(|error| Err(StoreError::Database(error.to_string())));
            Ok((row.get(0)?, opened))
        })?;
        rows.collect()
    }
}

/// The keys of a page's rows, and whether the value of each opens.
type Page = Vec<(i64, Result<(), StoreError>)>;

fn event(seal: &Seal, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
    Ok(contents::open(seal, event_id(row, 1)?, &row.get::<_, Vec<u8>>(2)?).map(drop))
}

fn quarantined(seal: &Seal, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
    Ok(sealed::open_quarantined(seal, row.get(0)?, &row.get::<_, Vec<u8>>(1)?).map(drop))
}

fn request(seal: &Seal, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
    let Some(value) = row.get::<_, Option<Vec<u8>>>(1)? else { return Ok(Ok(())) };
    Ok(sealed::request(seal, row.get(0)?, &value).map(drop))
}

fn tokens(seal: &Seal, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
    Ok(sealed::open_tokens(seal, row.get(0)?, &row.get::<_, Vec<u8>>(1)?).map(drop))
}

fn call_end(seal: &Seal, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
    let Some(value) = row.get::<_, Option<Vec<u8>>>(2)? else { return Ok(Ok(())) };
    Ok(sealed::why_ended(seal, &row.get::<_, String>(1)?, &value).map(drop))
}

fn exchange(seal: &Seal, row: &Row<'_>) -> rusqlite::Result<Result<(), StoreError>> {
    let key = sealed::AttemptKey { delivery: row.get(1)?, started_at: row.get(2)?, number: row.get(3)? };
    Ok(sealed::open_exchange(seal, key, &row.get::<_, Vec<u8>>(4)?).map(drop))
}

/// The kept numbers that are not those of the rows, each read in one snapshot with them.
fn of_numbers(connection: &Connection) -> Vec<String> {
    let sizes = [
        ("exchanges", "SELECT n_entries, (SELECT count(*) FROM exchanges) FROM exchanges_size"),
        (
            "quarantine entries",
            "SELECT s.n_entries, (SELECT count(*) FROM quarantine q WHERE q.class = s.class) FROM quarantine_sizes s",
        ),
    ];
    let mut damage = Vec::new();
    for (what, sql) in sizes {
        let found = connection.prepare(sql).and_then(|mut sizes| {
            sizes
                .query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?
                .collect::<Result<Vec<_>, _>>()
        });
        match found {
            Ok(sizes) => {
                let wrong = sizes.into_iter().filter(|(kept, counted)| kept != counted);
                damage.extend(wrong.map(|(kept, counted)| format!("{what}: {kept} are noted, {counted} are there")));
            }
            Err(error) => damage.push(format!("{what}: cannot be counted: {error}")),
        }
    }
    match backlogs::wrong(connection) {
        Ok(sinks) => {
            let line = |sink| format!("the waiting deliveries and dead letters of the sink {sink:?} are noted wrongly");
            damage.extend(sinks.into_iter().map(line));
        }
        Err(error) => damage.push(format!("waiting deliveries: cannot be counted: {error}")),
    }
    damage
}
