//! Housekeeping: wipes tokens, then removes events, each when its time has come. A round is short, because the writer's
//! other work waits for it.
//!
//! Retention: an event is removed when all its deliveries are settled and `retention` has passed since the last
//! settlement (since its arrival, if it was unmatched). A dead letter is settled: it stays for `retention` after it
//! became a dead letter. Nothing is removed within the deduplication window, or its repeat would not be recognised. An
//! operation is removed with the last of its events, unless a client still waits for it.

use rusqlite::params;

use super::upkeep::look_at;
use super::{ended_calls, exchanges, quarantine, removal, waiting};
use crate::domain::{EventId, ExpectationState};
use crate::store::contents;
use crate::store::contents::{Contents, Opened};
use crate::store::decisions::schedule::{first_look, look_again, retention};
use crate::store::ids;
use crate::store::instants::micros;
use crate::store::sqlite::engine::failure::Failure;
use crate::store::sqlite::engine::time;
use crate::store::sqlite::engine::tx::Tx;
use crate::store::sqlite::read::rows::event_id;

/// How many events one round looks at.
const ROUND: i64 = 200;

/// The facts of an event that housekeeping needs.
struct Subject {
    seq: i64,
    id: EventId,
    op_seq: Option<i64>,
    lookup: Option<i64>,
    has_token: bool,
    /// Open and blocked deliveries.
    n_unsettled: i64,
    /// When the last delivery was settled; its arrival where none was. In steady time.
    settled_at: i64,
}

/// One round; returns how many rows it touched.
pub fn sweep(tx: &Tx<'_>) -> Result<u64, Failure> {
    let mut n_touched = waiting::let_go(tx)? + quarantine::trim(tx)? + ended_calls::trim(tx)? + exchanges::trim(tx)?;
    let sql = "SELECT look_at, event FROM upkeep WHERE look_at <= ?1 ORDER BY look_at LIMIT ?2";
    let due = tx.all(sql, [tx.steady, ROUND], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    for (at, event) in due {
        tx.execute("DELETE FROM upkeep WHERE look_at = ?1 AND event = ?2", [at, event])?;
        if let Some(subject) = subject(tx, (event, at))?
            && let Some(next) = tend(tx, &subject)?
        {
            look_at(tx, event, next)?;
        }
        n_touched += 1;
    }
    time::note(tx)?;
    tx.shared.note_reusable(tx.connection())?;
    Ok(n_touched)
}

/// Does what is due for an event; returns when to check it again, `None` if it was removed.
fn tend(tx: &Tx<'_>, subject: &Subject) -> Result<Option<i64>, Failure> {
    let settings = &tx.shared.settings;
    if subject.n_unsettled > 0 {
        return Ok(Some(tx.steady.saturating_add(look_again(settings))));
    }
    if subject.has_token {
        let due = subject.settled_at.saturating_add(micros(settings.token_retention));
        if tx.steady < due {
            return Ok(Some(due));
        }
        wipe(tx, subject)?;
    }
    let due = subject.settled_at.saturating_add(retention(settings));
    if tx.steady < due {
        return Ok(Some(due));
    }
    remove(tx, subject).map(|()| None)
}

fn subject(tx: &Tx<'_>, (seq, looked_at): (i64, i64)) -> Result<Option<Subject>, Failure> {
    let sql = "SELECT e.id, e.op_seq, e.lookup, e.has_token, count(*) FILTER (WHERE d.state < 2), e.received_at, \
                      max(coalesce(d.settled_at, d.at)) FILTER (WHERE d.state >= 2) \
               FROM events e LEFT JOIN deliveries d ON d.seq BETWEEN ?2 AND ?3 WHERE e.seq = ?1 GROUP BY e.seq";
    let range = (ids::first_delivery(seq), ids::last_delivery(seq));
    tx.first(sql, params![seq, range.0, range.1], |row| {
        let has_token = row.get(3)?;
        let arrived_at = arrived_at(tx, (row.get(5)?, has_token), looked_at);
        Ok(Subject {
            seq,
            id: event_id(row, 0)?,
            op_seq: row.get(1)?,
            lookup: row.get(2)?,
            has_token,
            n_unsettled: row.get(4)?,
            settled_at: row.get::<_, Option<i64>>(6)?.unwrap_or(arrived_at),
        })
    })
}

/// When an event arrived, in steady time. Its first check was scheduled that long after its arrival. The machine's
/// clock gives the same result unless it was set since.
fn arrived_at(tx: &Tx<'_>, (received_at, has_token): (i64, bool), looked_at: i64) -> i64 {
    let span = first_look(&tx.shared.settings, 0, has_token);
    let (by_plan, by_clock) = (looked_at.saturating_sub(span), tx.in_steady_time(received_at));
    if by_clock > tx.steady { by_plan } else { by_plan.max(by_clock) }
}

/// Seals the event again without its token and without the raw item, because the raw item contains the token in some
/// spelling.
fn wipe(tx: &Tx<'_>, subject: &Subject) -> Result<(), Failure> {
    let sql = "SELECT sealed FROM events WHERE seq = ?1";
    let sealed: Vec<u8> = tx.first(sql, [subject.seq], |row| row.get(0))?.unwrap_or_default();
    let seal = &tx.shared.seal;
    let sealed = match contents::open(seal, subject.id, &sealed) {
        Ok(Opened { data, carried, .. }) => {
            let contents = Contents { token: None, data: &data, carried: &carried, raw: b"" };
            contents::seal(seal, subject.id, &contents)?
        }
        Err(error) => {
            // Damaged: the data can never be read, and the token must not be.
            tracing::error!(event = %subject.id, %error, "an event's token was wiped together with its data");
            Vec::new()
        }
    };
    let sql = "UPDATE events SET sealed = ?2, has_token = 0 WHERE seq = ?1";
    tx.securely(|| tx.execute(sql, params![subject.seq, sealed]).map(drop))
}

fn remove(tx: &Tx<'_>, subject: &Subject) -> Result<(), Failure> {
    removal::event(tx, subject.seq, subject.lookup)?;
    let Some(operation) = subject.op_seq else { return Ok(()) };
    // An event stays while a client waits for the operation or the watch may still report it.
    let sql = "SELECT 1 FROM events WHERE op_seq = ?1 \
               UNION ALL SELECT 1 FROM expectations WHERE operation = ?1 AND state = ?2 \
               UNION ALL SELECT 1 FROM watches WHERE operation = ?1 LIMIT 1";
    let waiting = ExpectationState::Waiting.as_str();
    if tx.first(sql, params![operation, waiting], |_| Ok(()))?.is_some() {
        return Ok(());
    }
    removal::operation(tx, operation)
}
