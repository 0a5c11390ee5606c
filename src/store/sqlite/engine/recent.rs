//! How many lookups are in the small table, and which range of them moves next. See [`super::lookups`].

use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::Connection;

/// This few recent lookups are not moved.
const FEW: i64 = 4096;

/// The recent lookups, counted.
#[derive(Debug)]
pub struct Recent {
    /// About how many there are; a rollback makes it slightly wrong.
    n: AtomicI64,
    n_turns: AtomicI64,
}

impl Recent {
    /// Counts the lookups.
    ///
    /// # Errors
    /// The database could not be read.
    pub fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let n = connection.query_row("SELECT count(*) FROM lookups_recent", [], |row| row.get(0))?;
        Ok(Self { n: AtomicI64::new(n), n_turns: AtomicI64::new(0) })
    }

    /// One was added.
    pub fn added(&self) {
        self.n.fetch_add(1, Ordering::Relaxed);
    }

    /// So many were moved.
    pub fn moved(&self, n: usize) {
        self.n.fetch_sub(i64::try_from(n).unwrap_or_default(), Ordering::Relaxed);
    }

    /// Whether there are too few to move any.
    pub fn are_few(&self) -> bool {
        self.n.load(Ordering::Relaxed) < FEW
    }

    /// The number of this move, counted from 0.
    pub fn next_turn(&self) -> i64 {
        self.n_turns.fetch_add(1, Ordering::Relaxed)
    }
}
