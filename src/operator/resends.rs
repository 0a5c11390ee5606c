//! Resends: a successful delivery is made once more, because its receiver lost the event. One, or in rounds all of a sink, a
//! route or a type since a time.

use jiff::Timestamp;

use super::{Bounds, Operator, OperatorError};
use crate::domain::{DeliveryId, RouteName, SinkName};
use crate::store::Delivered;

/// How many deliveries a round looks at. A round is one request, so it must be short.
const ROUND: usize = 500;
/// How many a round looks at that only counts.
const COUNTING_ROUND: usize = 5_000;

/// Which successful deliveries to make again. Resends are not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resend {
    /// Those to this sink; `None`: to any sink of the config.
    pub sink: Option<SinkName>,
    /// Those that were made because of this route.
    pub route: Option<RouteName>,
    /// Those of events of this type.
    pub kind: Option<String>,
    /// Those of events that arrived from this instant on.
    pub since: Timestamp,
    /// The sink that gets the events; `None`: the one that had them.
    pub to: Option<SinkName>,
}

/// The result of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResendRound {
    /// How many deliveries it looked at.
    pub n_seen: u64,
    /// How many of them are meant.
    pub n_found: u64,
    /// How many of them it makes again.
    pub n_resent: u64,
    /// The next round begins behind this delivery; `None`: it was the last round.
    pub next: Option<DeliveryId>,
}

/// A part of the deliveries.
struct Part {
    after: Option<DeliveryId>,
    until: Timestamp,
    limit: usize,
}

impl Operator {
    /// Makes one successful delivery again: to the sink that had it, or to another one. The new delivery has an id of its own
    /// and names the first one. Returns its id.
    ///
    /// # Errors
    /// No delivery has this id, it is not delivered, the config does not have the sink, the sink does not take the event,
    /// or the store failed. Nothing was changed.
    pub async fn resend_one(
        &self,
        id: DeliveryId,
        to: Option<SinkName>,
        who: &str,
    ) -> Result<DeliveryId, OperatorError> {
        let found = self.store.delivery(id).await?.ok_or(OperatorError::Missing)?;
        let sink = to.as_ref().unwrap_or(&found.sink).clone();
        self.must_be_configured(&sink)?;
        let kind = self.store.event(found.event).await?.map(|event| event.kind).unwrap_or_default();
        if !self.routes.takes(&sink, &kind) {
            return Err(OperatorError::NotTaken { sink, kind });
        }
        let resent = self.store.resend(vec![id], to).await?;
        let new = resent.first().ok_or(OperatorError::NotDelivered)?.id;
        tracing::info!(caller = who, delivery = %new, resend_of = %id, %sink, "a delivery is made again");
        Ok(new)
    }

    /// Makes a round of successful deliveries again, in the order in which their events arrived, from the first one on or behind `after`;
    /// those of one operation keep their order.
    ///
    /// # Errors
    /// The config does not have a sink, or the store failed. Some of the round may be made again.
    pub async fn resend_round(
        &self,
        which: &Resend,
        after: Option<DeliveryId>,
        bounds: Bounds,
        who: &str,
    ) -> Result<ResendRound, OperatorError> {
        let part = Part { after, until: bounds.until, limit: ROUND };
        let (mut round, mut found) = self.resend_search(which, part).await?;
        found.truncate(bounds.round(ROUND));
        round.n_resent = self.store.resend(found, which.to.clone()).await?.len() as u64;
        let ResendRound { n_seen, n_found, n_resent, .. } = round;
        round.next = round.next.filter(|_last| bounds.left > n_resent);
        tracing::info!(caller = who, ?which, n_seen, n_found, n_resent, "deliveries are made again");
        Ok(round)
    }

    /// Counts what a round would make again. Changes nothing.
    ///
    /// # Errors
    /// The config does not have a sink, or the store could not be read.
    pub async fn resend_count(
        &self,
        which: &Resend,
        after: Option<DeliveryId>,
        bounds: Bounds,
    ) -> Result<ResendRound, OperatorError> {
        let part = Part { after, until: bounds.until, limit: COUNTING_ROUND };
        Ok(self.resend_search(which, part).await?.0)
    }

    async fn resend_search(
        &self,
        which: &Resend,
        Part { after, until, limit }: Part,
    ) -> Result<(ResendRound, Vec<DeliveryId>), OperatorError> {
        for sink in which.sink.iter().filter(|_| which.to.is_none()).chain(&which.to) {
            self.must_be_configured(sink)?;
        }
        let Resend { sink, route, kind, since, .. } = which.clone();
        let delivered = Delivered { sink, route, kind, since, until, delivered_until: until };
        let looked = self.store.delivered(&delivered, after, limit).await?;
        // Nothing would deliver to a sink that was removed from the config, and some sinks take only some types.
        let takes = |sink: &SinkName, kind: &str| self.has_sink(sink) && self.routes.takes(sink, kind);
        let found: Vec<DeliveryId> = looked
            .found
            .into_iter()
            .filter(|it| takes(which.to.as_ref().unwrap_or(&it.sink), &it.kind))
            .map(|it| it.id)
            .collect();
        let (n_seen, n_found) = (looked.n_seen as u64, found.len() as u64);
        Ok((ResendRound { n_seen, n_found, n_resent: 0, next: looked.last }, found))
    }
}
