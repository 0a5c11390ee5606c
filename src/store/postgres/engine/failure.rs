//! The meaning of PostgreSQL's failures, by their SQLSTATE
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use std::error::Error as _;

use crate::store::StoreError;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// PostgreSQL failed, or the connection to it.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// The store refused.
    #[error(transparent)]
    Refused(#[from] StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Postgres(error) => store_error(&error),
            Failure::Refused(error) => error,
        }
    }
}

impl Failure {
    /// Whether the same transaction may succeed if it is tried again at once: it met another one.
    pub fn is_a_conflict(&self) -> bool {
        matches!(self, Self::Postgres(error) if matches!(code(error), Some("40001" | "40P01")))
    }

    /// Whether it concerns the connection or the server, and not what was to be done.
    pub fn is_shared(&self) -> bool {
        match self {
            Self::Refused(error) => matches!(error, StoreError::Busy | StoreError::Full | StoreError::Closed),
            Self::Postgres(error) => match code(error) {
                None => true,
                Some(code) => matches!(code.get(..2), Some("08" | "25" | "28" | "53" | "55" | "57" | "58")),
            },
        }
    }
}

fn code(error: &tokio_postgres::Error) -> Option<&str> {
    error.code().map(tokio_postgres::error::SqlState::code)
}

/// The store's error for a failure of PostgreSQL.
pub fn store_error(error: &tokio_postgres::Error) -> StoreError {
    let Some(found) = error.as_db_error() else {
        return StoreError::Database(format!("the connection to PostgreSQL failed: {}", chain(error)));
    };
    let code = found.code().code();
    match code {
        "53100" => StoreError::Full,
        "53300" | "55P03" => StoreError::Busy,
        "57014" => StoreError::Slow,
        // Neither the detail nor the hint: they may hold values of rows.
        _ => StoreError::Database(format!("{} (SQLSTATE {code})", found.message())),
    }
}

/// An error with what caused it.
fn chain(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
