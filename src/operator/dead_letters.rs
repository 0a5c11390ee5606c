//! Dead letters: deliveries that failed for good. They can be replayed one by one, for one sink, or all together.

use super::{DeliveryOfEvent, Operator, OperatorError};
use crate::domain::{DeliveryId, SinkName};
use crate::store::{DeadLetters, DeliveryState, DeliveryView, Newest, StoreError};

impl Operator {
    /// A page of dead letters, newest first, of one sink or of all.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn dead_letters(
        &self,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryView>, StoreError> {
        self.store.deliveries(DeliveryState::Dead, sink, page).await
    }

    /// The same, each with its event.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn dead_letters_with_events(
        &self,
        sink: Option<&SinkName>,
        page: Newest<DeliveryId>,
    ) -> Result<Vec<DeliveryOfEvent>, StoreError> {
        let mut letters = Vec::new();
        for delivery in self.dead_letters(sink, page).await? {
            letters.push(self.with_event(delivery).await?);
        }
        Ok(letters)
    }

    /// The number of dead letters, of one sink or of all.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn n_dead_letters(&self, sink: Option<&SinkName>) -> Result<u64, StoreError> {
        let backlogs = self.store.backlog().await?;
        let wanted = backlogs.iter().filter(|(name, _)| sink.is_none_or(|sink| sink == *name));
        Ok(wanted.map(|(_, backlog)| backlog.n_dead).sum())
    }

    /// One dead letter with its event.
    ///
    /// # Errors
    /// No dead letter has this id, or the store could not be read.
    pub async fn dead_letter(&self, id: DeliveryId) -> Result<DeliveryOfEvent, OperatorError> {
        let found = self.delivery(id).await?;
        if found.delivery.state == DeliveryState::Dead { Ok(found) } else { Err(OperatorError::Missing) }
    }

    /// Makes one dead letter due again. It keeps its delivery id.
    ///
    /// # Errors
    /// No delivery has this id, it is not a dead letter, or the store failed. Nothing was changed.
    pub async fn replay_one(&self, id: DeliveryId, who: &str) -> Result<(), OperatorError> {
        let letter = self.store.delivery(id).await?.ok_or(OperatorError::Missing)?;
        if self.store.replay_dead(DeadLetters::One(id)).await? == 0 {
            return Err(OperatorError::NotDead);
        }
        self.pauses.end_own(&letter.sink);
        tracing::info!(caller = who, delivery = %id, sink = %letter.sink, "a dead letter was replayed");
        Ok(())
    }

    /// Makes the dead letters of one sink, or of all, due again. They keep their delivery ids. If `count` is given and
    /// differs from the present number, nothing is done: so a filter that matches more than intended changes nothing.
    ///
    /// # Errors
    /// The count differs, or the store failed. Nothing was changed.
    pub async fn replay_all(
        &self,
        sink: Option<SinkName>,
        count: Option<u64>,
        who: &str,
    ) -> Result<u64, OperatorError> {
        if let Some(found) = count {
            let n = self.n_dead_letters(sink.as_ref()).await?;
            if n != found {
                return Err(OperatorError::CountDiffers { found, n });
            }
        }
        let which = sink.map_or(DeadLetters::All, DeadLetters::OfSink);
        let n = self.store.replay_dead(which.clone()).await?;
        for name in self.running.now().sink_names() {
            if matches!(&which, DeadLetters::OfSink(sink) if *sink != name) {
                continue;
            }
            self.pauses.end_own(&name);
        }
        tracing::info!(caller = who, ?which, n_deliveries = n, "dead letters were replayed");
        Ok(n)
    }
}
