//! Attempts now: an operator who knows that a destination works again does not wait for the schedule.

use super::{Operator, OperatorError};
use crate::domain::{DeliveryId, SinkName};
use crate::store::{DeliveryState, MadeDue};

/// All that waits for a sink is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllDue {
    /// How many deliveries are due: those that waited for their next attempt, and those that were due already.
    pub n_due: u64,
    /// How many deliveries wait, including those that were due already and those behind an earlier one.
    pub n_waiting: u64,
    /// Whether an operator paused the sink: then nothing is attempted before somebody resumes it.
    pub is_paused: bool,
}

/// A delivery is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneDue {
    /// The delivery that is attempted: the requested one, or the earlier one of its operation that it waits for.
    pub first: DeliveryId,
    /// Whether an operator paused the sink: then nothing is attempted before somebody resumes it.
    pub is_paused: bool,
}

impl Operator {
    /// Makes all that waits for a sink due, and ends the pause that the destination asked for. An operator's pause stays.
    /// Attempts go on being counted, and the deliveries of an operation keep their order.
    ///
    /// # Errors
    /// The config does not have the sink, or the store failed: the caller may try again.
    pub async fn attempt_all(&self, sink: &SinkName, who: &str) -> Result<AllDue, OperatorError> {
        let n_waiting = self.sink_summary(sink).await?.n_open;
        self.must_be_configured(sink)?;
        let n_due_before = self.store.n_due(sink).await?;
        let n_due = n_due_before + self.store.make_due(sink).await?;
        self.pauses.end_own(sink);
        let is_paused = self.pauses.is_paused(sink);
        tracing::info!(caller = who, %sink, n_due, n_waiting, is_paused, "all waiting deliveries of a sink were made due");
        Ok(AllDue { n_due, n_waiting, is_paused })
    }

    /// Makes one delivery due, and ends the pause that its destination asked for. If the delivery waits for an earlier one
    /// of its operation, that one is made due.
    ///
    /// # Errors
    /// No delivery has this id, it is being attempted, it is settled, the config does not have its sink, or the store
    /// failed. Nothing was changed.
    pub async fn attempt_one(&self, id: DeliveryId, who: &str) -> Result<OneDue, OperatorError> {
        let sink = self.store.delivery(id).await?.ok_or(OperatorError::Missing)?.sink;
        self.must_be_configured(&sink)?;
        let first = match self.store.make_one_due(id).await?.ok_or(OperatorError::Missing)? {
            MadeDue::Due(first) => first,
            MadeDue::UnderWay(first) => return Err(OperatorError::UnderWay(first)),
            MadeDue::Settled(DeliveryState::Delivered) => return Err(OperatorError::Delivered),
            MadeDue::Settled(_) => return Err(OperatorError::IsDead),
        };
        self.pauses.end_own(&sink);
        let is_paused = self.pauses.is_paused(&sink);
        tracing::info!(caller = who, delivery = %id, %first, %sink, is_paused, "a delivery was made due");
        Ok(OneDue { first, is_paused })
    }
}
