//! What operators do with deliveries, beside the schedule: attempt them now, replay, resend, route, move and drop them.

use async_trait::async_trait;

use super::{DeliveryState, Resent, StoreError};
use crate::domain::{DeliveryId, EventId, NewDelivery, SinkName};

/// Which dead letters to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLetters {
    /// This one.
    One(DeliveryId),
    /// These, in this order. Those that are no dead letters are passed over.
    Some(Vec<DeliveryId>),
}

/// What became of an operator's wish to attempt one delivery now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeDue {
    /// This one is due now: the delivery itself, or the earlier one of its operation that it waits for.
    Due(DeliveryId),
    /// This one is being attempted: the delivery itself, or the one that it waits for.
    UnderWay(DeliveryId),
    /// It waits for nothing: it is delivered or a dead letter.
    Settled(DeliveryState),
}

/// Changes to deliveries that an operator asks for.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Makes the deliveries of a sink due that wait for their next attempt. Their attempts go on being counted. A
    /// delivery that waits behind an earlier one of its operation goes on waiting for it. Returns how many.
    ///
    /// # Errors
    /// Some may be due; the same may be asked for again.
    async fn make_due(&self, sink: &SinkName) -> Result<u64, StoreError>;

    /// How many deliveries of a sink are due and not under way.
    ///
    /// # Errors
    /// The database could not be read.
    async fn n_due(&self, sink: &SinkName) -> Result<u64, StoreError>;

    /// As [`Deliveries::make_due`], for one delivery. If it waits behind an earlier one of its operation, that one is made due. `None`: no
    /// delivery has this id.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn make_one_due(&self, id: DeliveryId) -> Result<Option<MadeDue>, StoreError>;

    /// Makes dead letters due again, with the same ids. Returns how many. Their attempts are counted from 1 again, so the
    /// retry schedule starts from the beginning. Several of one operation keep their order.
    ///
    /// # Errors
    /// Some may be due again; the same may be asked for again.
    async fn replay_dead(&self, which: DeadLetters) -> Result<u64, StoreError>;

    /// Has events delivered once more: for each of these deliveries that was delivered, makes a new one, to the same sink
    /// or to `to`. It has an id of its own, and names the first delivery of the event. Deliveries of one operation keep the
    /// order in which they are given. Those that were not delivered are passed over, and those whose sink does not take
    /// the event.
    ///
    /// # Errors
    /// Some may be sent again.
    async fn resend(&self, deliveries: Vec<DeliveryId>, to: Option<SinkName>) -> Result<Vec<Resent>, StoreError>;

    /// Adds deliveries to an event that matched no route. Returns how many were added: none, if none of the sinks takes the
    /// event. `None`: there is no such event, it is matched, or there is no delivery to add.
    ///
    /// # Errors
    /// Nothing was changed.
    async fn route_again(&self, id: EventId, deliveries: Vec<NewDelivery>) -> Result<Option<usize>, StoreError>;

    /// Has what waits for a sink wait for another one, under the same ids and in the same order. What is under way is left,
    /// and what waits behind it. Returns how many were moved.
    ///
    /// # Errors
    /// Some may have been moved; the same may be asked for again.
    async fn move_waiting(&self, from: &SinkName, to: &SinkName) -> Result<u64, StoreError>;

    /// Makes dead letters of what waits for a sink and is not under way. Returns how many.
    ///
    /// # Errors
    /// Some may be dead letters; the same may be asked for again.
    async fn drop_waiting(&self, sink: &SinkName) -> Result<u64, StoreError>;
}
