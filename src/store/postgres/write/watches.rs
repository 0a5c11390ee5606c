//! The watches: when an operation has to be reported, and what the report changes.

use std::sync::Arc;

use async_trait::async_trait;

use super::ended_calls::Ended;
use super::operations::{Keys, Operations, call_of};
use super::{placing, reports};
use crate::domain::{Expectation, ExpectationState, NewDelivery, Watch};
use crate::store::decisions::watching;
use crate::store::instants::instant;
use crate::store::postgres::engine::failure::Failure;
use crate::store::postgres::engine::tx::Tx;
use crate::store::postgres::engine::writer::Work;
use crate::store::postgres::read::operation::Stored;
use crate::store::{Due, Raised, Reception};

/// Moves the deadline of an operation, an instant of the machine's clock; `None` removes it.
pub fn set_deadline(tx: &mut Tx<'_>, operations: &mut Operations, number: i64, at: Option<i64>) {
    let at = at.map(|at| tx.in_steady_time(at));
    if let Some(stored) = operations.change(number) {
        stored.overdue_at = at;
    }
    if at.is_some() {
        tx.effects.watch_moved();
    }
}

/// Removes every watch of an operation.
pub fn clear(operations: &mut Operations, number: i64) {
    if let Some(stored) = operations.change(number) {
        (stored.overdue_at, stored.lost_at) = (None, None);
    }
}

/// Watches the operations of a call that has ended: an operation that does not end within the grace is lost.
pub fn call_ended(tx: &mut Tx<'_>, operations: &mut Operations, call_id: &str, ended_at: i64) {
    let at = tx.in_steady_time(ended_at).saturating_add(tx.shared.bounds.lost_after());
    let of_call = operations.all().filter(|it| call_of(&it.operation) == call_id);
    let numbers: Vec<i64> = of_call.map(|it| it.operation.number).collect();
    for number in numbers {
        watch_lost(tx, operations, number, at);
    }
}

/// Watches an operation that was just found to belong to an ended call. The notification of its end may be on its way,
/// so the grace begins now.
pub fn became_known(tx: &mut Tx<'_>, (operations, ended): (&mut Operations, &Ended), number: i64) {
    let at = tx.steady.saturating_add(tx.shared.bounds.lost_after());
    let call_id = operations.get(number).map(|it| call_of(&it.operation)).unwrap_or_default();
    if !call_id.is_empty() && ended.has(call_id) {
        watch_lost(tx, operations, number, at);
    }
}

/// Watches an operation until it is lost, unless it ended, is lost already, or is watched.
fn watch_lost(tx: &mut Tx<'_>, operations: &mut Operations, number: i64, at: i64) {
    let may_be_lost = |stored: &Stored| {
        let state = stored.operation.expectation.as_ref().map(|it| it.state);
        let is_open = !stored.operation.status.is_terminal() && state != Some(ExpectationState::Lost);
        is_open && stored.lost_at.is_none()
    };
    if operations.get(number).is_some_and(may_be_lost)
        && let Some(stored) = operations.change(number)
    {
        stored.lost_at = Some(at);
        tx.effects.watch_moved();
    }
}

/// Reports a due operation.
pub struct Raise {
    /// What is due.
    pub due: Due,
    /// Where its event goes, each sink once.
    pub deliveries: Vec<NewDelivery>,
    /// Since when notifications can be taken in.
    pub reception: Arc<Reception>,
}

#[async_trait]
impl Work for Raise {
    type Done = Raised;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Raised, Failure> {
        let number = self.due.operation.number;
        let keys = Keys { numbers: vec![number], ..Keys::default() };
        let mut operations = Operations::load(tx, &keys, true).await?;
        let raised = self.decide(tx, &mut operations);
        let mut events = Vec::new();
        if raised == Raised::Said {
            let about = reports::OfOperation { event: self.due.watch.event(), number, caused_by: None };
            events.push(reports::of_operation(tx, &operations, about)?);
        }
        operations.flush(tx).await?;
        for event in events {
            placing::add(tx, event, &self.deliveries).await?;
        }
        Ok(raised)
    }
}

impl Raise {
    fn decide(&self, tx: &mut Tx<'_>, operations: &mut Operations) -> Raised {
        let (number, watch, at) = (self.due.operation.number, self.due.watch, self.due.at.as_microsecond());
        let (state, earlier) = watching::states(watch);
        let Some(stored) = operations.get(number) else { return Raised::Nothing };
        let watched = if watch == Watch::Lost { stored.lost_at } else { stored.overdue_at };
        if watched != Some(at) {
            return Raised::Nothing;
        }
        let known = stored.operation.expectation.as_ref().map(|it| it.state);
        let may_be = known.is_none_or(|it| it == ExpectationState::Waiting || it == earlier);
        let may_be = may_be && !stored.operation.status.is_terminal();
        if tx.shared.is_full() {
            self.reception.begins_again();
        }
        let later = watching::put_off((watch, at), &self.reception, tx.shared.bounds.lost_after());
        let Some(stored) = operations.change(number) else { return Raised::Nothing };
        let watched = if watch == Watch::Lost { &mut stored.lost_at } else { &mut stored.overdue_at };
        *watched = if may_be { later } else { None };
        if !may_be {
            return Raised::Nothing;
        }
        if later.is_some() {
            tx.effects.watch_moved();
            return Raised::PutOff;
        }
        if watch == Watch::Lost {
            stored.overdue_at = None;
        }
        give_up(stored, state);
        stored.operation.version += 1;
        stored.operation.modified_at = instant(tx.wall);
        Raised::Said
    }
}

/// Stores that an operation is overdue or lost. An operation that nobody announced may be lost as well.
fn give_up(stored: &mut Stored, state: ExpectationState) {
    let id = stored.operation.id.clone();
    let none = || Expectation { id, state, announced_at: None, expected_by: None, metadata: None, sinks: Vec::new() };
    stored.operation.expectation.get_or_insert_with(none).state = state;
}
