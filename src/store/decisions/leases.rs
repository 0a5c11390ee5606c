//! Leased deliveries with their events.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Delivery, DeliveryId, Event, Held, Lease, RouteName, SinkName};
use crate::store::instants::instant;

/// A leased delivery, without its event.
pub struct Leased {
    /// The delivery's row.
    pub number: i64,
    /// The delivery's id.
    pub id: DeliveryId,
    /// The route that asked for it.
    pub route: String,
    /// What the route captured, as JSON.
    pub captures: Option<String>,
    /// The number of the attempt.
    pub attempt: u32,
    /// The lease's token.
    pub token: i64,
    /// Until when, in microseconds of steady time.
    pub expires_at: i64,
    /// Whether it waits for the one before it.
    pub follows: bool,
    /// The delivery that it is a resend of.
    pub resend_of: Option<DeliveryId>,
}

/// A leased delivery that can never be attempted.
pub struct Lost {
    /// The delivery's row.
    pub number: i64,
    /// The lease's token.
    pub token: i64,
    /// Why.
    pub reason: String,
}

/// Joins leased deliveries with their events, which `event_of` reads by the delivery's row: an event, or why it can never be
/// read. Those that can never be attempted are returned separately.
///
/// # Errors
/// That of `event_of`: none of them could be decided.
pub fn with_events<E>(
    sink: &SinkName,
    leased: Vec<Leased>,
    mut event_of: impl FnMut(i64) -> Result<Result<Arc<Event>, String>, E>,
) -> Result<(Vec<Lease>, Vec<Lost>), E> {
    let (mut leases, mut lost) = (Vec::with_capacity(leased.len()), Vec::new());
    // Whether the delivery before became a dead letter, so that this one may be attempted.
    let mut is_free = false;
    for it in leased {
        let follows = it.follows && !is_free;
        is_free = false;
        let captures = it.captures.as_deref().map_or_else(|| Ok(BTreeMap::new()), serde_json::from_str);
        let captures = captures.map_err(|error| format!("its captures cannot be read: {error}"));
        match event_of(it.number)?.and_then(|event| Ok((event, captures?))) {
            Ok((event, captures)) => leases.push(Lease {
                delivery: Delivery {
                    id: it.id,
                    sink: sink.clone(),
                    route: RouteName::new(&it.route),
                    captures,
                    event,
                    attempt: it.attempt,
                    resend_of: it.resend_of,
                },
                expires_at: instant(it.expires_at),
                token: it.token,
                follows,
                held: Held::default(),
            }),
            Err(reason) => {
                tracing::error!(%sink, delivery = %it.id, reason, "a delivery cannot be read: it becomes a dead letter");
                is_free = !follows;
                lost.push(Lost { number: it.number, token: it.token, reason });
            }
        }
    }
    Ok((leases, lost))
}
