//! Settling: outcomes of attempts, of many callers in one transaction; and leases that are handed back.
//!
//! **Invariants**
//! 1. An outcome changes a delivery only with the token of its last lease.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::deliveries::Deliveries;
use super::exchanges::{self, Failed};
use super::lists;
use crate::domain::{Lease, Outcome, Settlement, SinkName};
use crate::store::decisions::leases::Lost;
use crate::store::instants::micros;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::shared::Shared;
use crate::store::postgres::engine::sql::{self, get};
use crate::store::postgres::engine::text;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::{DeliveryState, SinkCondition, StoreError, ids};

/// Outcomes that are being recorded.
pub struct Settle {
    outcomes: Arc<[Outcome]>,
    /// The exchanges to keep, each at the place of its outcome.
    sealed: Vec<Option<Vec<u8>>>,
    condition: Option<SinkCondition>,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Settle {
    /// Outcomes, and what they say about their sink. `reply` is told once they are recorded.
    pub fn new(
        (outcomes, condition): (Arc<[Outcome]>, Option<SinkCondition>),
        shared: &Shared,
        reply: oneshot::Sender<Result<(), StoreError>>,
    ) -> Self {
        let sealed = exchanges::sealed(shared, &outcomes);
        Self { outcomes, sealed, condition, reply }
    }

    /// Its rough size in memory, beside the deliveries.
    pub fn n_bytes(&self) -> usize {
        self.sealed.iter().flatten().map(Vec::len).sum()
    }

    /// Tells who waits.
    pub fn finish(self, outcome: Result<(), StoreError>) {
        let _ = self.reply.send(outcome);
    }
}

/// Records outcomes.
pub async fn run(settles: &[&Settle], tx: &mut Tx<'_>) -> Result<(), Failure> {
    if settles.is_empty() {
        return Ok(());
    }
    let outcomes = || settles.iter().flat_map(|settle| settle.outcomes.iter());
    let numbers: Vec<i64> = outcomes().map(|outcome| number_of(&outcome.lease)).collect();
    let mut deliveries = Deliveries::load(tx, &numbers).await?;
    add_next(tx, &mut deliveries).await?;
    let (mut failed, mut kept) = (Vec::new(), Vec::new());
    for settle in settles {
        for (at, outcome) in settle.outcomes.iter().enumerate() {
            if !settle_one(tx, &mut deliveries, outcome) {
                continue;
            }
            failed.extend(failure_of(tx, outcome));
            if let Some(Some(sealed)) = settle.sealed.get(at) {
                kept.push((outcome, &sealed[..]));
            }
        }
    }
    deliveries.flush(tx).await?;
    exchanges::note_failures(tx, &failed).await?;
    exchanges::add(tx, &kept).await?;
    for condition in settles.iter().filter_map(|settle| settle.condition.as_ref()) {
        lists::keep_condition(tx, condition).await?;
    }
    Ok(())
}

fn number_of(lease: &Lease) -> i64 {
    ids::delivery_row(lease.delivery.id.0)
}

/// Reads the first delivery behind those that were read, of each of their operations and sinks: it may be unblocked.
pub async fn add_next(tx: &Tx<'_>, deliveries: &mut Deliveries) -> Result<(), Failure> {
    let mut pairs: Vec<(i64, &SinkName)> =
        deliveries.all().filter_map(|row| Some((row.operation?, &row.sink))).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let operations: Vec<i64> = pairs.iter().map(|(operation, _)| *operation).collect();
    let sinks: Vec<Cow<'_, str>> = pairs.iter().map(|(_, sink)| text::stored(sink.as_str())).collect();
    if operations.is_empty() {
        return Ok(());
    }
    let known: Vec<i64> = deliveries.all().map(|row| row.number).collect();
    let statement = "SELECT f.number FROM unnest($1::bigint[], $2::text[]) AS p (operation, sink) CROSS JOIN LATERAL \
        (SELECT number FROM waiting w WHERE w.operation = p.operation AND w.sink = p.sink AND w.number <> ALL($3) \
         ORDER BY w.number LIMIT 1) f";
    let rows = sql::rows(tx.client, statement, &[&operations, &sinks, &known]).await?;
    let next = rows.iter().map(|row| get(row, "number")).collect::<Result<Vec<i64>, _>>()?;
    deliveries.add(tx, &next).await
}

/// Returns whether the outcome was recorded.
fn settle_one(tx: &mut Tx<'_>, deliveries: &mut Deliveries, outcome: &Outcome) -> bool {
    let Outcome { lease, settlement, .. } = outcome;
    if !record(tx, deliveries, (outcome, DeliveryState::Open)) {
        // It was attempted behind a delivery that is not settled: an operator replayed an earlier one meanwhile.
        return lease.follows && record(tx, deliveries, (outcome, DeliveryState::Blocked));
    }
    if !matches!(settlement, Settlement::RetryAt { .. }) {
        unblock_next(tx, deliveries, number_of(lease));
    }
    true
}

/// Records an outcome if its delivery is in this state. Returns whether it is.
fn record(tx: &Tx<'_>, deliveries: &mut Deliveries, (outcome, state): (&Outcome, DeliveryState)) -> bool {
    let Outcome { lease, attempt, settlement } = outcome;
    if deliveries.held(lease, state).is_none() {
        return false;
    }
    let Some(row) = deliveries.change(number_of(lease)) else { return false };
    row.is_leased = false;
    row.n_attempts += 1;
    let (to, at, reason) = match settlement {
        Settlement::Delivered => (DeliveryState::Delivered, tx.wall, None),
        Settlement::RetryAt { at, reason } => (state, at.as_microsecond(), Some(reason)),
        Settlement::Dead { reason } => (DeliveryState::Dead, tx.wall, Some(reason)),
    };
    (row.state, row.at) = (to, at);
    row.settled_at = if to == state { None } else { Some(tx.steady) };
    match reason {
        Some(reason) => row.reason = Some(reason.clone()),
        None => {
            let exchange = exchanges::keeping(tx.shared, outcome);
            row.success = Some((attempt.started_at.as_microsecond(), micros(attempt.took), exchange));
        }
    }
    true
}

fn failure_of<'a>(tx: &Tx<'_>, outcome: &'a Outcome) -> Option<Failed<'a>> {
    let reason = match &outcome.settlement {
        Settlement::Delivered => return None,
        Settlement::RetryAt { reason, .. } | Settlement::Dead { reason } => reason,
    };
    Some(Failed { outcome, reason, exchange: exchanges::keeping(tx.shared, outcome) })
}

/// Unblocks the earliest delivery that waits behind a settled one. If the same holder leased it, it stays leased.
pub fn unblock_next(tx: &mut Tx<'_>, deliveries: &mut Deliveries, settled: i64) {
    let Some(row) = deliveries.all().find(|row| row.number == settled) else { return };
    let (sink, Some(operation)) = (row.sink.clone(), row.operation) else { return };
    let Some(next) = deliveries.unsettled_of(&sink, operation).next() else { return };
    if next.state != DeliveryState::Blocked {
        return;
    }
    let (number, is_held) = (next.number, next.is_leased && next.at > tx.steady);
    let Some(row) = deliveries.change(number) else { return };
    row.state = DeliveryState::Open;
    if !is_held {
        (row.is_leased, row.at) = (false, tx.steady);
        tx.effects.wake(&sink);
    }
}

/// Hands leases back: due again at an instant of steady time.
pub struct Release {
    /// The leases.
    pub leases: Vec<Lease>,
    /// In microseconds.
    pub due_at: i64,
}

#[async_trait]
impl Work for Release {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let numbers: Vec<i64> = self.leases.iter().map(number_of).collect();
        let mut deliveries = Deliveries::load(tx, &numbers).await?;
        for lease in &self.leases {
            let is_held = [DeliveryState::Open, DeliveryState::Blocked].map(|it| deliveries.held(lease, it).is_some());
            if is_held == [false, false] {
                continue;
            }
            if let Some(row) = deliveries.change(number_of(lease)) {
                (row.is_leased, row.at) = (false, self.due_at);
                tx.effects.wake(&lease.delivery.sink);
            }
        }
        deliveries.flush(tx).await
    }
}

/// Makes leased deliveries whose events cannot be read dead letters: no attempt was made.
pub struct GiveUp {
    /// Those.
    pub lost: Vec<Lost>,
}

#[async_trait]
impl Work for GiveUp {
    type Done = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), Failure> {
        let numbers: Vec<i64> = self.lost.iter().map(|it| it.number).collect();
        let mut deliveries = Deliveries::load(tx, &numbers).await?;
        add_next(tx, &mut deliveries).await?;
        for Lost { number, token, reason } in &self.lost {
            let (wall, steady) = (tx.wall, tx.steady);
            let is_held = |it: &&super::deliveries::DeliveryRow| {
                it.number == *number && it.is_leased && it.token == *token && it.state.is_waiting()
            };
            let Some(was_open) = deliveries.all().find(is_held).map(|row| row.state == DeliveryState::Open) else {
                continue;
            };
            if let Some(row) = deliveries.change(*number) {
                (row.state, row.is_leased, row.at) = (DeliveryState::Dead, false, wall);
                (row.settled_at, row.reason) = (Some(steady), Some(reason.clone()));
            }
            if was_open {
                unblock_next(tx, &mut deliveries, *number);
            }
        }
        deliveries.flush(tx).await
    }
}
