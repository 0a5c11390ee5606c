//! Housekeeping: wipes tokens, then removes events, each when its time has come. A round is short, because other work waits
//! for it.

use std::collections::BTreeSet;

use async_trait::async_trait;
use tokio_postgres::Row;

use super::{ended_calls, event_rows, exchanges, quarantine, removal};
use crate::domain::EventId;
use crate::store::contents::{self, Contents, Opened};
use crate::store::decisions::schedule::{first_look, look_again, retention};
use crate::store::instants::micros;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, event_id, get};
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;

/// How many events one round looks at.
const ROUND: i64 = 200;

/// What is due, with what housekeeping needs to know of it.
const DUE: &str = "WITH due AS (DELETE FROM upkeep u USING (SELECT look_at, event FROM upkeep WHERE look_at <= $1 \
        ORDER BY look_at LIMIT $2) d WHERE u.look_at = d.look_at AND u.event = d.event RETURNING u.look_at, u.event) \
    SELECT due.look_at, e.number, e.id, e.operation, e.has_token, e.received_at, \
        (SELECT count(*) FROM delivery_rows r WHERE r.number BETWEEN e.number << 12 AND (e.number << 12) + 4095 \
         AND r.state < 2) AS n_unsettled, \
        (SELECT max(r.settled_at) FROM delivery_rows r WHERE r.number BETWEEN e.number << 12 AND (e.number << 12) + 4095) \
        AS settled_at FROM due JOIN events e ON e.number = due.event";

/// One round; returns how many rows it touched.
pub struct Sweep;

/// The facts of an event that housekeeping needs.
struct Subject {
    number: i64,
    id: EventId,
    operation: Option<i64>,
    has_token: bool,
    n_unsettled: i64,
    /// When the last delivery was settled; its arrival where none was. In steady time.
    settled_at: i64,
}

/// What is to be done with an event.
enum Next {
    LookAt(i64),
    Remove,
}

#[async_trait]
impl Work for Sweep {
    type Done = u64;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<u64, Failure> {
        let mut n_touched = quarantine::let_go(tx).await?
            + quarantine::trim(tx).await?
            + ended_calls::trim(tx).await?
            + exchanges::trim(tx).await?;
        let rows = sql::rows(tx.client, DUE, &[&tx.steady, &ROUND]).await?;
        let (mut later, mut look_at, mut gone, mut of) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
        for row in &rows {
            let subject = subject(tx, row)?;
            n_touched += 1;
            match tend(tx, &subject).await? {
                Next::LookAt(at) => {
                    later.push(subject.number);
                    look_at.push(at);
                }
                Next::Remove => {
                    gone.push(subject.number);
                    of.extend(subject.operation);
                }
            }
        }
        event_rows::look_at_them(tx, &later, &look_at).await?;
        if !gone.is_empty() {
            removal::events(tx, &gone).await?;
            remove_operations(tx, of.into_iter().collect()).await?;
        }
        Ok(n_touched)
    }
}

fn subject(tx: &Tx<'_>, row: &Row) -> Result<Subject, Failure> {
    let has_token = get(row, "has_token")?;
    let arrived_at = arrived_at(tx, (get(row, "received_at")?, has_token), get(row, "look_at")?);
    Ok(Subject {
        number: get(row, "number")?,
        id: event_id(row, "id")?,
        operation: get(row, "operation")?,
        has_token,
        n_unsettled: get(row, "n_unsettled")?,
        settled_at: get::<Option<i64>>(row, "settled_at")?.unwrap_or(arrived_at),
    })
}

/// When an event arrived, in steady time. Its first check was scheduled that long after its arrival. The machine's
/// clock gives the same result unless it was set since.
fn arrived_at(tx: &Tx<'_>, (received_at, has_token): (i64, bool), looked_at: i64) -> i64 {
    let span = first_look(&tx.shared.settings, 0, has_token);
    let (by_plan, by_clock) = (looked_at.saturating_sub(span), tx.in_steady_time(received_at));
    if by_clock > tx.steady { by_plan } else { by_plan.max(by_clock) }
}

/// Does what is due for an event.
async fn tend(tx: &Tx<'_>, subject: &Subject) -> Result<Next, Failure> {
    let settings = &tx.shared.settings;
    if subject.n_unsettled > 0 {
        return Ok(Next::LookAt(tx.steady.saturating_add(look_again(settings))));
    }
    if subject.has_token {
        let due = subject.settled_at.saturating_add(micros(settings.token_retention));
        if tx.steady < due {
            return Ok(Next::LookAt(due));
        }
        wipe(tx, subject).await?;
    }
    let due = subject.settled_at.saturating_add(retention(settings));
    Ok(if tx.steady < due { Next::LookAt(due) } else { Next::Remove })
}

/// Seals the event again without its token and without the raw item, because the raw item contains the token in some
/// spelling.
async fn wipe(tx: &Tx<'_>, subject: &Subject) -> Result<(), Failure> {
    let row = sql::first(tx.client, "SELECT sealed FROM events WHERE number = $1", &[&subject.number]).await?;
    let sealed: Vec<u8> = row.map_or(Ok(Vec::new()), |row| get(&row, "sealed"))?;
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
    let statement = "UPDATE events SET sealed = $2, has_token = false WHERE number = $1";
    sql::execute(tx.client, statement, &[&subject.number, &sealed]).await.map(drop)
}

/// Removes the operations among these that have no event, no client that waits for them, and no deadline.
async fn remove_operations(tx: &mut Tx<'_>, numbers: Vec<i64>) -> Result<(), Failure> {
    let statement = "SELECT number FROM operations o WHERE number = ANY($1) AND overdue_at IS NULL AND lost_at IS NULL \
        AND expectation IS DISTINCT FROM 'waiting' AND NOT EXISTS (SELECT 1 FROM events e WHERE e.operation = o.number)";
    let rows = sql::rows(tx.client, statement, &[&numbers]).await?;
    let going = rows.iter().map(|row| get(row, "number")).collect::<Result<Vec<i64>, _>>()?;
    removal::operations(tx, &going).await
}
