//! Dead letters: deliveries that failed for good. They can be replayed one by one, for one sink, or all together.

use std::collections::BTreeSet;

use super::{Bounds, DeliveryOfEvent, Operator, OperatorError};
use crate::domain::{DeliveryId, SinkName};
use crate::store::{
    Counted, DeadFilter, DeadKey, DeadLetters, DeliveryState, LoggedDelivery, Newest, Page, StoreError,
};

/// How many dead letters a round replays. A round is one request, so it must be short.
const ROUND: usize = 500;

/// The most rows that a count looks at.
pub const MOST_COUNTED: usize = 20_000;

/// The result of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayRound {
    /// How many dead letters are due again.
    pub n_replayed: u64,
    /// The next round begins behind this dead letter; `None`: it was the last round.
    pub next: Option<DeadKey>,
}

impl Operator {
    /// A page of the dead letters that are meant, those of the newest event first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn dead_letters(
        &self,
        which: &DeadFilter,
        page: Newest<DeliveryId>,
    ) -> Result<Page<LoggedDelivery, DeliveryId>, StoreError> {
        self.store.dead_letters(which, page).await
    }

    /// The number of dead letters that are meant. With a reason or a time it looks at [`MOST_COUNTED`] at most.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn n_dead_letters(&self, which: &DeadFilter) -> Result<Counted, StoreError> {
        let DeadFilter { sink, reason, since, until } = which;
        if reason.is_some() || since.is_some() || until.is_some() {
            return self.store.count_dead(which, MOST_COUNTED).await;
        }
        let backlogs = self.store.backlog().await?;
        let wanted = backlogs.iter().filter(|(name, _)| sink.as_ref().is_none_or(|sink| sink == *name));
        Ok(Counted { n: wanted.map(|(_, backlog)| backlog.n_dead).sum(), is_all: true })
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

    /// Makes all dead letters due again that are meant, in rounds. They keep their delivery ids. Those that fail again
    /// meanwhile are left out. Returns how many.
    ///
    /// # Errors
    /// The store failed: some may be due again.
    pub async fn replay_all(&self, which: &DeadFilter, bounds: Bounds, who: &str) -> Result<u64, OperatorError> {
        let (mut n, mut after) = (0, None);
        loop {
            let round = self.replay_round(which, after, bounds.less(n), who).await?;
            n += round.n_replayed;
            after = round.next;
            if after.is_none() {
                return Ok(n);
            }
        }
    }

    /// Makes these dead letters due again; those that are no dead letters any more are passed over. Returns how many. The
    /// caller gives those of one operation in the order of their events.
    ///
    /// # Errors
    /// The store failed: some may be due again.
    pub async fn replay_these(&self, ids: Vec<DeliveryId>, who: &str) -> Result<u64, OperatorError> {
        let n = self.store.replay_dead(DeadLetters::Some(ids)).await?;
        self.end_own_pauses(None);
        tracing::info!(caller = who, n_deliveries = n, "dead letters were replayed");
        Ok(n)
    }

    /// Makes a round of the dead letters due again that are meant: those behind `after`, sink by sink, the earliest of each
    /// first.
    ///
    /// # Errors
    /// The store failed: some may be due again. The caller may ask for the same round again.
    pub async fn replay_round(
        &self,
        which: &DeadFilter,
        after: Option<DeadKey>,
        bounds: Bounds,
        who: &str,
    ) -> Result<ReplayRound, OperatorError> {
        let (which, limit) = (DeadFilter { until: Some(bounds.until), ..which.clone() }, bounds.round(ROUND));
        let keys = self.store.dead_keys(&which, after.as_ref(), limit).await?;
        let Some(last) = keys.last().cloned() else { return Ok(ReplayRound { n_replayed: 0, next: None }) };
        let is_last = keys.len() < limit;
        let sinks: BTreeSet<SinkName> = keys.iter().map(|key| key.sink.clone()).collect();
        let ids = keys.into_iter().map(|key| key.id).collect();
        let n_replayed = self.store.replay_dead(DeadLetters::Some(ids)).await?;
        sinks.iter().for_each(|sink| self.end_own_pauses(Some(sink)));
        tracing::info!(caller = who, ?which, n_deliveries = n_replayed, "dead letters were replayed");
        Ok(ReplayRound { n_replayed, next: Some(last).filter(|_last| !is_last && bounds.left > n_replayed) })
    }

    fn end_own_pauses(&self, sink: Option<&SinkName>) {
        for name in self.running.now().sink_names().iter().filter(|name| sink.is_none_or(|sink| sink == *name)) {
            self.pauses.end_own(name);
        }
    }
}
