//! Events that matched no route. They are kept, and can be routed again after the routes were corrected.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Bounds, Operator, OperatorError};
use crate::domain::{EventId, NewDelivery};
use crate::store::{EventView, Newest, Page, StoreError, UnmatchedFilter};

/// How many events one round routes. A round is one request, so it must be short.
const ROUND: usize = 500;
/// How many of them the store handles at the same time.
const AT_A_TIME: usize = 64;

/// The result of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Routed {
    /// How many events it looked at.
    pub n_events: usize,
    /// How many of them matched.
    pub n_matched: usize,
    /// How many deliveries it made.
    pub n_deliveries: usize,
    /// The next round begins behind this event; `None`: no events are left.
    pub next: Option<EventId>,
}

impl Operator {
    /// A page of the unmatched events that are meant, newest first.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn unmatched(
        &self,
        which: &UnmatchedFilter,
        page: Newest<EventId>,
    ) -> Result<Page<EventView, EventId>, StoreError> {
        self.store.event_log(&which.into(), page).await
    }

    /// Routes these events with the current config. Those that match no route stay unmatched.
    ///
    /// # Errors
    /// The store failed: some may be routed.
    pub async fn route_these_again(&self, ids: &[EventId], who: &str) -> Result<Routed, OperatorError> {
        let mut routed = Routed { n_events: ids.len(), ..Routed::default() };
        for id in ids {
            match self.route_again(*id, who).await {
                Ok(n_deliveries) => {
                    routed.n_matched += 1;
                    routed.n_deliveries += n_deliveries;
                }
                Err(OperatorError::Missing | OperatorError::NoRouteMatches | OperatorError::AlreadyRouted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(routed)
    }

    /// Routes an event with the current config. Returns how many deliveries were made.
    ///
    /// # Errors
    /// There is no such event, no route matches it, it already has deliveries, or the store failed. Nothing was
    /// changed.
    pub async fn route_again(&self, id: EventId, who: &str) -> Result<usize, OperatorError> {
        let event = self.event(id).await?;
        let deliveries = self.routes.matches(&event.routing_key());
        if deliveries.is_empty() {
            return Err(OperatorError::NoRouteMatches);
        }
        let n = self.store.route_again(id, deliveries).await?.ok_or(OperatorError::AlreadyRouted)?;
        tracing::info!(caller = who, event = %id, n_deliveries = n, "an unmatched event was routed");
        Ok(n)
    }

    /// Routes a round of unmatched events with the current config, oldest first, so that those of one operation keep
    /// their order: the first ones, or those behind `after`.
    ///
    /// # Errors
    /// The store failed. The events before the failure are routed. The caller may ask for the same round again.
    pub async fn route_some_again(
        &self,
        which: &UnmatchedFilter,
        after: Option<EventId>,
        bounds: Bounds,
        who: &str,
    ) -> Result<Routed, OperatorError> {
        let (mut routed, mut matched) = self.match_some_again(which, after, bounds).await?;
        matched.truncate(bounds.round(ROUND));
        let matched: Vec<_> =
            matched.into_iter().map(|(id, deliveries)| self.store.route_again(id, deliveries)).collect();
        // They are sent in their order, and the store writes many of them in one commit.
        let mut outcomes = stream::iter(matched).buffered(AT_A_TIME);
        while let Some(n) = outcomes.try_next().await? {
            routed.n_matched += usize::from(n.is_some());
            routed.n_deliveries += n.unwrap_or_default();
        }
        routed.next = routed.next.filter(|_last| bounds.left > routed.n_matched as u64);
        let Routed { n_events, n_matched, n_deliveries, .. } = routed;
        tracing::info!(caller = who, n_events, n_matched, n_deliveries, "unmatched events were routed");
        Ok(routed)
    }

    /// Counts what a round would route. Changes nothing.
    ///
    /// # Errors
    /// The store could not be read.
    pub async fn count_some_again(
        &self,
        which: &UnmatchedFilter,
        after: Option<EventId>,
        bounds: Bounds,
    ) -> Result<Routed, OperatorError> {
        let (mut routed, matched) = self.match_some_again(which, after, bounds).await?;
        routed.n_matched = matched.len();
        Ok(routed)
    }

    /// Looks at a round of events that are meant; returns those that match a route now.
    async fn match_some_again(
        &self,
        which: &UnmatchedFilter,
        after: Option<EventId>,
        Bounds { until, .. }: Bounds,
    ) -> Result<(Routed, Vec<(EventId, Vec<NewDelivery>)>), OperatorError> {
        let page = self.store.unmatched_after(after, ROUND).await?;
        let next = page.last().filter(|last| page.len() == ROUND && last.received_at <= until).map(|last| last.id);
        let is_meant = |event: &EventView| event.received_at <= until && which.means(&event.kind, event.received_at);
        let events: Vec<EventView> = page.into_iter().filter(is_meant).collect();
        let routed = Routed { n_events: events.len(), next, ..Routed::default() };
        let matched = events.iter().filter_map(|event| {
            let deliveries = self.routes.matches(&event.routing_key());
            (!deliveries.is_empty()).then_some((event.id, deliveries))
        });
        Ok((routed, matched.collect()))
    }
}
