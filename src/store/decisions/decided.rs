//! The decisions about one accepted item; after the commit, its fresh deliveries go into the memory queues.

use std::sync::Arc;

use super::deliveries::FIRST_TOKEN;
use super::item::Item;
use crate::domain::{
    ClientContext, Delivery, DeliveryId, Envelope, Event, EventId, Held, Lease, NewDelivery, Origin, Previous,
    RepeatOf, Status,
};
use crate::store::Stored;
use crate::store::instants::instant;
use crate::store::process::Place;

/// The decisions about one item.
pub struct Decided {
    /// The result for the request.
    pub stored: Stored,
    /// For operations: the status before it.
    pub previous: Option<Status>,
    /// The metadata of the operation's expectation.
    pub metadata: Option<String>,
    /// The deliveries that the expectation asks for, or that the routes give for the operation's client context. They
    /// replace the deliveries that the notification alone is routed to.
    pub expected: Option<Vec<NewDelivery>>,
    /// The operation's client context, if the notification has none.
    pub client_context: Option<ClientContext>,
    /// The places to fill, each with its delivery.
    pub places: Vec<(Place, Fresh)>,
}

/// A delivery that was written as leased.
pub struct Fresh {
    /// The delivery's place in the list.
    pub number: usize,
    /// The delivery's id.
    pub id: DeliveryId,
    /// When its lease ends, in microseconds of steady time.
    pub expires_at: i64,
}

impl Decided {
    /// The decisions about an item that was accepted before.
    pub fn repeated(of: EventId, by: RepeatOf) -> Self {
        let (previous, metadata, expected, client_context, places) = Default::default();
        Self { stored: Stored::Duplicate { of, by }, previous, metadata, expected, client_context, places }
    }

    /// Puts the leases into the places. The event is the same as one read back from the disk.
    pub fn fill(self, item: Item, received_at: i64) {
        let Self { stored, previous, metadata, expected, client_context, places } = self;
        let Stored::New { order, possible_repeat, .. } = stored else { return };
        if places.is_empty() {
            return;
        }
        let notification = item.notification;
        let recording_access_token =
            notification.operation().and_then(|operation| operation.recording_access_token.clone());
        let event = Arc::new(Event {
            id: item.id,
            origin: Origin::Graph,
            kind: item.kind,
            number: item.seq,
            envelope: Envelope {
                channel: notification.channel,
                resource_type: notification.resource_type,
                tenant_id: notification.tenant_id,
                subscription_id: notification.subscription_id,
                carried: item.carried,
            },
            recording_access_token,
            secrets: notification.secrets,
            subject: Some(notification.resource).filter(|resource| !resource.is_empty()),
            time: instant(received_at),
            client_context: client_context.or(notification.client_context),
            order,
            previous: previous.map(|status| Previous { status }),
            possible_repeat,
            data: item.data,
            metadata,
        });
        let deliveries = expected.unwrap_or(item.deliveries);
        for (place, fresh) in places {
            let Some(new) = deliveries.get(fresh.number).cloned() else { continue };
            let event = Arc::clone(&event);
            place.fill(Lease {
                delivery: Delivery {
                    id: fresh.id,
                    sink: new.sink,
                    route: new.route,
                    captures: new.captures,
                    event,
                    attempt: 1,
                    resend_of: None,
                },
                expires_at: instant(fresh.expires_at),
                token: FIRST_TOKEN,
                follows: false,
                // The place holds the budget.
                held: Held::default(),
            });
        }
    }
}
