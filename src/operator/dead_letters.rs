//! Dead letters: deliveries that failed for good. They can be replayed one by one, for one sink, or all together.

use jiff::Timestamp;

use super::{DeliveryOfEvent, Operator, OperatorError};
use crate::domain::{DeliveryId, SinkName};
use crate::store::{Counted, DeadFilter, DeadLetters, DeliveryState, LoggedDelivery, Newest, Page, StoreError};

/// How many dead letters a round replays. A round is one request, so it must be short.
const ROUND: usize = 500;

/// The most rows that a count looks at.
pub const MOST_COUNTED: usize = 20_000;

/// The result of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayRound {
    /// How many dead letters are due again.
    pub n_replayed: u64,
    /// The `until` of the next round; `None`: it was the last.
    pub next: Option<Timestamp>,
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
            let n = self.n_dead_letters(&DeadFilter { sink: sink.clone(), ..DeadFilter::default() }).await?.n;
            if n != found {
                return Err(OperatorError::CountDiffers { found, n });
            }
        }
        let which = sink.clone().map_or(DeadLetters::All, DeadLetters::OfSink);
        let n = self.store.replay_dead(which).await?;
        self.end_own_pauses(sink.as_ref());
        tracing::info!(caller = who, ?sink, n_deliveries = n, "dead letters were replayed");
        Ok(n)
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

    /// Makes a round of the dead letters due again that are meant and are dead letters since `until` or longer, so that
    /// those that fail again meanwhile are left out. The earliest of each sink come first.
    ///
    /// # Errors
    /// The store failed: some may be due again. The caller may ask for the same round again.
    pub async fn replay_round(
        &self,
        which: &DeadFilter,
        until: Option<Timestamp>,
        who: &str,
    ) -> Result<ReplayRound, OperatorError> {
        let until = until.unwrap_or_else(|| self.clock.now());
        let sinks = match &which.sink {
            Some(sink) => vec![sink.clone()],
            None => self.store.backlog().await?.into_keys().collect(),
        };
        let mut ids = Vec::new();
        for sink in sinks {
            let of_sink = DeadFilter { sink: Some(sink), until: Some(until), ..which.clone() };
            ids.extend(self.store.dead_ids(&of_sink, ROUND - ids.len()).await?);
            if ids.len() == ROUND {
                break;
            }
        }
        let next = (ids.len() == ROUND).then_some(until);
        let n_replayed = self.replay_these(ids, who).await?;
        Ok(ReplayRound { n_replayed, next })
    }

    fn end_own_pauses(&self, sink: Option<&SinkName>) {
        for name in self.running.now().sink_names().iter().filter(|name| sink.is_none_or(|sink| sink == *name)) {
            self.pauses.end_own(name);
        }
    }
}
