//! Events that no route matched. They are kept, and routed again after the routes were corrected.

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{Operator, OperatorError};
use crate::domain::EventId;
use crate::store::{EventView, Newest, StoreError};

/// How many events one round routes: a round is one request, and stays short.
const ROUND: usize = 500;
/// How many of them are with the store at a time.
const AT_A_TIME: usize = 64;

/// Where a round of routing begins, and where the last one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// After this event.
    pub after: EventId,
    /// Events that arrived later are left: the server may take them in faster than they are routed.
    pub until: Timestamp,
}

/// What a round of routing came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// How many events were looked at.
    pub n_events: usize,
    /// How many of them matched.
    pub n_matched: usize,
    /// How many deliveries are due.
    pub n_deliveries: usize,
    /// Where the next round begins; `None`: there is none.
    pub next: Option<Place>,
}

impl Operator {
    /// Events that matched no route: a page, the newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn unmatched(&self, page: Newest<EventId>) -> Result<Vec<EventView>, StoreError> {
        self.store.unmatched(page).await
    }

    /// Routes an event by the config that runs. Returns how many deliveries are due.
    ///
    /// # Errors
    /// There is no such event, no route matches it, it has deliveries already, or the store failed: nothing was changed.
    pub async fn route_again(&self, id: EventId, who: &str) -> Result<usize, OperatorError> {
        let event = self.event(id).await?;
        let deliveries = self.routes.matches(&event.routing_key());
        if deliveries.is_empty() {
            return Err(OperatorError::NoRouteMatches);
        }
        let n = self.store.route_again(id, deliveries).await?;
        if n == 0 {
            return Err(OperatorError::AlreadyRouted);
        }
        tracing::info!(who, event = %id, n, "an unmatched event is routed");
        Ok(n)
    }

    /// Routes a round of the unmatched events by the config that runs, the oldest first, so that those of one operation keep
    /// their order.
    ///
    /// # Errors
    /// The store failed: events before the failure are routed, and the same round may be asked for again.
    pub async fn route_some_again(&self, from: Option<Place>, who: &str) -> Result<Routed, OperatorError> {
        let until = from.map_or_else(|| self.clock.now(), |from| from.until);
        let page = self.store.unmatched_after(from.map(|from| from.after), ROUND).await?;
        let mut routed = Routed::default();
        let last = page.last().filter(|last| page.len() == ROUND && last.received_at <= until).map(|last| last.id);
        let events: Vec<EventView> = page.into_iter().filter(|event| event.received_at <= until).collect();
        routed.n_events = events.len();
        let matched = events.iter().filter_map(|event| {
            let deliveries = self.routes.matches(&event.routing_key());
            (!deliveries.is_empty()).then(|| self.store.route_again(event.id, deliveries))
        });
        // They are asked for in their order; the store writes many of them in one commit.
        let mut outcomes = stream::iter(matched).buffered(AT_A_TIME);
        while let Some(n) = outcomes.try_next().await? {
            routed.n_matched += usize::from(n > 0);
            routed.n_deliveries += n;
        }
        routed.next = last.map(|after| Place { after, until });
        let Routed { n_events, n_matched, n_deliveries, .. } = routed;
        tracing::info!(who, n_events, n_matched, n_deliveries, "unmatched events are routed");
        Ok(routed)
    }
}
