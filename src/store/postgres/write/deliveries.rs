//! The deliveries that a transaction is about: read and locked once, changed in memory, written once.
//!
//! **Invariants**
//! 1. A delivery that succeeds at its first attempt is only appended to: to `settled`.
//! 2. A delivery is in at most one of `waiting`, `settled` and `dead`.

use std::collections::BTreeMap;

use tokio_postgres::Row;
use uuid::Uuid;

use crate::domain::{DeliveryId, Lease, SinkName};
use crate::store::DeliveryState;
use crate::store::ids;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::sql::{self, Values, delivery_id, get, maybe_text, sink, text as text_of};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::read::deliveries::{state, state_number};

/// The table that a delivery is in, besides `deliveries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// None: it is fresh.
    None,
    Waiting,
    Settled,
    Dead,
}

/// A delivery as it is now.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    pub number: i64,
    pub id: DeliveryId,
    pub operation: Option<i64>,
    pub sink: SinkName,
    pub route: String,
    /// As JSON.
    pub captures: Option<String>,
    pub resend_of: Option<DeliveryId>,
    pub state: DeliveryState,
    /// When it is due, when its lease ends, or when it was settled.
    pub at: i64,
    pub is_leased: bool,
    pub token: i64,
    pub n_attempts: i64,
    pub reason: Option<String>,
    /// When the attempt began that delivered, how long it took, and what became of its exchange.
    pub success: Option<(i64, i64, Option<i64>)>,
    pub settled_at: Option<i64>,
    table: Table,
    was_sent_to: SinkName,
}

/// The deliveries that a transaction is about.
#[derive(Debug, Default)]
pub struct Deliveries {
    rows: BTreeMap<i64, DeliveryRow>,
    changed: Vec<i64>,
}

impl Deliveries {
    /// Reads deliveries. Nobody else changes them until the transaction ends.
    pub async fn load(tx: &Tx<'_>, numbers: &[i64]) -> Result<Self, Failure> {
        let mut deliveries = Self::default();
        deliveries.add(tx, numbers).await?;
        Ok(deliveries)
    }

    /// Reads more of them.
    pub async fn add(&mut self, tx: &Tx<'_>, numbers: &[i64]) -> Result<(), Failure> {
        if numbers.is_empty() {
            return Ok(());
        }
        let lock = "SELECT 1 FROM waiting WHERE number = ANY($1) ORDER BY number FOR UPDATE";
        sql::rows(tx.client, lock, &[&numbers]).await?;
        let rows = sql::rows(tx.client, "SELECT * FROM delivery_rows WHERE number = ANY($1)", &[&numbers]).await?;
        for row in &rows {
            let row = read(row)?;
            self.rows.entry(row.number).or_insert(row);
        }
        Ok(())
    }

    /// A delivery by its id.
    pub fn of_id(&self, id: DeliveryId) -> Option<&DeliveryRow> {
        self.rows.get(&ids::delivery_row(id.0)).filter(|row| row.id == id)
    }

    /// A delivery, to change it.
    pub fn change(&mut self, number: i64) -> Option<&mut DeliveryRow> {
        self.changed.push(number);
        self.rows.get_mut(&number)
    }

    /// All of them, in their order.
    pub fn all(&self) -> impl Iterator<Item = &DeliveryRow> {
        self.rows.values()
    }

    /// The delivery of a lease, if it is in this state and the lease is its last one.
    pub fn held(&self, lease: &Lease, state: DeliveryState) -> Option<&DeliveryRow> {
        let row = self.rows.get(&ids::delivery_row(lease.delivery.id.0))?;
        (row.is_leased && row.token == lease.token && row.state == state).then_some(row)
    }

    /// The deliveries of an operation to a sink that are neither delivered nor dead, in their order.
    pub fn unsettled_of<'a>(&'a self, sink: &'a SinkName, operation: i64) -> impl Iterator<Item = &'a DeliveryRow> {
        self.all().filter(move |row| row.operation == Some(operation) && row.sink == *sink && row.state.is_waiting())
    }

    /// Writes those that changed.
    pub async fn flush(mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        self.changed.sort_unstable();
        self.changed.dedup();
        let changed: Vec<&DeliveryRow> = self.changed.iter().filter_map(|number| self.rows.get(number)).collect();
        for row in changed.iter().filter(|row| row.table == Table::None) {
            tx.effects.no_longer_fresh(row.number);
        }
        let of = |table: Table| changed.iter().copied().filter(move |row| row.goes_to() == table).collect::<Vec<_>>();
        leave(tx, &changed).await?;
        move_to_sinks(tx, &changed).await?;
        settle(tx, &of(Table::Settled)).await?;
        bury(tx, &of(Table::Dead)).await?;
        wait(tx, &of(Table::Waiting)).await
    }
}

impl DeliveryRow {
    fn goes_to(&self) -> Table {
        match self.state {
            DeliveryState::Open | DeliveryState::Blocked => Table::Waiting,
            DeliveryState::Delivered => Table::Settled,
            DeliveryState::Dead => Table::Dead,
        }
    }
}

fn read(row: &Row) -> Result<DeliveryRow, Failure> {
    let times: (Option<i64>, Option<i64>) = (get(row, "started_at")?, get(row, "took")?);
    let exchange = get(row, "exchange")?;
    let sink = sink(row, "sink")?;
    Ok(DeliveryRow {
        number: get(row, "number")?,
        id: delivery_id(row, "id")?,
        operation: get(row, "operation")?,
        was_sent_to: sink.clone(),
        sink,
        route: text_of(row, "route")?,
        captures: maybe_text(row, "captures")?,
        resend_of: get::<Option<Uuid>>(row, "resend_of")?.map(DeliveryId),
        state: state(row)?,
        at: get(row, "at")?,
        is_leased: get(row, "is_leased")?,
        token: get(row, "token")?,
        n_attempts: get(row, "n_attempts")?,
        reason: maybe_text(row, "reason")?,
        success: times.0.zip(times.1).map(|(started_at, took)| (started_at, took, exchange)),
        settled_at: get(row, "settled_at")?,
        table: match get::<i16>(row, "place")? {
            1 => Table::Waiting,
            2 => Table::Settled,
            3 => Table::Dead,
            _ => Table::None,
        },
    })
}

/// Takes deliveries out of the tables that they leave.
async fn leave(tx: &Tx<'_>, changed: &[&DeliveryRow]) -> Result<(), Failure> {
    for (table, statement) in [
        (Table::Waiting, "DELETE FROM waiting WHERE number = ANY($1)"),
        (Table::Dead, "DELETE FROM dead WHERE number = ANY($1)"),
        (Table::Settled, "DELETE FROM settled WHERE number = ANY($1)"),
    ] {
        let leaving = changed.iter().filter(|row| row.table == table && row.goes_to() != table);
        let leaving: Vec<i64> = leaving.map(|row| row.number).collect();
        if !leaving.is_empty() {
            sql::execute(tx.client, statement, &[&leaving]).await?;
        }
    }
    Ok(())
}

async fn move_to_sinks(tx: &Tx<'_>, changed: &[&DeliveryRow]) -> Result<(), Failure> {
    let moved: Vec<&&DeliveryRow> = changed.iter().filter(|row| row.sink != row.was_sent_to).collect();
    if moved.is_empty() {
        return Ok(());
    }
    let number: Vec<_> = moved.iter().map(|row| row.number).collect();
    let sink: Vec<_> = moved.iter().map(|row| text::stored(row.sink.as_str())).collect();
    let statement = "UPDATE deliveries d SET sink = new.sink FROM unnest($1::bigint[], $2::text[]) AS new (number, sink) \
                     WHERE d.number = new.number";
    sql::execute(tx.client, statement, &[&number, &sink]).await.map(drop)
}

async fn settle(tx: &Tx<'_>, rows: &[&DeliveryRow]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let statement = "INSERT INTO settled (number, at, settled_at, started_at, took, exchange, n_attempts, reason) \
        SELECT number, at, settled_at, started_at, took, exchange, n_attempts, reason FROM unnest($1::bigint[], \
        $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[]) \
        AS new (number, at, settled_at, started_at, took, exchange, n_attempts, reason)";
    let success = |row: &DeliveryRow| row.success.unwrap_or_default();
    let (number, at) = (column(rows, |row| row.number), column(rows, |row| row.at));
    let settled_at = column(rows, |row| row.settled_at.unwrap_or_default());
    let (started_at, took) = (column(rows, |row| success(row).0), column(rows, |row| success(row).1));
    let (exchange, n_attempts) = (column(rows, |row| success(row).2), column(rows, |row| row.n_attempts));
    let reason = column(rows, |row| row.reason.as_deref().map(|it| text::stored(it).into_owned()));
    let values: Values<'_> = &[&number, &at, &settled_at, &started_at, &took, &exchange, &n_attempts, &reason];
    sql::execute(tx.client, statement, values).await.map(drop)
}

async fn bury(tx: &Tx<'_>, rows: &[&DeliveryRow]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let statement = "INSERT INTO dead (number, sink, at, settled_at, token, n_attempts, reason) \
        SELECT number, sink, at, settled_at, token, n_attempts, reason FROM unnest($1::bigint[], $2::text[], \
        $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[]) \
        AS new (number, sink, at, settled_at, token, n_attempts, reason) \
        ON CONFLICT (number) DO UPDATE SET sink = excluded.sink";
    let (number, sink) =
        (column(rows, |row| row.number), column(rows, |row| text::stored(row.sink.as_str()).into_owned()));
    let (at, settled_at) = (column(rows, |row| row.at), column(rows, |row| row.settled_at.unwrap_or_default()));
    let (token, n_attempts) = (column(rows, |row| row.token), column(rows, |row| row.n_attempts));
    let reason = column(rows, |row| row.reason.as_deref().map(|it| text::stored(it).into_owned()));
    let values: Values<'_> = &[&number, &sink, &at, &settled_at, &token, &n_attempts, &reason];
    sql::execute(tx.client, statement, values).await.map(drop)
}

async fn wait(tx: &Tx<'_>, rows: &[&DeliveryRow]) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let statement = "INSERT INTO waiting (number, sink, operation, state, at, is_leased, token, n_attempts, reason, epoch) \
        SELECT number, sink, operation, state, at, is_leased, token, n_attempts, reason, $10 \
        FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::smallint[], $5::bigint[], $6::boolean[], $7::bigint[], \
        $8::bigint[], $9::text[]) AS new (number, sink, operation, state, at, is_leased, token, n_attempts, reason) \
        ON CONFLICT (number) DO UPDATE SET sink = excluded.sink, state = excluded.state, at = excluded.at, \
        is_leased = excluded.is_leased, token = excluded.token, n_attempts = excluded.n_attempts, reason = excluded.reason";
    let (number, sink) =
        (column(rows, |row| row.number), column(rows, |row| text::stored(row.sink.as_str()).into_owned()));
    let (operation, state) = (column(rows, |row| row.operation), column(rows, |row| state_number(row.state)));
    let (at, is_leased) = (column(rows, |row| row.at), column(rows, |row| row.is_leased));
    let (token, n_attempts) = (column(rows, |row| row.token), column(rows, |row| row.n_attempts));
    let reason = column(rows, |row| row.reason.as_deref().map(|it| text::stored(it).into_owned()));
    let epoch = tx.shared.epoch.number;
    let values: Values<'_> =
        &[&number, &sink, &operation, &state, &at, &is_leased, &token, &n_attempts, &reason, &epoch];
    sql::execute(tx.client, statement, values).await.map(drop)
}

fn column<T>(rows: &[&DeliveryRow], value: impl Fn(&DeliveryRow) -> T) -> Vec<T> {
    rows.iter().map(|row| value(row)).collect()
}
