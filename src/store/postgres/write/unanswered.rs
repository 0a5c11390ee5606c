//! The events that Graph will probably repeat: the POST that brought them was not answered 2xx in time, or the process
//! that answered it died.

use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql;
use crate::store::postgres::engine::tx::Tx;

/// How long before a crash an answer may have failed to arrive, in microseconds: Graph waits for 3 s, and an answer
/// that the kernel has taken needs time on its way.
const LAST: i64 = 10_000_000;

/// Writes the noted events.
pub async fn write_down(tx: &Tx<'_>) -> Result<(), Failure> {
    let noted = tx.unanswered.take();
    mark(tx, &noted).await
}

/// Marks events as unanswered, so that their next repeat is recognised. Those that were removed meanwhile are passed over.
pub async fn mark(tx: &Tx<'_>, events: &[i64]) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    let statement =
        "INSERT INTO unanswered (event) SELECT number FROM events WHERE number = ANY($1) ON CONFLICT DO NOTHING";
    sql::execute(tx.client, statement, &[&events]).await.map(drop)
}

/// Removes the marks: the repeats arrived, or the events are being removed.
pub async fn clear(tx: &Tx<'_>, events: &[i64]) -> Result<(), Failure> {
    if events.is_empty() {
        return Ok(());
    }
    sql::execute(tx.client, "DELETE FROM unanswered WHERE event = ANY($1)", &[&events]).await.map(drop)
}

/// Marks what a process accepted last before it died. What came out of the quarantine was answered long before.
pub async fn mark_last(tx: &Tx<'_>, epoch: i64) -> Result<u64, Failure> {
    let statement = "INSERT INTO unanswered (event) SELECT number FROM \
        (SELECT number, received_at, max(received_at) OVER () AS newest FROM \
            (SELECT number, received_at FROM events WHERE epoch = $1 AND accepted_at IS NULL AND origin = 0 \
             AND number > (SELECT coalesce(max(number), 0) - 1000000 FROM events) ORDER BY number DESC LIMIT 131072) AS last \
        ) AS latest WHERE received_at >= newest - $2 ON CONFLICT DO NOTHING";
    sql::execute(tx.client, statement, &[&epoch, &LAST]).await
}
