//! What an error means for a delivery, by its SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use tokio_postgres::Error;

use crate::sinks::{DeliveryError, reason};

/// The failure of a statement.
pub(super) fn of(error: &Error) -> DeliveryError {
    let Some(found) = error.as_db_error() else {
        return reason::retry_all(&format!("the connection failed: {}", reason::chain(error)));
    };
    let code = found.code().code();
    let text = format!("{} (SQLSTATE {code})", found.message());
    match (code, code.get(..2).unwrap_or_default()) {
        // A value, a constraint or a limit refuses this row.
        (_, "22" | "23" | "54") => reason::reject(&text),
        // A deadlock, a lock, a time limit, a trigger: another attempt, or another row, may do better.
        (_, "40" | "55" | "P0") | ("57014", _) => reason::retry(&text),
        // The server stops or starts (57), has no room (53), takes no writes (25), refuses the login (28), or the table is
        // not as it has to be (42): no other row would do better.
        _ => reason::retry_all(&text),
    }
}
